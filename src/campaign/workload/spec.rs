//! `workload` as it is written in a campaign file.

use lem_protocol::MeasureFor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign::length::LengthSpec;

/// What the model works on: `synthetic`, `jsonl` or a trace, how it arrives and for how long.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct WorkloadSpec {
    /// Random token ids, drawn by a seed.
    #[serde(default)]
    pub synthetic: Option<SyntheticSpec>,
    /// Prompts from a file, sampled by a seed.
    #[serde(default)]
    pub jsonl: Option<JsonlSpec>,
    /// How requests arrive.
    #[serde(default)]
    pub arrival: ArrivalSpec,
    /// How long a window is measured: it ends where both hold.
    #[serde(default)]
    pub measure: MeasureSpec,
}

/// Random token ids.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct SyntheticSpec {
    /// Tokens of each prompt.
    #[serde(default)]
    pub input_tokens: Option<LengthSpec>,
    /// Tokens to generate for each prompt, exactly.
    #[serde(default)]
    pub output_tokens: Option<LengthSpec>,
    /// Seed of lengths and ids.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Prompts in the pool; requests beyond it start again at the first.
    #[serde(default = "pool")]
    #[schemars(range(min = 1, max = 100_000))]
    pub prompts: u32,
}

fn pool() -> u32 {
    64
}

/// Prompts from a file of JSON lines: `{"token_ids": [..]}`, `{"text": ".."}` or `{"messages": [{"role": "user", "content": ".."}]}`, each with an optional `output_tokens`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct JsonlSpec {
    /// Path of the file, relative to the campaign file.
    #[schemars(length(min = 1, max = 4096))]
    pub file: String,
    /// Seed of the sample.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Prompts to sample, without repetition; all of them by default.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000))]
    pub prompts: Option<u32>,
    /// Tokens to generate for each prompt whose line does not say.
    #[serde(default)]
    pub output_tokens: Option<LengthSpec>,
    /// How long outputs are; by default each has exactly its line's `output_tokens`, or else the campaign's.
    #[serde(default)]
    pub output: Option<OutputSpec>,
    /// Path of a chat template (Jinja), relative to the campaign file; the model's own by default.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub chat_template: Option<String>,
}

/// How long outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::campaign) enum OutputSpec {
    /// Each has exactly the campaign's `output_tokens`, whatever its line says.
    Fixed,
    /// Each has exactly its line's `output_tokens`, which every line must have.
    File,
    /// Each ends where the model ends it, at `output_tokens` at the latest.
    Natural,
}

/// How requests arrive.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::campaign) enum ArrivalSpec {
    /// Whole batches of the backend's `batch_size`, one after the other.
    #[default]
    Batch,
    /// A fixed number of requests in flight.
    ClosedLoop {
        /// Requests in flight.
        #[serde(default)]
        #[schemars(range(min = 1, max = 65536))]
        concurrency: Option<u32>,
    },
    /// Each request when it is due, whatever became of those before it.
    OpenLoop(OpenLoopSpec),
    /// Prompts and their times from a file.
    Trace(TraceSpec),
}

/// Requests that arrive by a random process.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct OpenLoopSpec {
    /// Requests a second, on average.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000), extend("exclusiveMinimum" = 0))]
    pub rate: Option<f64>,
    /// How gaps between arrivals are distributed.
    #[serde(default)]
    pub process: ProcessSpec,
    /// Process `gamma`: shape of the gaps' distribution. 1 is `poisson`, less is more bursty, more is more regular.
    #[serde(default)]
    #[schemars(range(min = 0.01, max = 1000))]
    pub burstiness: Option<f64>,
    /// Seed of the arrivals.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Seconds that are waited after the last arrival; what is in flight then is unfinished.
    #[serde(default = "drain")]
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: u32,
}

/// How gaps between arrivals are distributed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::campaign) enum ProcessSpec {
    /// Exponentially: arrivals know nothing of each other.
    #[default]
    Poisson,
    /// All the same.
    Constant,
    /// After a gamma distribution of shape `burstiness`.
    Gamma,
}

/// Prompts and their times, a JSON line each: `{"at": seconds}` with `token_ids`, `text`, `messages`, or `input_tokens` (random ids).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::campaign) struct TraceSpec {
    /// Path of the file, relative to the campaign file.
    #[schemars(length(min = 1, max = 4096))]
    pub file: String,
    /// Seed of random ids and lengths.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Tokens to generate for each request whose line does not say.
    #[serde(default)]
    pub output_tokens: Option<LengthSpec>,
    /// How long outputs are; by default each has exactly its line's `output_tokens`, or else the campaign's.
    #[serde(default)]
    pub output: Option<OutputSpec>,
    /// Path of a chat template (Jinja), relative to the campaign file; the model's own by default.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub chat_template: Option<String>,
    /// Seconds that are waited after the last arrival; what is in flight then is unfinished.
    #[serde(default = "drain")]
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: u32,
}

fn drain() -> u32 {
    30
}

/// How long a window is measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::campaign) struct MeasureSpec {
    /// Seconds of work at least.
    #[schemars(range(min = 0, max = 86400))]
    pub min_seconds: f64,
    /// Finished requests at least.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub min_requests: u32,
}

impl Default for MeasureSpec {
    fn default() -> Self {
        Self {
            min_seconds: 10.0,
            min_requests: 32,
        }
    }
}

impl From<MeasureSpec> for MeasureFor {
    fn from(spec: MeasureSpec) -> Self {
        Self {
            min_seconds: spec.min_seconds,
            min_requests: spec.min_requests,
        }
    }
}
