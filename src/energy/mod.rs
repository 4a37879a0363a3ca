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
pub use statistics::{Summary, percentile};
pub use verdict::{Coherent, RulesKind, VerdictRules};
pub use warmup::{Convergence, Iteration, WarmupRule};
