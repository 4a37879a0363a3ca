//! Key `execution`: in what order and with what patience runs are made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AutoCycles, Cycles, GapPolicy, RetryPolicy};

/// In what order and with what patience runs are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutionPolicy {
    /// Passes over all experiments: the repetitions from which the spread is had.
    pub cycles: Cycles,
    /// How many cycles `auto` makes; without effect, and refused, beside a number.
    pub auto_cycles: AutoCycles,
    /// Order of the runs.
    pub structure: Structure,
    /// Seed of the order, where the structure draws one.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub seed: u64,
    /// Idle seconds at least before each run that follows another run.
    #[schemars(range(min = 0, max = 86400))]
    pub config_gap_seconds: f64,
    /// Idle seconds at least between two cycles, instead of the config gap.
    #[schemars(range(min = 0, max = 86400))]
    pub cycle_gap_seconds: f64,
    /// When a gap ends beyond its seconds.
    pub gap: GapPolicy,
    /// Give every run a freshly started worker, even where a loaded engine could be kept.
    pub force_cold_start: bool,
    /// Measure under the engine's own profiler: phases and operations are counted, times and energy are disturbed.
    pub profile: Profiler,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// When a campaign stops by itself.
    pub breaker: Breaker,
    /// When a run is tried again without being asked for.
    pub retries: RetryPolicy,
}

impl Default for ExecutionPolicy {
    fn default() -> Self {
        Self {
            cycles: Cycles::default(),
            auto_cycles: AutoCycles::default(),
            structure: Structure::default(),
            seed: 0,
            config_gap_seconds: 10.0,
            cycle_gap_seconds: 30.0,
            gap: GapPolicy::default(),
            force_cold_start: false,
            profile: Profiler::default(),
            timeouts: Timeouts::default(),
            breaker: Breaker::default(),
            retries: RetryPolicy::default(),
        }
    }
}

/// A profiler under which windows are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profiler {
    /// None.
    #[default]
    Off,
    /// torch's, in the backend `pytorch`.
    Torch,
}

/// Order of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Structure {
    /// All cycles of one experiment, then the next experiment.
    Grouped,
    /// One cycle after the other, each in the same order.
    #[default]
    Interleaved,
    /// One cycle after the other, each in an order of its own, drawn by the seed.
    Shuffled,
    /// One cycle after the other, each rotated, so that experiments take every position.
    LatinSquare,
}

/// How long each step may take before it counts as failed, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From the start of a container or worker until it answers.
    #[schemars(range(min = 1, max = 86400))]
    pub start_seconds: f64,
    /// Loading an engine.
    #[schemars(range(min = 1, max = 86400))]
    pub load_seconds: f64,
    /// One warm-up iteration.
    #[schemars(range(min = 1, max = 86400))]
    pub warmup_seconds: f64,
    /// One measured window, beyond `measure.min_seconds`.
    #[schemars(range(min = 1, max = 86400))]
    pub measure_seconds: f64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            start_seconds: 60.0,
            load_seconds: 600.0,
            warmup_seconds: 300.0,
            measure_seconds: 600.0,
        }
    }
}

/// When a campaign stops by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures of the environment in a row after which the campaign stops.
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_failures: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            consecutive_failures: 3,
        }
    }
}
