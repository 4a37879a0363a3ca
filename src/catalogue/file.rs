//! What a catalogue holds.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Equivalence, Level, Parameter, Rule};
use crate::units::Digest;

/// The parameters of one backend at one pinned version.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    pub(super) backend: String,
    pub(super) version: String,
    pub(super) digest: Digest,
    pub(super) needs_gpu: bool,
    pub(super) simulated_gpus: bool,
    pub(super) entry_point: String,
    pub(super) vocabulary: Vocabulary,
    pub(super) parameters: BTreeMap<String, Parameter>,
    pub(super) extra: BTreeMap<String, Level>,
    pub(super) rules: Vec<Rule>,
    pub(super) equivalences: Vec<Equivalence>,
}

/// How a backend turns text into token ids.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// The parameter that holds the vocabulary's size.
    pub parameter: String,
    /// How text is tokenised, if it can be.
    #[serde(default)]
    pub tokenizer: Option<Tokenizer>,
}

/// The tokenizers lemctl can apply itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// One token per byte of UTF-8; its id is the byte.
    Bytes,
}

/// Names of facts about a point that are no parameters: rules and `exclude` may read them.
pub(crate) const FACTS: [&str; 10] = [
    "backend",
    "workload.arrival",
    "workload.concurrency",
    "workload.input_tokens",
    "workload.output_tokens",
    "workload.max_input_tokens",
    "workload.max_output_tokens",
    "workload.max_total_tokens",
    "workload.max_token_id",
    "workload.min_requests",
];

impl Catalogue {
    /// Name of the backend.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The pinned version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of the catalogue's text.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether the backend runs on GPUs.
    #[must_use]
    pub fn needs_gpu(&self) -> bool {
        self.needs_gpu
    }

    /// Whether a campaign may name GPUs for it: those that it runs on, or simulated ones that it stands in
    /// for.
    #[must_use]
    pub fn may_name_gpus(&self) -> bool {
        self.needs_gpu || self.simulated_gpus
    }

    /// How the worker enters the engine: part of every experiment, since defaults depend on it.
    #[must_use]
    pub fn entry_point(&self) -> &str {
        &self.entry_point
    }

    /// How text becomes token ids.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The parameters by name.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Parameter> {
        &self.parameters
    }

    /// Further names that the backend takes through `extra`, unchecked in value.
    #[must_use]
    pub fn extra(&self) -> &BTreeMap<String, Level> {
        &self.extra
    }

    /// What it refuses.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What has no effect.
    #[must_use]
    pub fn equivalences(&self) -> &[Equivalence] {
        &self.equivalences
    }
}
