//! From what was recorded to figures: throughput, latency and their spread.
//!
//! Pure: records and numbers in, figures out. Knows no files, clocks or containers. Energy itself
//! (windows over sensor readings) joins here once telemetry exists; until then every result says that
//! it has none and why.

mod figures;
mod statistics;
mod verdict;
mod warmup;

pub use figures::{Latency, WindowFigures, WindowKind, window_figures};
pub use statistics::{
    CYCLE_CV_HIGH, CYCLE_DRIFT_HIGH, CycleStatistics, CycleValue, Drift, FEWEST_FOR_BCA,
    FEWEST_FOR_T, FEWEST_LOADS, Interval95, IntervalMethod, PairedDifference, Statistic, Summary,
    WITHIN_LOAD, percentile, request_interval, required_n, stop_auto, student_t,
};
pub use verdict::{Coherent, RulesKind, VerdictRules};
pub use warmup::{Convergence, Iteration, WarmupRule};
