//! The grid: for each backend the product of its axes, named by a mixed-radix index and never built
//! before it is counted and pruned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lem_protocol::Parameters;
use serde_json::Value;

use crate::catalogue::{Catalogue, Level, Predicate};

/// Most raw points of a campaign.
pub const MAX_RAW_POINTS: u64 = 10_000_000;

/// Axes over the workload.
pub(super) const INPUT_TOKENS: &str = "workload.input_tokens";
pub(super) const OUTPUT_TOKENS: &str = "workload.output_tokens";
pub(super) const CONCURRENCY: &str = "workload.concurrency";
pub(super) const RATE: &str = "workload.rate";
pub(super) const WORKLOAD_AXES: [&str; 4] = [INPUT_TOKENS, OUTPUT_TOKENS, CONCURRENCY, RATE];

/// What a campaign asks for, before it is expanded.
#[derive(Debug, Clone)]
pub struct Grid {
    pub(super) products: Vec<Product>,
    pub(super) exclude: Vec<Exclude>,
}

/// One product of axes: a backend's grid, or its explicit experiments as one axis.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub catalogue: Arc<Catalogue>,
    pub axes: Vec<Axis>,
    /// Engine-level parameters beyond the catalogue's own.
    pub extra_engine: Parameters,
    /// Request-level parameters beyond the catalogue's own.
    pub extra_request: Parameters,
    /// GPUs that the campaign gives to the backend; nothing where it names none.
    pub gpus: Option<usize>,
}

/// Settings that take turns.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// Every name that some setting sets.
    pub names: BTreeSet<String>,
    pub settings: Vec<BTreeMap<String, Value>>,
}

/// Points that the campaign leaves out.
#[derive(Debug, Clone)]
pub(super) struct Exclude {
    pub when: Predicate,
    /// As it is written, for the campaign's hash.
    pub written: Value,
    pub reason: String,
}

/// A raw point: a product and an index in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    pub(super) product: u16,
    pub(super) index: u32,
}

/// How many raw points each backend has, known without expanding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridCount {
    /// Points by backend.
    pub by_backend: BTreeMap<String, u64>,
    /// All of them.
    pub total: u64,
}

impl Axis {
    pub fn new(settings: Vec<BTreeMap<String, Value>>) -> Self {
        Self {
            names: settings
                .iter()
                .flat_map(|setting| setting.keys().cloned())
                .collect(),
            settings,
        }
    }

    /// Whether a name is worth telling: it is not, where another name of the axis tells all settings apart.
    pub fn tells(&self, name: &str) -> bool {
        if self.names.len() < 2 || !self.names.contains(name) {
            return true;
        }
        let distinct = |name: &str| {
            self.settings
                .iter()
                .map(|setting| setting.get(name).map(ToString::to_string))
                .collect::<BTreeSet<_>>()
                .len()
        };
        let enough = self
            .names
            .iter()
            .find(|name| distinct(name) == self.settings.len());
        enough.is_none_or(|enough| enough == name)
    }

    /// Where the axis stands: what needs a new engine varies slowest, then by name. The order of keys in
    /// the file plays no part.
    fn rank(&self, catalogue: &Catalogue) -> (u8, String) {
        let level = |name: &String| match catalogue
            .parameters()
            .get(name)
            .map(|parameter| parameter.level)
        {
            Some(Level::Engine) => 0,
            Some(Level::Request) => 1,
            None => 2,
        };
        (
            self.names.iter().map(level).min().unwrap_or(2),
            self.names.first().cloned().unwrap_or_default(),
        )
    }
}

impl Product {
    pub fn new(
        catalogue: Arc<Catalogue>,
        mut axes: Vec<Axis>,
        extra_engine: Parameters,
        extra_request: Parameters,
        gpus: usize,
    ) -> Self {
        axes.sort_by_cached_key(|axis| axis.rank(&catalogue));
        Self {
            catalogue,
            axes,
            extra_engine,
            extra_request,
            gpus: Some(gpus).filter(|gpus| *gpus > 0),
        }
    }

    /// Number of raw points; nothing if it is beyond any number.
    pub fn count(&self) -> Option<u64> {
        self.axes.iter().try_fold(1_u64, |count, axis| {
            count.checked_mul(axis.settings.len() as u64)
        })
    }

    /// The number of the setting of every axis at an index. The last axis varies fastest.
    pub fn digits(&self, index: u32) -> Vec<usize> {
        let mut rest = index as usize;
        let mut digits = vec![0; self.axes.len()];
        for (digit, axis) in digits.iter_mut().zip(&self.axes).rev() {
            *digit = rest % axis.settings.len();
            rest /= axis.settings.len();
        }
        digits
    }

    /// The setting of every axis at an index.
    pub fn settings(&self, index: u32) -> Vec<&BTreeMap<String, Value>> {
        let digits = self.digits(index);
        self.axes
            .iter()
            .zip(digits)
            .map(|(axis, digit)| &axis.settings[digit])
            .collect()
    }

    /// What the axes set at an index, as it is written.
    pub fn written(&self, index: u32) -> BTreeMap<String, Value> {
        self.settings(index)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

impl Grid {
    /// Raw points per backend, by arithmetic.
    #[must_use]
    pub fn count(&self) -> GridCount {
        let mut by_backend: BTreeMap<String, u64> = BTreeMap::new();
        for product in &self.products {
            let count = by_backend
                .entry(product.catalogue.backend().to_owned())
                .or_default();
            *count = count.saturating_add(product.count().unwrap_or(u64::MAX));
        }
        let total = by_backend
            .values()
            .fold(0, |total: u64, count| total.saturating_add(*count));
        GridCount { by_backend, total }
    }

    /// The catalogues of its backends, by the backend's name.
    #[must_use]
    pub fn catalogues(&self) -> BTreeMap<&str, &Arc<Catalogue>> {
        self.products
            .iter()
            .map(|product| (product.catalogue.backend(), &product.catalogue))
            .collect()
    }
}
