//! The parameters at a point, resolved and normalised, at little cost per point: what a product shares is
//! worked out once, and canonical texts are put together from parts.

use lem_protocol::Parameters;
use serde_json::Value;

use super::grid::Product;
use super::model::ModelRequest;
use super::prune::Facts;
use super::workload::WorkloadPlan;
use crate::catalogue::{Level, Predicate};
use crate::units::canonical_json;

/// A value of a parameter, with its canonical text `"name":value`.
struct Part<'a> {
    value: &'a Value,
    text: String,
}

/// A parameter of a product and the values that it takes.
struct Slot<'a> {
    name: &'a str,
    level: Level,
    default: Part<'a>,
    axis: Option<usize>,
    settings: Vec<Option<Part<'a>>>,
}

/// Parameters without effect where a condition holds.
struct Dead<'a> {
    when: &'a Predicate,
    /// What the condition reads beyond parameters: the same at every point.
    facts: Vec<(&'a str, Value)>,
    slots: Vec<usize>,
}

/// Resolves the points of one product.
pub(super) struct Resolver<'a> {
    product: &'a Product,
    /// Sorted by name, as canonical JSON wants them. Names are ASCII, so bytes and UTF-16 sort alike.
    slots: Vec<Slot<'a>>,
    dead: Vec<Dead<'a>>,
}

/// The parameters at one point.
pub(super) struct Resolved<'r> {
    slots: &'r [Slot<'r>],
    parts: Vec<&'r Part<'r>>,
}

impl<'a> Part<'a> {
    fn new(name: &str, value: &'a Value) -> Self {
        let mut text = canonical_json(&Value::from(name));
        text.push(b':');
        text.extend(canonical_json(value));
        Self {
            value,
            text: String::from_utf8(text).expect("JSON is UTF-8"),
        }
    }
}

impl<'a> Resolver<'a> {
    pub fn new(product: &'a Product, plan: &WorkloadPlan, model: &ModelRequest) -> Self {
        let catalogue = &product.catalogue;
        let mut slots: Vec<Slot<'a>> = Vec::new();
        for (name, parameter) in catalogue.parameters() {
            let axis = product
                .axes
                .iter()
                .position(|axis| axis.names.contains(name));
            let settings = axis.map_or(&[][..], |axis| &product.axes[axis].settings);
            slots.push(Slot {
                name,
                level: parameter.level,
                default: Part::new(name, &parameter.default),
                axis,
                settings: settings
                    .iter()
                    .map(|setting| Some(Part::new(name, setting.get(name)?)))
                    .collect(),
            });
        }
        for (level, extra) in [
            (Level::Engine, &product.extra_engine),
            (Level::Request, &product.extra_request),
        ] {
            for (name, value) in extra {
                slots.push(Slot {
                    name,
                    level,
                    default: Part::new(name, value),
                    axis: None,
                    settings: Vec::new(),
                });
            }
        }
        slots.sort_by_key(|slot| slot.name);
        let place = |name: &str| slots.binary_search_by_key(&name, |slot| slot.name).ok();
        let dead = catalogue.equivalences().iter().map(|equivalence| Dead {
            when: &equivalence.when,
            facts: equivalence
                .when
                .names()
                .into_iter()
                .filter(|name| place(name).is_none())
                .map(|name| (name, Facts::new(product, plan, model).value(name, &[])))
                .collect(),
            slots: equivalence
                .dead
                .iter()
                .filter_map(|name| place(name))
                .collect(),
        });
        let dead = dead.collect();
        Self {
            product,
            slots,
            dead,
        }
    }

    /// The parameters at an index, those without effect at their defaults.
    pub fn at(&self, index: u32) -> Resolved<'_> {
        let digits = self.product.digits(index);
        let mut parts: Vec<&Part<'_>> = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            parts.push(
                slot.axis
                    .and_then(|axis| slot.settings[digits[axis]].as_ref())
                    .unwrap_or(&slot.default),
            );
        }
        self.normalise(&mut parts);
        Resolved {
            slots: &self.slots,
            parts,
        }
    }

    /// Until nothing changes: what one condition puts to its default may be what another reads.
    fn normalise<'r>(&'r self, parts: &mut [&'r Part<'r>]) {
        for _ in 0..=self.dead.len() {
            let mut changed = false;
            for dead in &self.dead {
                let lookup =
                    |name: &str| match self.slots.binary_search_by_key(&name, |slot| slot.name) {
                        Ok(slot) => parts[slot].value,
                        Err(_) => dead
                            .facts
                            .iter()
                            .find(|(known, _)| *known == name)
                            .map_or(&Value::Null, |(_, value)| value),
                    };
                if !dead.when.holds(&lookup) {
                    continue;
                }
                for slot in &dead.slots {
                    let default = &self.slots[*slot].default;
                    changed |= parts[*slot].text != default.text;
                    parts[*slot] = default;
                }
            }
            if !changed {
                return;
            }
        }
    }
}

impl Resolved<'_> {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let slot = self
            .slots
            .binary_search_by_key(&name, |slot| slot.name)
            .ok()?;
        Some(self.parts[slot].value)
    }

    /// The parameters of a level.
    pub fn parameters(&self, level: Level) -> Parameters {
        let own = self
            .slots
            .iter()
            .zip(&self.parts)
            .filter(|(slot, _)| slot.level == level);
        own.map(|(slot, part)| (slot.name.to_owned(), part.value.clone()))
            .collect()
    }

    /// The parameters of a level in canonical JSON.
    pub fn write(&self, level: Level, text: &mut String) {
        text.push('{');
        let mut first = true;
        for (slot, part) in self.slots.iter().zip(&self.parts) {
            if slot.level == level {
                if !std::mem::take(&mut first) {
                    text.push(',');
                }
                text.push_str(&part.text);
            }
        }
        text.push('}');
    }
}
