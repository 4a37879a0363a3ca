//! From what was recorded to figures: throughput, latency and their spread.
//!
//! Pure: records and numbers in, figures out. Knows no files, clocks or containers. Energy itself
//! (windows over sensor readings) joins here once telemetry exists; until then every result says that
//! it has none and why.

pub mod aliasing;
mod figures;
pub mod integrate;
pub mod interval;
pub mod meter;
mod per_token;
pub mod readings;
pub mod sensor;
pub mod split;
mod statistics;
mod warmup;
pub mod waveform;
pub mod window;

pub use figures::{Latency, WindowFigures, WindowKind, window_figures};
pub use integrate::{Integral, integrate};
pub use per_token::{Denominators, EnergyFigures, energy_figures};
pub use readings::{CounterEdge, GpuReadings, PowerReading};
pub use statistics::{Summary, percentile};
pub use warmup::{Convergence, Iteration, WarmupRule};
pub use waveform::{Point, Stamps, waveform};
pub use window::{End, EnergyRules, GpuEnergy, TotalEnergy, WindowRequest, total, window_energy};
