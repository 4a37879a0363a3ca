//! Prompts, how they arrive and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The prompts of a workload, in the order in which they are sent. Requests beyond the last prompt
/// start again at the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadFile {
    /// Size of the vocabulary the ids were drawn for; every id is below it.
    pub vocab_size: u32,
    /// The prompts; at least one.
    pub prompts: Vec<Prompt>,
}

/// One request's input and the length of its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Input token ids; at least one.
    pub input_ids: Vec<u32>,
    /// Tokens to generate, exactly; at least one. End-of-sequence is ignored.
    pub output_tokens: u32,
}

/// How requests arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrival {
    /// Whole batches of the backend's `batch_size`: all requests of one are sent together, the next
    /// batch when the last of them has finished.
    Batch {},
    /// `concurrency` requests in flight: each that finishes is followed by the next prompt.
    ClosedLoop {
        /// Requests in flight; at least 1.
        concurrency: u32,
    },
}

/// A window ends at the first boundary (a whole batch, or a finished request) at which both hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureFor {
    /// Seconds of work at least.
    pub min_seconds: f64,
    /// Finished requests at least.
    pub min_requests: u32,
}
