//! How a campaign is run and judged: the keys of the file besides model, workload and grid, with their
//! defaults and with the pure rules that they set.

mod cycles;
mod energy;
mod execution;
mod gap;
mod leaks;
mod quality;
mod retry;
mod warmup;

pub use cycles::{AutoCycles, Cycles, FIRST_AUTO_CYCLES};
pub use energy::{BaselinePolicy, EnergyPolicy, ReadingSeconds};
pub use execution::{Breaker, ExecutionPolicy, Profiler, Structure, Timeouts};
pub use gap::{GapPolicy, GapUntil};
pub use leaks::LeakPolicy;
pub use quality::{QualityPolicy, ReferenceSpec};
pub use retry::RetryPolicy;
pub use warmup::WarmupPolicy;
