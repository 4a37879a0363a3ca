//! What a worker leaves in its outbox about quality: what the engine makes of pinned prompts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outputs on pinned prompts, greedy. Untrusted, like a [`Record`](crate::Record).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QualityRecord {
    /// [`QUALITY_SCHEMA_VERSION`](crate::QUALITY_SCHEMA_VERSION).
    pub schema_version: u32,
    /// The attempt it is about.
    pub attempt: String,
    /// SHA-256 (hex) of the workload file.
    pub workload: String,
    /// One per prompt, in order.
    pub outputs: Vec<QualityOutput>,
}

/// What came of one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QualityOutput {
    /// Input token ids, as the engine had them.
    pub input_ids: Vec<u32>,
    /// Log-probability (natural) of each input token after those before it: one fewer than `input_ids`. Null
    /// where it is not finite.
    pub input_logprobs: Vec<Option<f64>>,
    /// Greedy output token ids.
    pub output_ids: Vec<u32>,
    /// Log-probability of each of them; null where it is not finite.
    pub output_logprobs: Vec<Option<f64>>,
}
