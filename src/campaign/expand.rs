//! Valid points → experiments: normalised, hashed, each once with the points that are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use lem_protocol::{Model, Parameters};
use serde_json::Value;

use super::Campaign;
use super::grid::{CONCURRENCY, INPUT_TOKENS, OUTPUT_TOKENS, Point, Product, RATE};
use super::identity::{self, Frame};
use super::policy::{BaselinePolicy, EnergyPolicy, Profiler, WarmupPolicy};
use super::prune::{Facts, Pruned};
use super::resolve::{Resolved, Resolver};
use super::workload::{Lengths, Made, Pace, Vocabulary, Workload, Workloads};
use crate::catalogue::{Catalogue, Level, VocabularySource};
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
    energy: EnergyPolicy,
    profiler: Profiler,
}

impl Experiment {
    /// The catalogue that its parameters were held against.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What is hashed: what was asked, in a form without choices of spelling.
    #[must_use]
    pub fn canonical(&self) -> Value {
        identity::canonical(
            &self.catalogue,
            (&self.engine, &self.request),
            &self.model,
            &self.workload,
            (&self.warmup, self.baseline, &self.energy, self.profiler),
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
        let survey = self.grid.survey(&self.plan, &self.model);
        let mut workloads = Workloads::new(&self.plan);
        let mut seen: HashMap<Digest, usize> = HashMap::new();
        let mut experiments: Vec<Experiment> = Vec::new();
        let varying = self.varying();
        let profiler = self.execution.profile;
        let policies = (&self.warmup, self.baseline, &self.energy, profiler);
        let products: Vec<(Resolver<'_>, Frame)> = self
            .grid
            .products
            .iter()
            .map(|product| {
                let frame = Frame::new(&product.catalogue, &self.model.model, policies);
                (Resolver::new(product, &self.plan, &self.model), frame)
            })
            .collect();
        let (mut engine, mut request) = (String::new(), String::new());
        for point in survey.kept {
            let product = &self.grid.products[usize::from(point.product)];
            let (resolver, frame) = &products[usize::from(point.product)];
            let resolved = resolver.at(point.index);
            engine.clear();
            resolved.write(Level::Engine, &mut engine);
            request.clear();
            resolved.write(Level::Request, &mut request);
            let made = self.workload(product, point, &resolved, &mut workloads);
            let hash = frame.hash(&engine, &request, &made.text);
            if let Some(first) = seen.get(&hash) {
                experiments[*first].aliases.push(point);
                continue;
            }
            seen.insert(hash, experiments.len());
            let names = &varying[product.catalogue.backend()];
            let workload = Arc::clone(&made.workload);
            let mut experiment = self.experiment(product, point, &resolved, workload, names);
            experiment.hash = hash;
            experiment.engine_key = frame.engine_key(&engine);
            experiments.push(experiment);
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

    fn workload<'w>(
        &self,
        product: &Product,
        point: Point,
        resolved: &Resolved<'_>,
        workloads: &'w mut Workloads<'_>,
    ) -> &'w Made {
        let settings = product.settings(point.index);
        let tokens =
            |value: Option<&Value>| value.and_then(|value| u32::try_from(value.as_u64()?).ok());
        let set = |name: &str| tokens(settings.iter().find_map(|setting| setting.get(name)));
        let lengths = Lengths {
            input_tokens: set(INPUT_TOKENS),
            output_tokens: set(OUTPUT_TOKENS),
        };
        let vocabulary = match product.catalogue.vocabulary().source() {
            // The catalogue bounds the vocabulary's size to a positive integer.
            VocabularySource::Parameter(name) => {
                Vocabulary::of_size(tokens(resolved.get(name)).unwrap_or(1))
            }
            VocabularySource::Model => Vocabulary::of_model(&self.model, &self.plan),
        };
        let rate = settings.iter().find_map(|setting| setting.get(RATE));
        let pace = Pace {
            concurrency: set(CONCURRENCY),
            rate: rate.and_then(Value::as_f64),
        };
        workloads.at(lengths, vocabulary, pace)
    }

    /// All of an experiment but its hashes; the id is its readable part.
    fn experiment(
        &self,
        product: &Product,
        point: Point,
        resolved: &Resolved<'_>,
        workload: Arc<Workload>,
        names: &Names,
    ) -> Experiment {
        let catalogue = &product.catalogue;
        let settings = product.settings(point.index);
        let value = |name: &str| {
            let set = || settings.iter().find_map(|setting| setting.get(name));
            resolved
                .get(name)
                .or_else(set)
                .cloned()
                .or_else(|| self.workload_base(name))
        };
        let varying: BTreeMap<String, Value> = names
            .shown
            .iter()
            .filter_map(|name| Some((name.clone(), value(name)?)))
            .collect();
        let telling = names
            .telling
            .iter()
            .filter_map(|name| Some((name.as_str(), varying.get(name)?)));
        Experiment {
            id: identity::stem(catalogue.backend(), telling),
            hash: Digest::from_bytes([0; 32]),
            engine_key: Digest::from_bytes([0; 32]),
            backend: catalogue.backend().to_owned(),
            backend_version: catalogue.version().to_owned(),
            varying,
            engine: resolved.parameters(Level::Engine),
            request: resolved.parameters(Level::Request),
            model: self.model.model.clone(),
            workload,
            aliases: Vec::new(),
            point,
            catalogue: Arc::clone(catalogue),
            warmup: self.warmup.clone(),
            baseline: self.baseline,
            energy: self.energy,
            profiler: self.execution.profile,
        }
    }

    /// The value of a parameter or fact at an experiment; null where nothing has that name.
    pub(super) fn value_at(&self, experiment: &Experiment, name: &str) -> Value {
        let Some(product) = self
            .grid
            .products
            .get(usize::from(experiment.point.product))
        else {
            return Value::Null;
        };
        let settings = product.settings(experiment.point.index);
        let parameters = experiment.engine.get(name);
        parameters
            .or_else(|| experiment.request.get(name))
            .or_else(|| settings.iter().find_map(|setting| setting.get(name)))
            .cloned()
            .unwrap_or_else(|| Facts::new(product, &self.plan, &self.model).value(name, &[]))
    }

    fn workload_base(&self, name: &str) -> Option<Value> {
        let product = self.grid.products.first()?;
        Some(Facts::new(product, &self.plan, &self.model).value(name, &[]))
            .filter(|value| !value.is_null())
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
            || {
                Facts::new(product, &self.plan, &self.model)
                    .value(name, &[])
                    .to_string()
            },
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
