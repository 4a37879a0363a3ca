//! Valid points → experiments: normalised, hashed, each once with the points that are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use lem_protocol::{Model, Parameters};
use serde_json::Value;

use super::Campaign;
use super::grid::{CONCURRENCY, INPUT_TOKENS, OUTPUT_TOKENS, Point, Product};
use super::identity;
use super::policy::{BaselinePolicy, WarmupPolicy};
use super::prune::{Facts, Pruned};
use super::workload::{Lengths, Workload, Workloads};
use crate::catalogue::{Catalogue, Level};
use crate::units::Digest;

/// One fully resolved, backend-valid configuration.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// Readable and unique within the campaign; safe in paths and attempt ids; at most 150 characters.
    pub id: String,
    /// SHA-256 of [`Experiment::canonical`].
    pub hash: Digest,
    /// Identity of its engine: experiments with the same key can share a loaded one.
    pub engine_key: Digest,
    /// Name of the backend.
    pub backend: String,
    /// Its pinned version.
    pub backend_version: String,
    /// Engine-level parameters, normalised: all of the catalogue, and what `extra` adds.
    pub engine: Parameters,
    /// Request-level parameters, normalised.
    pub request: Parameters,
    /// The model.
    pub model: Model,
    /// What it works on.
    pub workload: Arc<Workload>,
    /// What differs between the campaign's experiments of this backend: for tables.
    pub varying: BTreeMap<String, Value>,
    /// Further points that are this experiment, since what they differ in has no effect.
    pub aliases: Vec<Point>,
    /// The point it was made of.
    pub point: Point,
    catalogue: Arc<Catalogue>,
    warmup: WarmupPolicy,
    baseline: BaselinePolicy,
}

impl Experiment {
    /// What is hashed: what was asked, in a form without choices of spelling.
    #[must_use]
    pub fn canonical(&self) -> Value {
        identity::canonical(
            &self.catalogue,
            (&self.engine, &self.request),
            &self.model,
            &self.workload,
            (&self.warmup, self.baseline),
        )
    }
}

/// A grid, pruned and expanded.
#[derive(Debug, Clone)]
pub struct Expansion {
    /// The experiments in the order of the grid, each once.
    pub experiments: Vec<Experiment>,
    /// Points before pruning.
    pub raw_points: u64,
    /// Points that break a rule; [`Campaign::describe`] tells of one.
    pub pruned: Vec<Pruned>,
}

/// A pruned point, told.
#[derive(Debug, Clone, PartialEq)]
pub struct PrunedPoint {
    /// Its backend.
    pub backend: String,
    /// What its axes set, as written.
    pub settings: BTreeMap<String, Value>,
    /// The rule's id; `exclude[n]` for the campaign's own, counted from 0.
    pub rule: String,
    /// Why.
    pub message: String,
    /// Where the rule comes from.
    pub source: String,
}

impl Campaign {
    /// Prunes and expands the grid.
    #[must_use]
    pub fn expand(&self) -> Expansion {
        let survey = self.grid.survey(&self.plan);
        let mut workloads = Workloads::new(&self.plan);
        let mut engine_keys: HashMap<Vec<u8>, Digest> = HashMap::new();
        let mut seen: HashMap<Digest, usize> = HashMap::new();
        let mut experiments: Vec<Experiment> = Vec::new();
        let varying = self.varying();
        for point in survey.kept {
            let product = &self.grid.products[usize::from(point.product)];
            let mut experiment = self.experiment(product, point, &mut workloads, &varying);
            match seen.get(&experiment.hash) {
                Some(first) => experiments[*first].aliases.push(point),
                None => {
                    let key =
                        engine_keys.entry(crate::units::canonical_json(&serde_json::json!([
                            experiment.backend,
                            experiment.engine
                        ])));
                    experiment.engine_key = *key.or_insert_with(|| {
                        identity::engine_key(&product.catalogue, &experiment.engine, &self.model)
                    });
                    seen.insert(experiment.hash, experiments.len());
                    experiments.push(experiment);
                }
            }
        }
        let stems: Vec<(String, Digest)> = experiments
            .iter_mut()
            .map(|experiment| (std::mem::take(&mut experiment.id), experiment.hash))
            .collect();
        for (experiment, id) in experiments.iter_mut().zip(identity::ids(&stems)) {
            experiment.id = id;
        }
        Expansion {
            experiments,
            raw_points: self.grid.count().total,
            pruned: survey.pruned,
        }
    }

    /// What the axes set at a point, as it is written.
    #[must_use]
    pub fn settings(&self, point: Point) -> BTreeMap<String, Value> {
        let product = self.grid.products.get(usize::from(point.product));
        product
            .map(|product| product.written(point.index))
            .unwrap_or_default()
    }

    /// A pruned point with the rule that pruned it.
    #[must_use]
    pub fn describe(&self, pruned: &Pruned) -> PrunedPoint {
        let catalogue = &self.grid.products[usize::from(pruned.point.product)].catalogue;
        let rule = usize::from(pruned.rule);
        let (rule, message, source) = match catalogue.rules().get(rule) {
            Some(rule) => (rule.id.clone(), rule.message.clone(), rule.source.clone()),
            None => {
                let index = rule - catalogue.rules().len();
                (
                    format!("exclude[{index}]"),
                    self.grid.exclude[index].reason.clone(),
                    "campaign file".to_owned(),
                )
            }
        };
        PrunedPoint {
            backend: catalogue.backend().to_owned(),
            settings: self.settings(pruned.point),
            rule,
            message,
            source,
        }
    }

    fn experiment(
        &self,
        product: &Product,
        point: Point,
        workloads: &mut Workloads<'_>,
        varying: &Varying<'_>,
    ) -> Experiment {
        let catalogue = &product.catalogue;
        let settings = product.settings(point.index);
        let set = |name: &str| settings.iter().find_map(|setting| setting.get(name));
        let mut values: BTreeMap<&str, &Value> = catalogue
            .parameters()
            .iter()
            .map(|(name, parameter)| (name.as_str(), set(name).unwrap_or(&parameter.default)))
            .collect();
        self.normalise(product, &mut values);
        let mut engine = product.extra_engine.clone();
        let mut request = product.extra_request.clone();
        for (name, value) in &values {
            let parameter = &catalogue.parameters()[*name];
            let level = if parameter.level == Level::Engine {
                &mut engine
            } else {
                &mut request
            };
            level.insert((*name).to_owned(), (*value).clone());
        }
        let tokens = |name: &str| set(name).and_then(|value| u32::try_from(value.as_u64()?).ok());
        let lengths = Lengths {
            input_tokens: tokens(INPUT_TOKENS),
            output_tokens: tokens(OUTPUT_TOKENS),
        };
        let vocab_size = values
            .get(catalogue.vocabulary().parameter.as_str())
            .and_then(|value| u32::try_from(value.as_u64()?).ok());
        // The catalogue bounds the vocabulary's size to a positive integer.
        let workload = workloads.at(lengths, vocab_size.unwrap_or(1), tokens(CONCURRENCY));
        let policies = (&self.warmup, self.baseline);
        let canonical = identity::canonical(
            catalogue,
            (&engine, &request),
            &self.model,
            &workload,
            policies,
        );
        let names = &varying[catalogue.backend()];
        let shown: BTreeMap<String, Value> = names
            .shown
            .iter()
            .filter_map(|name| {
                let value = values
                    .get(name.as_str())
                    .copied()
                    .or_else(|| set(name))
                    .cloned();
                Some((name.clone(), value.or_else(|| self.workload_base(name))?))
            })
            .collect();
        let telling = names
            .telling
            .iter()
            .filter_map(|name| Some((name.as_str(), shown.get(name)?)));
        Experiment {
            id: identity::stem(catalogue.backend(), telling),
            hash: Digest::of_canonical(&canonical),
            engine_key: Digest::from_bytes([0; 32]),
            backend: catalogue.backend().to_owned(),
            backend_version: catalogue.version().to_owned(),
            varying: shown,
            engine,
            request,
            model: self.model.clone(),
            workload,
            aliases: Vec::new(),
            point,
            catalogue: Arc::clone(catalogue),
            warmup: self.warmup.clone(),
            baseline: self.baseline,
        }
    }

    /// Puts parameters without effect to their defaults, until nothing changes.
    fn normalise<'a>(&'a self, product: &'a Product, values: &mut BTreeMap<&'a str, &'a Value>) {
        let catalogue = &product.catalogue;
        for _ in 0..=catalogue.equivalences().len() {
            let mut changed = false;
            for equivalence in catalogue.equivalences() {
                let facts: Vec<(&str, Value)> = equivalence
                    .when
                    .names()
                    .into_iter()
                    .filter(|name| !values.contains_key(name))
                    .map(|name| (name, Facts::new(product, &self.plan).value(name, &[])))
                    .collect();
                let fact = |name: &str| {
                    facts
                        .iter()
                        .find(|(known, _)| *known == name)
                        .map_or(&Value::Null, |(_, value)| value)
                };
                if !equivalence
                    .when
                    .holds(&|name: &str| values.get(name).copied().unwrap_or_else(|| fact(name)))
                {
                    continue;
                }
                for name in &equivalence.dead {
                    let default = &catalogue.parameters()[name].default;
                    changed |= values
                        .insert(name, default)
                        .is_some_and(|before| before != default);
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn workload_base(&self, name: &str) -> Option<Value> {
        let product = self.grid.products.first()?;
        Some(Facts::new(product, &self.plan).value(name, &[])).filter(|value| !value.is_null())
    }

    /// For each backend what differs over its points, and what of it tells them apart.
    fn varying(&self) -> Varying<'_> {
        let mut varying = Varying::new();
        for catalogue in self.grid.catalogues().into_values() {
            let backend = catalogue.backend();
            let products = || {
                self.grid
                    .products
                    .iter()
                    .filter(|product| product.catalogue.backend() == backend)
            };
            let names: BTreeSet<&String> = products()
                .flat_map(|product| &product.axes)
                .flat_map(|axis| &axis.names)
                .collect();
            let several = |name: &&String| {
                let mut seen = BTreeSet::new();
                for product in products() {
                    match product.axes.iter().find(|axis| axis.names.contains(*name)) {
                        Some(axis) => seen.extend(
                            axis.settings
                                .iter()
                                .map(|setting| self.shown(product, name, setting.get(*name))),
                        ),
                        None => drop(seen.insert(self.shown(product, name, None))),
                    }
                }
                seen.len() > 1
            };
            let shown: Vec<String> = names.into_iter().filter(several).cloned().collect();
            let told = |name: &&String| {
                products().all(|product| product.axes.iter().all(|axis| axis.tells(name)))
            };
            let telling = shown.iter().filter(told).cloned().collect();
            varying.insert(backend, Names { shown, telling });
        }
        varying
    }

    fn shown(&self, product: &Product, name: &str, value: Option<&Value>) -> String {
        value.map_or_else(
            || Facts::new(product, &self.plan).value(name, &[]).to_string(),
            ToString::to_string,
        )
    }
}

/// What differs between a backend's points.
struct Names {
    /// Every name with several values.
    shown: Vec<String>,
    /// Those that an id needs: of names that vary together, one is enough.
    telling: Vec<String>,
}

type Varying<'a> = BTreeMap<&'a str, Names>;
