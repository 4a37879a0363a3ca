//! What a catalogue holds.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Entry, Equivalence, Parameter, Removed, Rule};
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
    pub(super) extra: BTreeMap<String, Entry>,
    pub(super) rules: Vec<Rule>,
    pub(super) equivalences: Vec<Equivalence>,
    pub(super) exclusions: BTreeMap<String, String>,
    pub(super) removed: BTreeMap<String, Removed>,
}

/// How a backend turns text into token ids.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// The parameter that holds the vocabulary's size, where the backend makes its model up.
    #[serde(default)]
    parameter: Option<String>,
    /// Whether the vocabulary is the model's own.
    #[serde(default)]
    model: bool,
    /// How text is tokenised, if it can be.
    #[serde(default)]
    pub tokenizer: Option<Tokenizer>,
}

/// Where the size of the vocabulary comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VocabularySource<'a> {
    /// From a parameter: the backend makes its model up.
    Parameter(&'a str),
    /// From the model.
    Model,
}

impl Vocabulary {
    /// Where its size comes from.
    #[must_use]
    pub fn source(&self) -> VocabularySource<'_> {
        match &self.parameter {
            Some(name) => VocabularySource::Parameter(name),
            None => VocabularySource::Model,
        }
    }

    /// It has one source, and lemctl tokenises for no model.
    pub(super) fn check(&self) -> Result<(), String> {
        match (&self.parameter, self.model) {
            (Some(_), true) | (None, false) => {
                Err("vocabulary has either `parameter` or `model: true`".to_owned())
            }
            (None, true) if self.tokenizer.is_some() => {
                Err("vocabulary: a model brings its own tokenizer".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The tokenizers lemctl can apply itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// One token per byte of UTF-8; its id is the byte.
    Bytes,
}

/// Names of facts about a point that are no parameters: rules and `exclude` may read them.
pub(crate) const FACTS: [&str; 20] = [
    "backend",
    "gpus.count",
    "model.max_position_embeddings",
    "model.num_attention_heads",
    "model.num_experts",
    "model.num_key_value_heads",
    "model.quantization",
    "model.vocab_size",
    "model.weights",
    "workload.arrival",
    "workload.concurrency",
    "workload.input_tokens",
    "workload.output_tokens",
    "workload.max_input_tokens",
    "workload.max_output_tokens",
    "workload.max_total_tokens",
    "workload.max_token_id",
    "workload.min_requests",
    "workload.rate",
    "workload.source",
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

    /// Further parameters that the backend takes through `extra`, checked as far as its source says.
    #[must_use]
    pub fn extra(&self) -> &BTreeMap<String, Entry> {
        &self.extra
    }

    /// Parameters of the engine that no campaign may set, with the reason.
    #[must_use]
    pub fn exclusions(&self) -> &BTreeMap<String, String> {
        &self.exclusions
    }

    /// Parameters that earlier versions had.
    #[must_use]
    pub fn removed(&self) -> &BTreeMap<String, Removed> {
        &self.removed
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
