//! From what was recorded to figures and verdicts: throughput, latency, energy, their spread, and what rules say of
//! them.
//!
//! Pure: records, readings and numbers in, figures out. Knows no files, clocks, devices or containers.

pub mod aliasing;
pub mod baseline;
mod figures;
pub mod gap;
pub mod integrate;
pub mod interval;
pub mod leak;
pub mod meter;
mod per_token;
#[cfg(test)]
mod properties;
pub mod readings;
pub mod sensor;
pub mod split;
mod statistics;
pub mod throttle;
pub mod verdict;
mod warmup;
pub mod waveform;
pub mod window;

pub use baseline::{Baseline, BaselineRequest, IdleState};
pub use figures::{
    AttentionShape, FlopsEstimate, Latency, OpenLoopFigures, Slo, SloFigures, WindowFigures,
    WindowKind, flops_estimate, slo_figures, window_figures,
};
pub use gap::{EQUILIBRIUM_SECONDS, GapReading, GapRule, GapSeries, GapState};
pub use integrate::{Integral, integrate};
pub use leak::{LeakRule, LeakVerdict, Occupant, OccupantOwner, Occupied};
pub use per_token::{Denominators, EnergyFigures, energy_figures};
pub use readings::{CounterEdge, GpuReadings, PowerReading};
pub use statistics::{
    CycleStatistics, CycleValue, Drift, FEWEST_FOR_BCA, FEWEST_FOR_T, FEWEST_LOADS, Interval95,
    IntervalMethod, PairedDifference, Statistic, Summary, percentile, request_interval, required_n,
    stop_auto, student_t,
};
pub use throttle::{ReasonSample, Throttle, ThrottleCounters, ThrottleEvidence};
pub use verdict::{
    BaselineEvidence, BaselineRepeats, CampaignEvidence, Coherent, ExperimentEvidence, GpuLoad,
    Identities, Outcome, RejectReason, RuleOutcome, RulesKind, Ruling, RunEvidence, VerdictRules,
    codes, judge_campaign, judge_run,
};
pub use warmup::{
    Convergence, Iteration, PowerTrend, STRICT_TEMPERATURE_SECONDS, WarmupCriterion, WarmupRule,
    mean_watts,
};
pub use waveform::{Point, Stamps, waveform};
pub use window::{End, EnergyRules, GpuEnergy, TotalEnergy, WindowRequest, total, window_energy};
