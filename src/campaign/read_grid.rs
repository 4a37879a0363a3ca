//! `grid` and `experiments` of the file, held against the catalogues. Works on the tree, so that each
//! problem points at its value; what has the wrong shape was told before and is passed over here.

use std::collections::BTreeMap;
use std::sync::Arc;

use lem_protocol::Parameters;
use serde_json::Value as Json;

use super::grid::{Axis, CONCURRENCY, Exclude, Grid, Product, WORKLOAD_AXES};
use super::spec::MAX_LENGTH;
use crate::catalogue::{Catalogue, Catalogues, FACTS, Level, Predicate};
use crate::diagnostics::{Place, Problem, nearest};
use crate::document::{Entry, Node, Value};

/// Most requests in flight.
const MAX_CONCURRENCY: i64 = 65_536;
/// Most axes of a backend, and most conditions of `exclude`.
const MAX_ENTRIES: usize = 200;

/// Settings of one axis, where its names are written.
struct Written {
    settings: Vec<BTreeMap<String, Json>>,
    places: BTreeMap<String, Place>,
}

pub(super) struct GridReader<'a> {
    root: &'a Node,
    catalogues: &'a Catalogues,
    problems: &'a mut Vec<Problem>,
}

impl<'a> GridReader<'a> {
    pub fn new(root: &'a Node, catalogues: &'a Catalogues, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            root,
            catalogues,
            problems,
        }
    }

    pub fn grid(&mut self) -> Grid {
        if self.root.find(&["grid"]).is_none()
            && self.root.find(&["experiments"]).is_none()
            && self.root.as_map().is_some()
        {
            let problem = Problem::new(
                self.root.place,
                "the file has neither `grid` nor `experiments`",
            );
            self.problems.push(
                problem.hint(
                    "for example `grid: {backends: [reference], shared: {batch_size: [1, 2]}}`",
                ),
            );
        }
        let backends = self.backends();
        let mut products: Vec<Product> = backends
            .iter()
            .map(|catalogue| self.product(catalogue))
            .collect();
        self.strangers(&backends);
        products.extend(self.experiments());
        let exclude = self.exclude(&products);
        Grid { products, exclude }
    }

    fn say(&mut self, place: Place, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            place,
            message: message.into(),
            hint,
        });
    }

    /// The entries of a map, few enough to be compared with each other.
    fn entries(&mut self, node: Option<&'a Node>) -> &'a [Entry] {
        let Some(map) = node.and_then(Node::as_map) else {
            return &[];
        };
        if let Some(beyond) = map.entries.get(MAX_ENTRIES) {
            self.say(
                beyond.key_place,
                format!("more than {MAX_ENTRIES} keys in one map"),
                None,
            );
            return &map.entries[..MAX_ENTRIES];
        }
        &map.entries
    }

    fn items(node: Option<&'a Node>) -> &'a [Node] {
        node.and_then(Node::as_list).unwrap_or_default()
    }

    fn backend(&mut self, node: &Node) -> Option<Arc<Catalogue>> {
        let name = node.as_text()?;
        let found = self.catalogues.get(name).cloned();
        if found.is_none() {
            let known: Vec<&str> = self.catalogues.backends().collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are catalogues for: {}", known.join(", ")),
            };
            self.say(
                node.place,
                format!("there is no catalogue for the backend `{name}`"),
                Some(hint),
            );
        }
        found
    }

    fn backends(&mut self) -> Vec<Arc<Catalogue>> {
        let mut backends: Vec<Arc<Catalogue>> = Vec::new();
        for node in Self::items(self.root.find(&["grid", "backends"])) {
            let Some(catalogue) = self.backend(node) else {
                continue;
            };
            if backends
                .iter()
                .any(|known| known.backend() == catalogue.backend())
            {
                // Two spellings of one backend; equal spellings were told before.
                let name = node.as_text().unwrap_or_default();
                if Catalogues::canonical(name) != name {
                    self.say(
                        node.place,
                        format!(
                            "`{name}` is `{}`, which is there already",
                            catalogue.backend()
                        ),
                        None,
                    );
                }
                continue;
            }
            backends.push(catalogue);
        }
        backends.sort_by(|left, right| left.backend().cmp(right.backend()));
        backends
    }

    fn product(&mut self, catalogue: &Arc<Catalogue>) -> Product {
        let mut written = Vec::new();
        for entry in self.entries(self.root.find(&["grid", "shared"])) {
            written.extend(self.axis(catalogue, entry));
        }
        for backend in self.entries(self.root.find(&["grid", "per_backend"])) {
            if Catalogues::canonical(&backend.key) == catalogue.backend() {
                for entry in self.entries(Some(&backend.node)) {
                    written.extend(self.axis(catalogue, entry));
                }
            }
        }
        for group in Self::items(self.root.find(&["grid", "groups"])) {
            written.extend(self.group(catalogue, group));
        }
        self.set_once(&written);
        let (mut engine, mut request) = (Parameters::new(), Parameters::new());
        self.extra(catalogue, &mut engine, &mut request);
        self.extra_unchecked(catalogue, &mut engine);
        let axes = written
            .into_iter()
            .map(|written| Axis::new(written.settings))
            .collect();
        Product::new(Arc::clone(catalogue), axes, engine, request)
    }

    fn axis(&mut self, catalogue: &Catalogue, entry: &Entry) -> Option<Written> {
        if !self.known(catalogue, &entry.key, entry.key_place) {
            return None;
        }
        let nodes = entry
            .node
            .as_list()
            .unwrap_or(std::slice::from_ref(&entry.node));
        let mut settings: Vec<BTreeMap<String, Json>> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for node in nodes {
            let Some(value) = self.value(catalogue, &entry.key, node) else {
                continue;
            };
            if !seen.insert(crate::units::canonical_json(&value)) {
                self.say(
                    node.place,
                    format!("`{}` has the value {value} twice", entry.key),
                    None,
                );
            }
            settings.push(BTreeMap::from([(entry.key.clone(), value)]));
        }
        Some(Written {
            settings,
            places: BTreeMap::from([(entry.key.clone(), entry.key_place)]),
        })
        .filter(|axis| !axis.settings.is_empty())
    }

    fn group(&mut self, catalogue: &Catalogue, group: &'a Node) -> Option<Written> {
        let mut written = Written {
            settings: Vec::new(),
            places: BTreeMap::new(),
        };
        for member in Self::items(Some(group)) {
            let mut setting = BTreeMap::new();
            for entry in self.entries(Some(member)) {
                written
                    .places
                    .entry(entry.key.clone())
                    .or_insert(entry.key_place);
                if let Some(value) = self
                    .known(catalogue, &entry.key, entry.key_place)
                    .then(|| self.value(catalogue, &entry.key, &entry.node))
                    .flatten()
                {
                    setting.insert(entry.key.clone(), value);
                }
            }
            if written.settings.contains(&setting) {
                self.say(member.place, "this member stands twice in its group", None);
            }
            written.settings.push(setting);
        }
        Some(written).filter(|group| !group.settings.is_empty())
    }

    /// A parameter is set by one axis only: what a second one says would be lost.
    fn set_once(&mut self, written: &[Written]) {
        let mut first: BTreeMap<&str, Place> = BTreeMap::new();
        for (name, place) in written.iter().flat_map(|axis| &axis.places) {
            if let Some(first) = first.get(name.as_str()) {
                let hint = format!("it is set first in line {}", first.line);
                self.say(
                    *place,
                    format!("`{name}` is set by two axes of the grid"),
                    Some(hint),
                );
            }
            first.entry(name).or_insert(*place);
        }
    }

    fn known(&mut self, catalogue: &Catalogue, name: &str, place: Place) -> bool {
        if catalogue.parameters().contains_key(name) || WORKLOAD_AXES.contains(&name) {
            return true;
        }
        let backend = catalogue.backend();
        let hint = if catalogue.extra().contains_key(name) {
            format!("it can be passed on: `grid.extra: {{{backend}: {{{name}: …}}}}`")
        } else {
            let known = catalogue
                .parameters()
                .keys()
                .map(String::as_str)
                .chain(WORKLOAD_AXES);
            match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "`lemctl params list {backend}` lists them; axes over the workload are {}",
                    WORKLOAD_AXES.join(", ")
                ),
            }
        };
        self.say(
            place,
            format!(
                "`{backend}` {} has no parameter `{name}`",
                catalogue.version()
            ),
            Some(hint),
        );
        false
    }

    fn value(&mut self, catalogue: &Catalogue, name: &str, node: &Node) -> Option<Json> {
        if matches!(node.value, Value::List(_) | Value::Map(_)) {
            return None;
        }
        let value = node.to_json();
        if let Some(parameter) = catalogue.parameters().get(name) {
            return match parameter.admit(&value) {
                Ok(()) => Some(one_spelling(value)),
                Err(mismatch) => {
                    self.say(node.place, mismatch.message, Some(mismatch.hint));
                    None
                }
            };
        }
        let most = if name == CONCURRENCY {
            MAX_CONCURRENCY
        } else {
            i64::from(MAX_LENGTH)
        };
        if value
            .as_i64()
            .is_some_and(|value| (1..=most).contains(&value))
        {
            return Some(value);
        }
        self.say(
            node.place,
            format!(
                "`{name}` takes an integer from 1 to {most}, not {}",
                node.describe()
            ),
            None,
        );
        None
    }

    /// Keys under `per_backend`, `extra` and `extra_unchecked` that are no backend of the grid.
    fn strangers(&mut self, backends: &[Arc<Catalogue>]) {
        for section in ["per_backend", "extra", "extra_unchecked"] {
            for entry in self.entries(self.root.find(&["grid", section])) {
                let name = Catalogues::canonical(&entry.key);
                if !backends.iter().any(|catalogue| catalogue.backend() == name) {
                    let near = nearest(name, backends.iter().map(|catalogue| catalogue.backend()));
                    let hint = near.map_or("name it in `grid.backends`".to_owned(), |near| {
                        format!("did you mean `{near}`?")
                    });
                    self.say(
                        entry.key_place,
                        format!("`{}` is not among the grid's backends", entry.key),
                        Some(hint),
                    );
                }
            }
        }
    }

    fn of_backend(&mut self, section: &str, catalogue: &Catalogue) -> Vec<&'a Entry> {
        let backends = self.entries(self.root.find(&["grid", section]));
        let mine = backends
            .iter()
            .filter(|entry| Catalogues::canonical(&entry.key) == catalogue.backend());
        mine.flat_map(|entry| self.entries(Some(&entry.node)))
            .collect()
    }

    fn extra(&mut self, catalogue: &Catalogue, engine: &mut Parameters, request: &mut Parameters) {
        for Entry {
            key,
            key_place,
            node,
        } in self.of_backend("extra", catalogue)
        {
            match catalogue.extra().get(key) {
                Some(Level::Engine) => drop(engine.insert(key.clone(), node.to_json())),
                Some(Level::Request) => drop(request.insert(key.clone(), node.to_json())),
                None if catalogue.parameters().contains_key(key) => {
                    self.say(
                        *key_place,
                        format!("`{key}` is a parameter of the catalogue"),
                        Some(
                            "set it under `shared` or `per_backend`, where its value is checked"
                                .to_owned(),
                        ),
                    );
                }
                None => {
                    let hint = match nearest(key, catalogue.extra().keys().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => {
                            "if the backend takes it all the same, write it under `extra_unchecked`"
                                .to_owned()
                        }
                    };
                    self.say(
                        *key_place,
                        format!(
                            "`{}` {} knows no `{key}`",
                            catalogue.backend(),
                            catalogue.version()
                        ),
                        Some(hint),
                    );
                }
            }
        }
    }

    fn extra_unchecked(&mut self, catalogue: &Catalogue, engine: &mut Parameters) {
        for Entry {
            key,
            key_place,
            node,
        } in self.of_backend("extra_unchecked", catalogue)
        {
            let section = match (
                catalogue.extra().contains_key(key),
                catalogue.parameters().contains_key(key),
            ) {
                (true, _) => "`extra`",
                (_, true) => "`shared` or `per_backend`",
                _ => {
                    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                    if key.is_empty() || key.len() > 80 || !key.bytes().all(good) {
                        let message =
                            "a parameter's name has letters, digits, `.`, `_` and `-`, 80 at most";
                        self.say(*key_place, message, None);
                    }
                    engine.insert(key.clone(), node.to_json());
                    continue;
                }
            };
            self.say(
                *key_place,
                format!("the catalogue knows `{key}`"),
                Some(format!("write it under {section}")),
            );
        }
    }

    /// Explicit experiments: for each backend one product with one axis.
    fn experiments(&mut self) -> Vec<Product> {
        let mut by_backend: BTreeMap<String, (Arc<Catalogue>, Vec<BTreeMap<String, Json>>)> =
            BTreeMap::new();
        for item in Self::items(self.root.find(&["experiments"])) {
            let Some(catalogue) = item.find(&["backend"]).and_then(|node| self.backend(node))
            else {
                continue;
            };
            let mut setting = BTreeMap::new();
            for entry in self.entries(item.find(&["parameters"])) {
                if self.known(&catalogue, &entry.key, entry.key_place)
                    && let Some(value) = self.value(&catalogue, &entry.key, &entry.node)
                {
                    setting.insert(entry.key.clone(), value);
                }
            }
            let (_, settings) = by_backend
                .entry(catalogue.backend().to_owned())
                .or_insert_with(|| (catalogue, Vec::new()));
            settings.push(setting);
        }
        let products = by_backend.into_values();
        products
            .map(|(catalogue, settings)| {
                Product::new(
                    catalogue,
                    vec![Axis::new(settings)],
                    Parameters::new(),
                    Parameters::new(),
                )
            })
            .collect()
    }

    fn exclude(&mut self, products: &[Product]) -> Vec<Exclude> {
        let mut exclude = Vec::new();
        let items = Self::items(self.root.find(&["grid", "exclude"]));
        if let Some(beyond) = items.get(MAX_ENTRIES) {
            self.say(
                beyond.place,
                format!("more than {MAX_ENTRIES} conditions"),
                None,
            );
        }
        for item in items.iter().take(MAX_ENTRIES) {
            let Some(when) = item
                .find(&["when"])
                .filter(|when| when.as_map().is_some_and(|map| !map.entries.is_empty()))
            else {
                continue;
            };
            let written = when.to_json();
            let (predicate, flaws) = Predicate::read(&written);
            self.condition(when, &predicate, products);
            for flaw in flaws {
                self.say(place_of(when, &flaw.path), flaw.message, flaw.hint);
            }
            let reason = item
                .find(&["reason"])
                .and_then(Node::as_text)
                .unwrap_or_default()
                .to_owned();
            exclude.push(Exclude {
                when: predicate,
                written,
                reason,
            });
        }
        exclude
    }

    /// Names must be known to some backend, and values must be ones that the name can have.
    fn condition(&mut self, when: &Node, predicate: &Predicate, products: &[Product]) {
        if products.is_empty() {
            return;
        }
        let mut told: Vec<(Place, String, Option<String>)> = Vec::new();
        predicate.visit(&mut |name, values| {
            let place = super::load::find_key(when, name).unwrap_or(when.place);
            let parameters: Vec<_> = products
                .iter()
                .filter_map(|product| product.catalogue.parameters().get(name))
                .collect();
            if parameters.is_empty() {
                if !FACTS.contains(&name) {
                    let known = products
                        .iter()
                        .flat_map(|product| {
                            product.catalogue.parameters().keys().map(String::as_str)
                        })
                        .chain(FACTS);
                    let hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
                    told.push((
                        place,
                        format!("no backend of the campaign has the parameter `{name}`"),
                        hint,
                    ));
                }
                return;
            }
            for value in values {
                if !parameters
                    .iter()
                    .any(|parameter| parameter.comparable(value))
                {
                    let hint = parameters.first().map(|parameter| parameter.admits());
                    told.push((
                        place,
                        format!("`{name}` is never {value}: the condition would leave out nothing"),
                        hint,
                    ));
                }
            }
        });
        for (place, message, hint) in told {
            self.say(place, message, hint);
        }
    }
}

/// `1.0` and `1` are one number: they must give one id as they give one hash.
fn one_spelling(value: Json) -> Json {
    let whole = value
        .as_f64()
        .filter(|number| value.is_f64() && number.fract() == 0.0);
    match whole {
        // Within ±2^53 every whole double is an i64.
        Some(number) if number.abs() <= crate::units::MAX_SAFE_INTEGER as f64 => {
            Json::from(number as i64)
        }
        _ => value,
    }
}

/// Where a path of keys and indices leads in a tree.
fn place_of(node: &Node, path: &[String]) -> Place {
    let Some((step, rest)) = path.split_first() else {
        return node.place;
    };
    if let Some(entry) = node.as_map().and_then(|map| map.entry(step)) {
        return if rest.is_empty() {
            entry.key_place
        } else {
            place_of(&entry.node, rest)
        };
    }
    let item = step
        .parse()
        .ok()
        .and_then(|index: usize| node.as_list()?.get(index));
    item.map_or(node.place, |item| place_of(item, rest))
}
