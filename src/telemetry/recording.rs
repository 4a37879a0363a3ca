//! What the sampler recorded: series per GPU, what was lost, and what sampling itself cost.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ClockPair, EnergyScope, LibraryInfo, PowerSource, RaplRecording, ReadError, SamplerSettings,
    StateReading, ViolationReading, XidEvent,
};
use crate::energy::{GpuReadings, PowerReading};

/// Everything between start and stop (or so far). All times are CLOCK_MONOTONIC nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Who answered.
    pub library: LibraryInfo,
    /// Realtime and monotonic clock at the start.
    pub realtime_pair: ClockPair,
    /// When sampling began.
    pub started_ns: u64,
    /// When it ended, or when this copy was taken.
    pub stopped_ns: u64,
    /// How it was asked to sample.
    pub settings: SamplerSettings,
    /// One per GPU, in the order asked.
    pub gpus: Vec<GpuRecording>,
    /// CPU and DRAM energy, where asked for.
    pub rapl: Option<RaplRecording>,
    /// What sampling cost.
    pub cost: SamplerCost,
}

/// What one GPU said.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuRecording {
    /// Power and energy.
    pub readings: GpuReadings,
    /// Whose power and energy they are.
    pub scope: EnergyScope,
    /// Which reading stands behind `readings.average`.
    pub average_source: PowerSource,
    /// Power of the whole module (CPU included), where there is such a sensor.
    pub module: Vec<PowerReading>,
    /// States.
    pub states: Vec<StateReading>,
    /// Violation counters.
    pub violations: Vec<ViolationReading>,
    /// Xid events.
    pub xid: Vec<XidEvent>,
    /// Where the energy counter's series is broken: no edge bridges one.
    pub breaks: Vec<CounterBreak>,
    /// Refusals by `call: code`.
    pub errors: BTreeMap<String, ErrorTally>,
    /// What bounded memory cost.
    pub dropped: Dropped,
}

/// A place that the counter's edges must not be joined across.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum CounterBreak {
    /// The counter went back (driver reload, reset).
    WentBack {
        /// CLOCK_MONOTONIC when it was seen.
        at_ns: u64,
        /// Last value before, mJ.
        from_millijoules: u64,
        /// First value after, mJ.
        to_millijoules: u64,
    },
    /// One or more reads failed.
    Failed {
        /// Start of the first failed read.
        from_ns: u64,
        /// End of the first read that worked again; null while none has.
        until_ns: Option<u64>,
    },
}

/// How often a read was refused, and what the library said first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorTally {
    /// Times.
    pub count: u64,
    /// The first refusal.
    pub first: ReadError,
    /// CLOCK_MONOTONIC of the first refusal.
    pub first_ns: u64,
    /// CLOCK_MONOTONIC of the last refusal.
    pub last_ns: u64,
}

/// Readings that were taken and not kept, by series: when a series reaches its bound, every second value of
/// its older half is dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// Counter edges.
    pub counter: u64,
    /// Samples of the driver's buffer.
    pub samples: u64,
    /// Power readings (average, instant and module together).
    pub power: u64,
    /// States and violation counters.
    pub states: u64,
    /// Buffer samples with a stamp that could not be placed on CLOCK_MONOTONIC (the wall clock was set).
    pub unplaced_samples: u64,
    /// Buffer reads that found more new samples than the buffer holds: some were overwritten unread.
    pub overrun_reads: u64,
    /// Before this moment (CLOCK_MONOTONIC) some series is thinned; null when nothing was.
    pub thinned_before_ns: Option<u64>,
}

/// What sampling cost, measured on its own threads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplerCost {
    /// Wall time, seconds.
    pub wall_seconds: f64,
    /// CPU time of all its threads, seconds.
    pub cpu_seconds: f64,
    /// CPU time as a share of wall time (of one core), %.
    pub cpu_percent: f64,
    /// Interval between readings, ns.
    pub reading_interval_ns: u64,
    /// Readings that were due.
    pub ticks: u64,
    /// Readings that were due and not taken, because the one before was late.
    pub missed_ticks: u64,
    /// Time from deadline to reading: median, ns (to 6 %).
    pub lateness_p50_ns: u64,
    /// The same, 99th percentile.
    pub lateness_p99_ns: u64,
    /// The same, largest.
    pub lateness_max_ns: u64,
    /// One per thread.
    pub threads: Vec<ThreadCost>,
    /// Threads that ended by a bug: what they should have read is missing. Empty in a sound recording.
    pub failed_threads: Vec<String>,
}

/// What one thread cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThreadCost {
    /// `readings`, or `counter <UUID>`.
    pub thread: String,
    /// CPU time, seconds.
    pub cpu_seconds: f64,
    /// Calls of the library.
    pub calls: u64,
    /// Time inside calls, as a share of wall time, %.
    pub in_calls_percent: f64,
    /// Mean time of one call, ns.
    pub mean_call_ns: u64,
}

impl Recording {
    /// The recording of one GPU.
    #[must_use]
    pub fn gpu(&self, uuid: &str) -> Option<&GpuRecording> {
        self.gpus.iter().find(|gpu| gpu.readings.gpu == uuid)
    }
}
