//! Names and values of parameters, held against the catalogue of their backend.

use std::sync::Arc;

use lem_protocol::Parameters;
use serde_json::Value as Json;

use super::grid::GridReader;
use crate::campaign::grid::{CONCURRENCY, RATE, WORKLOAD_AXES};
use crate::campaign::length::MAX_LENGTH;
use crate::catalogue::{Catalogue, Catalogues, Level};
use crate::diagnostics::{Place, nearest};
use crate::document::{Entry, Node, Value};
use crate::units::MAX_SAFE_INTEGER;

/// Most requests in flight.
const MAX_CONCURRENCY: i64 = 65_536;
/// Most requests a second.
const MAX_RATE: f64 = 10_000.0;
/// Most names that a hint lists.
const SHOWN: usize = 40;

impl<'a> GridReader<'a> {
    pub(super) fn known(&mut self, catalogue: &Catalogue, name: &str, place: Place) -> bool {
        if catalogue.parameters().contains_key(name) || WORKLOAD_AXES.contains(&name) {
            return true;
        }
        if self.gone(catalogue, name, place) {
            return false;
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
                None => {
                    let names: Vec<&str> =
                        catalogue.parameters().keys().map(String::as_str).collect();
                    let more = if names.len() > SHOWN { ", …" } else { "" };
                    let names = names[..names.len().min(SHOWN)].join(", ");
                    format!(
                        "it has {names}{more}; axes over the workload are {}",
                        WORKLOAD_AXES.join(", ")
                    )
                }
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

    /// Says of a name that earlier versions had, or that campaigns may not set, why it is refused.
    fn gone(&mut self, catalogue: &Catalogue, name: &str, place: Place) -> bool {
        let (backend, version) = (catalogue.backend(), catalogue.version());
        if let Some(removed) = catalogue.removed().get(name) {
            let last = &removed.last_version;
            let message =
                format!("`{backend}` {version} has no `{name}`: it was dropped after {last}");
            self.say(place, message, Some(removed.advice()));
            return true;
        }
        if let Some(reason) = catalogue.exclusions().get(name) {
            let message = format!("`{name}` of `{backend}` is not a campaign's to set");
            self.say(place, message, Some(reason.clone()));
            return true;
        }
        false
    }

    pub(super) fn value(&mut self, catalogue: &Catalogue, name: &str, node: &Node) -> Option<Json> {
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
        if name == RATE {
            if value
                .as_f64()
                .is_some_and(|rate| rate > 0.0 && rate <= MAX_RATE)
            {
                return Some(one_spelling(value));
            }
            let found = node.describe();
            let message =
                format!("`{name}` takes a number above 0 and at most {MAX_RATE}, not {found}");
            self.say(node.place, message, None);
            return None;
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
    pub(super) fn strangers(&mut self, backends: &[Arc<Catalogue>]) {
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

    pub(super) fn extra(
        &mut self,
        catalogue: &Catalogue,
        engine: &mut Parameters,
        request: &mut Parameters,
    ) {
        for Entry {
            key,
            key_place,
            node,
        } in self.of_backend("extra", catalogue)
        {
            match catalogue.extra().get(key) {
                Some(entry) => {
                    let value = node.to_json();
                    if let Err(mismatch) = entry.admit(&value) {
                        self.say(node.place, mismatch.message, Some(mismatch.hint));
                    }
                    let parameters = match entry.level {
                        Level::Engine => &mut *engine,
                        Level::Request => &mut *request,
                    };
                    parameters.insert(key.clone(), value);
                }
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
                None if self.gone(catalogue, key, *key_place) => {}
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

    pub(super) fn extra_unchecked(&mut self, catalogue: &Catalogue, engine: &mut Parameters) {
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
                _ if self.gone(catalogue, key, *key_place) => continue,
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
}

/// `1.0` and `1` are one number: they must give one id as they give one hash.
fn one_spelling(value: Json) -> Json {
    let whole = value
        .as_f64()
        .filter(|number| value.is_f64() && number.fract() == 0.0);
    match whole {
        // Within ±2^53 every whole double is an i64.
        Some(number) if number.abs() <= MAX_SAFE_INTEGER as f64 => Json::from(number as i64),
        _ => value,
    }
}
