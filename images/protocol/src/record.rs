//! What a worker leaves in its outbox about one attempt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Arrival, Parameters};

/// The record of one attempt. Untrusted: lemctl bounds, copies, hashes and validates it.
/// All times are CLOCK_MONOTONIC nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`RECORD_SCHEMA_VERSION`](crate::RECORD_SCHEMA_VERSION).
    pub schema_version: u32,
    /// The attempt it is about.
    pub attempt: String,
    /// Name of the backend.
    pub backend: String,
    /// Version of the engine.
    pub backend_version: String,
    /// `cpu` or `cuda`.
    pub device: String,
    /// What the weights are: power and quality depend on it.
    pub weights: Weights,
    /// Parameters as asked, engine and request level together.
    pub requested: Parameters,
    /// Parameters as the engine really used them.
    pub effective: Parameters,
    /// SHA-256 (hex) of the workload file.
    pub workload: String,
    /// How requests arrived.
    pub arrival: Arrival,
    /// Phase boundaries of the attempt: at least `measure_start` and `measure_end`.
    pub marks: Vec<Mark>,
    /// Whether the token marks are one per token or spread over chunks.
    pub token_timing: TimingKind,
    /// The requests, in the order in which they were queued.
    pub requests: Vec<RequestRecord>,
    /// Closed and open loop: the requests that were in flight when the window ended, in the order in which they were
    /// queued. What they used is in the window's energy, so what they made must be known.
    #[serde(default)]
    pub unfinished: Vec<UnfinishedRequest>,
    /// SHA-256 (hex) of all prompts' token ids, each prompt's as a JSON list on a line of its own: what a
    /// text became. Null where the workload file has ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_sha256: Option<String>,
    /// SHA-256 (hex) of the chat template that was used, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template_sha256: Option<String>,
    /// What the engine's profiler counted, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

/// What a profiler counted in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name and version of the profiler.
    pub profiler: String,
    /// Floating-point operations of the operators that it knows; null if it counts none.
    pub flops: Option<u64>,
    /// Nanoseconds in which the device was busy.
    pub device_busy_ns: u64,
    /// Nanoseconds of prefill, device and waiting together.
    pub prefill_ns: u64,
    /// Nanoseconds of decode.
    pub decode_ns: u64,
}

/// One finished request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestRecord {
    /// Index of its prompt in the workload file.
    pub prompt: u32,
    /// Input tokens.
    pub input_tokens: u32,
    /// Output tokens.
    pub output_tokens: u32,
    /// When it was handed to the engine.
    pub queued_ns: u64,
    /// When its prefill began.
    pub prefill_ns: u64,
    /// When its first token existed: prefill ended, decode began.
    pub first_token_ns: u64,
    /// Time from each token to the next; one fewer than `output_tokens`.
    pub token_gaps_ns: Vec<u64>,
    /// Open loop: when it was due. Its latencies count from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ns: Option<u64>,
    /// Input tokens that came out of a prefix cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u32,
    /// Tokens of each chunk in which they arrived; empty if each came by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunk_tokens: Vec<u32>,
    /// It ended at the model's end-of-sequence, before the length that was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_early: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl RequestRecord {
    /// When its last token existed; saturates on hostile gaps.
    #[must_use]
    pub fn last_token_ns(&self) -> u64 {
        self.token_gaps_ns
            .iter()
            .fold(self.first_token_ns, |at, gap| at.saturating_add(*gap))
    }
}

/// A request that was in flight when the window ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnfinishedRequest {
    /// Index of its prompt in the workload file.
    pub prompt: u32,
    /// Input tokens.
    pub input_tokens: u32,
    /// When it was handed to the engine.
    pub queued_ns: u64,
    /// Open loop: when it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ns: Option<u64>,
    /// When its prefill began; null if it still waited.
    pub prefill_ns: Option<u64>,
    /// When its first token existed; null if it has none.
    pub first_token_ns: Option<u64>,
    /// Time from each of its tokens to the next, as far as there are any.
    pub token_gaps_ns: Vec<u64>,
}

impl UnfinishedRequest {
    /// Output tokens that it has.
    #[must_use]
    pub fn output_tokens(&self) -> u64 {
        match self.first_token_ns {
            Some(_) => self.token_gaps_ns.len() as u64 + 1,
            None => 0,
        }
    }

    /// When its last token so far existed; saturates on hostile gaps.
    #[must_use]
    pub fn last_token_ns(&self) -> Option<u64> {
        let gaps = self.token_gaps_ns.iter();
        Some(gaps.fold(self.first_token_ns?, |at, gap| at.saturating_add(*gap)))
    }
}

/// A phase boundary, stamped by the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Which boundary.
    pub name: MarkName,
    /// When.
    pub monotonic_ns: u64,
}

/// The boundaries.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MarkName {
    /// Loading the engine began.
    LoadStart,
    /// The engine is ready for requests.
    LoadEnd,
    /// A warm-up iteration began; in a record, the first since the load or the window before.
    WarmupStart,
    /// The last token of a warm-up iteration exists; in a record, of the last one.
    WarmupEnd,
    /// `go` was read: the window begins.
    MeasureStart,
    /// The last token of the window exists.
    MeasureEnd,
}

/// How token times were had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimingKind {
    /// One mark per token.
    Measured,
    /// Tokens arrived in chunks; times within a chunk are interpolated.
    Estimated,
}

/// What the weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// The engine's own placeholder values.
    Dummy,
    /// Drawn from a distribution by a seed.
    Random,
    /// Trained.
    Real,
}
