//! What the host's sensors say while a container works: the seam to the GPU's management library, the
//! sampler that reads it on its own threads, the readings file, who holds a GPU, and the CPU's energy.
//!
//! Read-only and synchronous. Knows nothing of campaigns, runs or energy windows: it records readings on
//! CLOCK_MONOTONIC and hands them over. NVML is named only in `nvml/`.

mod error;
mod gpu;
mod nvml;
mod occupancy;
mod owner;
mod process;
mod rapl;
mod recording;
mod recording_file;
mod sampler;
mod series;
mod snapshot;
mod state;
mod timing;

pub use error::{ReadCode, ReadError, TelemetryError};
pub use gpu::{EnergyScope, GpuEntry, GpuTelemetry, LibraryInfo, MigEntry, Partial, PowerSource};
pub use nvml::{NvmlTelemetry, field_number, power_samples};
pub use occupancy::{Occupancy, OwnedProcess, observe};
pub use owner::{Owner, owner_of, parse_cgroup};
pub use process::{GpuProcess, ProcessKind};
pub use rapl::{RaplDomain, RaplMeter, RaplReading, RaplRecording, RaplSeries};
pub use recording::{
    CounterBreak, Dropped, ErrorTally, GpuRecording, Recording, SamplerCost, ThreadCost,
};
pub use recording_file::READINGS_SCHEMA;
pub use sampler::{RecentView, Sampler, SamplerSettings, SamplerView};
pub use snapshot::{Clocks, GpuSnapshot, PcieLink, PowerLimits, TemperatureThresholds};
pub use state::{
    GpuState, MemoryReading, PowerSample, StateReading, ViolationReading, Violations, XidEvent,
};
pub use timing::ClockPair;
