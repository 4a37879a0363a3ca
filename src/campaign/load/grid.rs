//! `grid` and `experiments` of the file, held against the catalogues. Works on the tree, so that each
//! problem points at its value; what has the wrong shape was told before and is passed over here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lem_protocol::Parameters;
use serde_json::Value as Json;

use crate::campaign::grid::{Axis, Grid, Product};
use crate::catalogue::{Catalogue, Catalogues};
use crate::diagnostics::{Place, Problem, nearest};
use crate::document::{Entry, Node};

/// Most axes of a backend, and most conditions of `exclude`.
pub(super) const MAX_ENTRIES: usize = 200;

type Settings = Vec<BTreeMap<String, Json>>;

/// Settings of one axis, where its names are written.
struct Written {
    settings: Settings,
    places: BTreeMap<String, Place>,
}

pub(super) struct GridReader<'a> {
    pub(super) root: &'a Node,
    pub(super) catalogues: &'a Catalogues,
    problems: &'a mut Vec<Problem>,
    /// How many GPUs the campaign names.
    gpus: usize,
}

impl<'a> GridReader<'a> {
    pub fn new(
        root: &'a Node,
        catalogues: &'a Catalogues,
        gpus: usize,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self {
            root,
            catalogues,
            problems,
            gpus,
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
        self.versions(&backends);
        products.extend(self.experiments());
        let exclude = self.exclude(&products);
        Grid { products, exclude }
    }

    pub(super) fn say(&mut self, place: Place, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            place,
            message: message.into(),
            hint,
        });
    }

    /// The entries of a map, few enough to be compared with each other.
    pub(super) fn entries(&mut self, node: Option<&'a Node>) -> &'a [Entry] {
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

    pub(super) fn items(node: Option<&'a Node>) -> &'a [Node] {
        node.and_then(Node::as_list).unwrap_or_default()
    }

    fn backend(&mut self, node: &Node) -> Option<Arc<Catalogue>> {
        let name = node.as_text()?;
        let found = self.chosen(name).cloned();
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
        Product::new(Arc::clone(catalogue), axes, engine, request, self.gpus)
    }

    fn axis(&mut self, catalogue: &Catalogue, entry: &Entry) -> Option<Written> {
        if !self.known(catalogue, &entry.key, entry.key_place) {
            return None;
        }
        let nodes = entry
            .node
            .as_list()
            .unwrap_or(std::slice::from_ref(&entry.node));
        let mut settings = Settings::new();
        let mut seen = HashSet::new();
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

    /// Explicit experiments: for each backend one product with one axis.
    fn experiments(&mut self) -> Vec<Product> {
        let mut by_backend: BTreeMap<String, (Arc<Catalogue>, Settings)> = BTreeMap::new();
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
                    self.gpus,
                )
            })
            .collect()
    }
}
