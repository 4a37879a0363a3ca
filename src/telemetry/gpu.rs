//! The seam: what lemctl reads of a GPU, whoever answers. The real library and the tests' fake stand
//! behind it, under one contract suite.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    GpuProcess, GpuSnapshot, GpuState, MemoryReading, PowerSample, ReadError, Violations, XidEvent,
};

/// The library that answers, and the driver below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LibraryInfo {
    /// Path or name under which it was loaded.
    pub path: String,
    /// Driver version, such as `580.159.03`.
    pub driver_version: String,
    /// NVML version, such as `13.580.159.03`; absent when the library does not say.
    pub nvml_version: Option<String>,
    /// Newest CUDA version that the driver serves, such as `13.0`; absent when the library does not say.
    pub cuda_driver_version: Option<String>,
    /// True for lemctl's GPU simulator (driver versions that end with `-sim`): its numbers are not of a GPU.
    pub simulated: bool,
}

/// One GPU of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuEntry {
    /// `GPU-…`.
    pub uuid: String,
    /// Product name.
    pub name: String,
    /// The driver's index; changes with hardware and `CUDA_VISIBLE_DEVICES` does not apply.
    pub index: u32,
    /// Its MIG devices; empty when MIG is off.
    pub mig: Vec<MigEntry>,
}

/// One MIG device of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigEntry {
    /// `MIG-…`.
    pub uuid: String,
    /// Its name, such as `NVIDIA H100 80GB HBM3 MIG 1g.10gb`.
    pub name: String,
    /// Its index below the GPU.
    pub index: u32,
}

/// Whose power and energy a device's readings are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "scope", deny_unknown_fields)]
pub enum EnergyScope {
    /// The device's own.
    Gpu,
    /// Those of the whole GPU that a MIG device is a part of: there is no sensor per MIG device.
    ParentGpu {
        /// UUID of that GPU.
        parent: String,
    },
}

impl EnergyScope {
    /// What a reader of a result must know; none for a whole GPU.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Gpu => None,
            Self::ParentGpu { parent } => Some(format!(
                "power and energy are those of the whole GPU {parent}: a MIG device has no sensor of its own, \
                 so whatever runs on the GPU's other MIG devices, and all of its idle power, is in them"
            )),
        }
    }
}

/// What a GPU's average power is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PowerSource {
    /// None: it cannot be read.
    Unknown,
    /// Field 185: a mean by NVML's definition, over about the last second.
    PowerAverage,
    /// Power usage, where field 185 is absent: the same mean on Ampere (except GA100) and newer, an instantaneous
    /// value before (nvml.h, nvmlDeviceGetPowerUsage).
    PowerUsage,
}

/// What could be read, and an error for each part that could not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partial<T> {
    /// The readable parts; the others are `None` or empty.
    pub value: T,
    /// One per unreadable part.
    pub errors: Vec<ReadError>,
}

/// Reads GPUs. Synchronous (a call may take milliseconds: never from an async thread), read-only, callable
/// from many threads at once. Devices are addressed by UUID (`GPU-…` or `MIG-…`); for a MIG device, power,
/// energy, clocks, temperature and violations are its GPU's, memory and processes its own.
pub trait GpuTelemetry: Send + Sync {
    /// Who answers.
    fn library(&self) -> LibraryInfo;

    /// All GPUs and their MIG devices, by index. A GPU that cannot be looked at (lost, or not for this user) is
    /// an error beside the others; no list at all is empty with its error.
    fn gpus(&self) -> Partial<Vec<GpuEntry>>;

    /// Whose energy `gpu`'s is.
    ///
    /// # Errors
    /// For an unknown UUID.
    fn energy_scope(&self, gpu: &str) -> Result<EnergyScope, ReadError>;

    /// The energy counter in mJ since the driver was loaded. Takes 3.4–4.4 ms on an H100 and changes about
    /// every 100 ms.
    ///
    /// # Errors
    /// Typed; a GPU without the counter says `not_supported`.
    fn energy_millijoules(&self, gpu: &str) -> Result<u64, ReadError>;

    /// Watts over the sensor's last short window (field 186; 25 of every 100 ms on an H100).
    ///
    /// # Errors
    /// Typed.
    fn power_instant_watts(&self, gpu: &str) -> Result<f64, ReadError>;

    /// Watts as a trailing mean of about 1 s (field 185, else power usage).
    ///
    /// # Errors
    /// Typed.
    fn power_average_watts(&self, gpu: &str) -> Result<f64, ReadError>;

    /// What [`Self::power_average_watts`] reads.
    fn average_source(&self, gpu: &str) -> PowerSource;

    /// Watts of the whole module, CPU included (field 186 in scope 1: Grace Hopper); other GPUs refuse.
    ///
    /// # Errors
    /// Typed.
    fn power_module_watts(&self, gpu: &str) -> Result<f64, ReadError>;

    /// The driver's buffer of power samples newer than `since_us` (a driver's stamp; 0 = all of it), ascending.
    ///
    /// # Errors
    /// Typed.
    fn power_samples(&self, gpu: &str, since_us: u64) -> Result<Vec<PowerSample>, ReadError>;

    /// What changes while a GPU works. Parts that cannot be read are `None`, each with its error.
    fn state(&self, gpu: &str) -> Partial<GpuState>;

    /// Time spent throttled since the driver was loaded, by cause.
    fn violations(&self, gpu: &str) -> Partial<Violations>;

    /// Memory of the device.
    ///
    /// # Errors
    /// Typed.
    fn memory(&self, gpu: &str) -> Result<MemoryReading, ReadError>;

    /// Processes that hold the device, one entry per pid and kind, ascending by pid. A kind that cannot be
    /// listed is an error beside the others.
    fn processes(&self, gpu: &str) -> Partial<Vec<GpuProcess>>;

    /// What describes the GPU and does not change by itself.
    ///
    /// # Errors
    /// For an unknown UUID; parts that cannot be read are `None` inside.
    fn snapshot(&self, gpu: &str) -> Result<Partial<GpuSnapshot>, ReadError>;

    /// Starts to listen for Xid events (critical driver errors) of `gpu`; they then come out of
    /// [`Self::xid_events`]. Listening twice is the same as once.
    ///
    /// # Errors
    /// Typed; many virtual GPUs refuse.
    fn watch_xid(&self, gpu: &str) -> Result<(), ReadError>;

    /// Xid events since the last call, of all GPUs listened to. Never waits.
    ///
    /// # Errors
    /// Typed.
    fn xid_events(&self) -> Result<Vec<XidEvent>, ReadError>;
}
