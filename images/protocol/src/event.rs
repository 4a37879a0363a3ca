//! What a worker answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Mark, Parameters};

/// One line on the worker's stdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// The request this answers.
    pub id: u64,
    /// The attempt of that request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// What happened.
    pub event: Event,
}

/// The events. `done` and `error` end a request; the others come before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A measure request is prepared and waits for `go`.
    Ready {},
    /// A phase boundary.
    Mark(Mark),
    /// How far a measure request is; at most ten a second.
    Progress {
        /// Requests finished so far.
        completed_requests: u64,
    },
    /// The request ended well.
    Done {
        /// What came of it.
        outcome: Outcome,
    },
    /// The request ended badly. The worker lives on unless the code says otherwise.
    Error {
        /// Stable code in snake_case, for example `out_of_memory`, `bad_parameter`, `cancelled`.
        code: String,
        /// One sentence: what went wrong, with the values involved.
        message: String,
        /// What the user can do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// What a request that ended well has to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Answer to `hello`.
    Hello(Hello),
    /// Answer to `load`.
    Load(Loaded),
    /// Answer to `warmup`.
    Warmup {
        /// Tokens generated.
        output_tokens: u64,
        /// Time from the first request to the last token.
        elapsed_ns: u64,
    },
    /// Answer to `measure`: the record lies in the outbox under the attempt's name.
    Measure {
        /// Size of the record file.
        bytes: u64,
        /// SHA-256 (hex) of the record file.
        sha256: String,
    },
    /// Answer to `assess`: a [`QualityRecord`](crate::QualityRecord) lies in the outbox as
    /// [`QUALITY_FILE`](crate::QUALITY_FILE) under the attempt's name.
    Assess {
        /// Size of the file.
        bytes: u64,
        /// SHA-256 (hex) of the file.
        sha256: String,
    },
    /// Answer to `ping`.
    Ping {
        /// The worker's CLOCK_MONOTONIC.
        monotonic_ns: u64,
    },
    /// Answer to `shutdown`; the process exits right after it.
    Shutdown {},
}

/// Who the worker is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION) that the worker was built with.
    pub protocol_version: u32,
    /// Name of the backend.
    pub backend: String,
    /// Version of the engine behind it; compared with the catalogue's.
    pub backend_version: String,
    /// Versions of packages that matter, by name.
    pub packages: BTreeMap<String, String>,
    /// UUIDs of the GPUs the worker sees, in any order: `load` says in which one they are used.
    pub gpus: Vec<String>,
    /// Kind of device the model runs on: `cpu` or `cuda`.
    pub device: String,
    /// The worker's CLOCK_MONOTONIC; it must be the host's.
    pub monotonic_ns: u64,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loaded {
    /// Engine-level parameters as the engine really holds them, by catalogue name.
    pub effective: Parameters,
    /// Number of weights.
    pub model_parameters: u64,
    /// Size of the model's vocabulary: ids of a workload must be below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<u32>,
    /// Number of weights that one token uses; fewer than `model_parameters` in a mixture of experts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_parameters: Option<u64>,
    /// When loading began and ended.
    pub marks: Vec<Mark>,
}
