//! `grid.exclude` of the file → conditions.

use super::find_key;
use super::grid::{GridReader, MAX_ENTRIES};
use crate::campaign::grid::{Exclude, Product};
use crate::catalogue::{FACTS, Predicate};
use crate::diagnostics::{Place, nearest};
use crate::document::Node;

impl GridReader<'_> {
    pub(super) fn exclude(&mut self, products: &[Product]) -> Vec<Exclude> {
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
            let place = find_key(when, name).unwrap_or(when.place);
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
