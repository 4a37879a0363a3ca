//! Key `quality`: on which prompts, and against what, an experiment's outputs are judged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::quality::Limits;

/// How outputs are judged. Real weights only: those of others mean nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QualityPolicy {
    /// Ask each experiment once, after its first accepted run, outside of any window.
    pub assess: bool,
    /// Path of a file of JSON lines, relative to the campaign file: `{"text": ".."}` or `{"token_ids": [..]}`, each with
    /// an optional `output_tokens`. lemctl has a small one of its own.
    #[schemars(length(min = 1, max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<String>,
    /// The experiment that the others are held against: its id, or a condition that holds for it alone. Without
    /// one nothing passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferenceSpec>,
    /// Most mean absolute difference of the prompt tokens' log-probabilities (natural) from the reference's.
    #[schemars(range(min = 0, max = 100))]
    pub max_logprob_difference: f64,
    /// Least share of the reference's greedy tokens that come before the first difference.
    #[schemars(range(min = 0, max = 1))]
    pub min_greedy_agreement: f64,
}

impl Default for QualityPolicy {
    fn default() -> Self {
        Self {
            assess: true,
            prompts: None,
            reference: None,
            max_logprob_difference: 0.2,
            min_greedy_agreement: 0.2,
        }
    }
}

impl QualityPolicy {
    /// The thresholds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_logprob_difference: self.max_logprob_difference,
            min_greedy_agreement: self.min_greedy_agreement,
        }
    }
}

/// How the reference experiment is named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ReferenceSpec {
    /// Its id, or its beginning where that is of one experiment alone: `lemctl campaign plan` prints them.
    Experiment(#[schemars(length(min = 1, max = 200))] String),
    /// A condition as in `exclude.when`, over parameters, `backend` and `workload.*`.
    When(#[schemars(extend("minProperties" = 1))] serde_json::Map<String, Value>),
}
