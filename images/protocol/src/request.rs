//! What lemctl asks of a worker.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Arrival, MeasureFor, Parameters, Weights};

/// One line on the worker's stdin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestLine {
    /// Counts up within a worker's life; every event that answers it carries the same id.
    pub id: u64,
    /// The attempt this belongs to, if any; repeated in every event that answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// What is asked.
    pub request: Request,
}

/// The requests. Each is answered by exactly one `done` or `error`, except `go` and `cancel`, which
/// steer the request in progress: a cancelled request ends with the error code `cancelled`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who are you? Answered by [`Outcome::Hello`](crate::Outcome::Hello).
    Hello {},
    /// Load the engine. Once in a worker's life.
    Load(Load),
    /// One warm-up iteration: a whole batch, or `concurrency` requests. lemctl decides how many.
    Warmup(Work),
    /// One measured window: the worker prepares, says `ready`, waits for `go`, works, writes its record.
    Measure(Measure),
    /// Show what the engine makes of pinned prompts, so that lemctl can tell a broken setting from a fast
    /// one. Nothing is measured: no window is open.
    Assess(Assess),
    /// Start the window that said `ready`.
    Go {},
    /// Are you there? Answered at once when idle.
    Ping {},
    /// Stop the request in progress as soon as a token boundary allows.
    Cancel {},
    /// Free everything and exit 0. The only unload.
    Shutdown {},
}

/// What to load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Engine-level parameters, normalised: every one the catalogue knows, by its catalogue name.
    pub parameters: Parameters,
    /// The model.
    pub model: Model,
    /// UUIDs of the GPUs that the worker must see, in order; empty for a CPU backend.
    pub gpus: Vec<String>,
}

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum Model {
    /// Weights drawn from N(0, 0.02²) by a seed. The shape comes from the backend's parameters, or from a
    /// `config.json` of the transformers kind; then the weights' files lie under [`MODEL`](crate::MODEL), so
    /// that every backend has the same ones.
    Random {
        /// Seed of the weights.
        seed: u64,
        /// SHA-256 (hex) of the `config.json`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        config: Option<String>,
    },
    /// No weights: the engine's own placeholder values (`load_format: dummy`). Under
    /// [`MODEL`](crate::MODEL) there is a `config.json` and nothing else.
    Dummy {
        /// SHA-256 (hex) of the `config.json`.
        config: String,
    },
    /// A folder of the user's, mounted at [`MODEL`](crate::MODEL).
    Local {
        /// What the user calls it: part of the experiment, so that a moved folder stays the same model.
        name: String,
        /// SHA-256 (hex) of its `config.json`.
        config: String,
        /// What its weights are, as the user says.
        weights: Weights,
    },
    /// A repository of a model hub; its files at one revision are mounted at [`MODEL`](crate::MODEL).
    Hub {
        /// `organisation/name`.
        id: String,
        /// The revision as it was asked for: a commit, a branch or a tag.
        revision: String,
    },
}

/// What to work on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// SHA-256 (hex) of the workload file, which names it under [`WORKLOADS`](crate::WORKLOADS).
    pub workload: String,
    /// How requests arrive.
    pub arrival: Arrival,
    /// Request-level parameters, normalised.
    pub parameters: Parameters,
}

/// One measured window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// What to work on.
    pub work: Work,
    /// How long.
    pub measure: MeasureFor,
    /// Run under the engine's profiler: phases and FLOPs are counted, times and energy are disturbed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub profile: bool,
}

/// Prompts on which quality is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assess {
    /// SHA-256 (hex) of the workload file, which names it under [`WORKLOADS`](crate::WORKLOADS). Outputs are
    /// greedy, of the length that each prompt asks for.
    pub workload: String,
}
