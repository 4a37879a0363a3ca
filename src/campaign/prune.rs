//! Which raw points are valid. A rule is evaluated once for each combination of the axes it reads, not
//! once for each point, so that a million points cost a table look-up each.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::grid::{CONCURRENCY, Grid, INPUT_TOKENS, OUTPUT_TOKENS, Point, Product, RATE};
use super::model::ModelRequest;
use super::workload::{ArrivalPlan, Lengths, Longest, WorkloadPlan};
use crate::catalogue::Predicate;

/// A raw point that is left out, and the first rule that says so. Compact: there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    pub(super) point: Point,
    /// Index into the backend's rules and, beyond them, into the campaign's `exclude`.
    pub(super) rule: u16,
}

impl Pruned {
    /// The point.
    #[must_use]
    pub fn point(&self) -> Point {
        self.point
    }
}

/// The raw points, told apart.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The valid ones, in the order of the grid.
    pub kept: Vec<Point>,
    /// The others.
    pub pruned: Vec<Pruned>,
}

/// The verdict of one rule for each combination of the axes it reads.
struct Table {
    rule: u16,
    /// Index of an axis, and the weight of its digit in the table.
    digits: Vec<(usize, usize)>,
    forbidden: Vec<bool>,
}

impl Grid {
    pub(super) fn survey(&self, plan: &WorkloadPlan, model: &ModelRequest) -> Survey {
        let mut survey = Survey::default();
        for (number, product) in self.products.iter().enumerate() {
            // Counted at load: at most MAX_RAW_POINTS, and far fewer products than backends × 2.
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            let count = product
                .count()
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0);
            let tables = self.tables(product, plan, model);
            let mut digits = vec![0; product.axes.len()];
            for index in 0..count {
                let point = Point {
                    product: number,
                    index,
                };
                let violated = tables.iter().find(|table| table.forbids(&digits));
                match violated {
                    Some(table) => survey.pruned.push(Pruned {
                        point,
                        rule: table.rule,
                    }),
                    None => survey.kept.push(point),
                }
                advance(&mut digits, product);
            }
        }
        survey
    }

    fn tables(&self, product: &Product, plan: &WorkloadPlan, model: &ModelRequest) -> Vec<Table> {
        let rules = product.catalogue.rules().iter().map(|rule| &rule.forbid);
        let conditions = rules.chain(self.exclude.iter().map(|exclude| &exclude.when));
        let mut facts = Facts::new(product, plan, model);
        let tables = conditions.enumerate().filter_map(|(rule, condition)| {
            let rule = u16::try_from(rule).unwrap_or(u16::MAX);
            let applies = condition.names().iter().all(|name| facts.knows(name));
            let table = applies.then(|| Table::new(rule, condition, &mut facts))?;
            table.forbidden.contains(&true).then_some(table)
        });
        tables.collect()
    }
}

/// Counts one up.
fn advance(digits: &mut [usize], product: &Product) {
    for (digit, axis) in digits.iter_mut().zip(&product.axes).rev() {
        *digit += 1;
        if *digit < axis.settings.len() {
            return;
        }
        *digit = 0;
    }
}

impl Table {
    fn new(rule: u16, condition: &Predicate, facts: &mut Facts<'_>) -> Self {
        let names = condition.names();
        let read: BTreeSet<&str> = names.iter().flat_map(sources).copied().collect();
        let axes: Vec<usize> = (0..facts.product.axes.len())
            .filter(|axis| {
                read.iter()
                    .any(|name| facts.product.axes[*axis].names.contains(*name))
            })
            .collect();
        let mut digits = Vec::new();
        let mut size = 1;
        for axis in axes {
            digits.push((axis, size));
            size *= facts.product.axes[axis].settings.len();
        }
        let mut forbidden = Vec::with_capacity(size);
        for combination in 0..size {
            let chosen: Vec<(usize, usize)> = digits
                .iter()
                .map(|(axis, weight)| {
                    (
                        *axis,
                        combination / weight % facts.product.axes[*axis].settings.len(),
                    )
                })
                .collect();
            let values: Vec<(&str, Value)> = names
                .iter()
                .map(|name| (*name, facts.value(name, &chosen)))
                .collect();
            forbidden.push(condition.holds(&|name| lookup(&values, name)));
        }
        Self {
            rule,
            digits,
            forbidden,
        }
    }

    fn forbids(&self, digits: &[usize]) -> bool {
        let at: usize = self
            .digits
            .iter()
            .map(|(axis, weight)| digits[*axis] * weight)
            .sum();
        self.forbidden[at]
    }
}

fn lookup<'a>(values: &'a [(&str, Value)], name: &str) -> &'a Value {
    values
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(&Value::Null, |(_, value)| value)
}

/// The axes that a name depends on.
fn sources<'a>(name: &'a &'a str) -> &'a [&'a str] {
    match *name {
        "workload.max_input_tokens" => &[INPUT_TOKENS],
        "workload.max_output_tokens" => &[OUTPUT_TOKENS],
        "workload.max_total_tokens" => &[INPUT_TOKENS, OUTPUT_TOKENS],
        _ => std::slice::from_ref(name),
    }
}

/// What rules can ask about a point of a product.
pub(super) struct Facts<'a> {
    product: &'a Product,
    plan: &'a WorkloadPlan,
    model: &'a ModelRequest,
    longest: HashMap<Lengths, Longest>,
}

impl<'a> Facts<'a> {
    pub fn new(product: &'a Product, plan: &'a WorkloadPlan, model: &'a ModelRequest) -> Self {
        Self {
            product,
            plan,
            model,
            longest: HashMap::new(),
        }
    }

    fn knows(&self, name: &str) -> bool {
        crate::catalogue::FACTS.contains(&name)
            || self.product.catalogue.parameters().contains_key(name)
    }

    /// The value of a name where some axes have the given settings and the others do not matter to it.
    pub fn value(&mut self, name: &str, chosen: &[(usize, usize)]) -> Value {
        let set = |name: &str| {
            let mut settings = chosen
                .iter()
                .map(|(axis, setting)| &self.product.axes[*axis].settings[*setting]);
            settings.find_map(|setting| setting.get(name)).cloned()
        };
        let tokens =
            |value: Option<Value>| value.and_then(|value| u32::try_from(value.as_u64()?).ok());
        let axes = || Lengths {
            input_tokens: tokens(set(INPUT_TOKENS)),
            output_tokens: tokens(set(OUTPUT_TOKENS)),
        };
        match name {
            "backend" => Value::from(self.product.catalogue.backend()),
            "gpus.count" => self.product.gpus.map_or(Value::Null, Value::from),
            "workload.arrival" => Value::from(match self.plan.arrival {
                ArrivalPlan::Batch => "batch",
                ArrivalPlan::ClosedLoop { .. } => "closed_loop",
                ArrivalPlan::OpenLoop { .. } | ArrivalPlan::Trace { .. } => "open_loop",
            }),
            "workload.source" => Value::from(if self.plan.is_synthetic() {
                "synthetic"
            } else {
                "jsonl"
            }),
            model if model.starts_with("model.") => self.model.fact(model),
            "workload.min_requests" => Value::from(self.plan.measure.min_requests),
            "workload.max_token_id" => self
                .plan
                .max_token_id(self.bytes())
                .map_or(Value::Null, Value::from),
            "workload.max_input_tokens" => {
                let axes = axes();
                self.longest(axes).input.map_or(Value::Null, Value::from)
            }
            "workload.max_output_tokens" => {
                let axes = axes();
                Value::from(self.longest(axes).output)
            }
            "workload.max_total_tokens" => {
                let axes = axes();
                self.longest(axes).total.map_or(Value::Null, Value::from)
            }
            CONCURRENCY => set(name).unwrap_or_else(|| match self.plan.arrival {
                ArrivalPlan::ClosedLoop {
                    concurrency: Some(concurrency),
                } => Value::from(concurrency),
                _ => Value::Null,
            }),
            RATE => set(name).unwrap_or_else(|| match self.plan.arrival {
                ArrivalPlan::OpenLoop {
                    rate: Some(rate), ..
                } => Value::from(rate),
                _ => Value::Null,
            }),
            INPUT_TOKENS | OUTPUT_TOKENS => {
                set(name).unwrap_or_else(|| self.plan.exact(name).map_or(Value::Null, Value::from))
            }
            parameter => set(parameter).unwrap_or_else(|| {
                self.product
                    .catalogue
                    .parameters()
                    .get(parameter)
                    .map_or(Value::Null, |parameter| parameter.default.clone())
            }),
        }
    }

    /// Whether a text has one token per byte: a model brings its own tokenizer.
    fn bytes(&self) -> bool {
        self.model.is_made_of_parameters()
    }

    fn longest(&mut self, axes: Lengths) -> Longest {
        let (plan, bytes) = (self.plan, self.bytes());
        *self
            .longest
            .entry(axes)
            .or_insert_with(|| plan.longest(axes, bytes))
    }
}
