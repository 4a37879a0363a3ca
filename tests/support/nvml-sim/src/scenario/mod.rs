//! The scenario file: which GPUs there are, what loads them, and what goes wrong. Every key has a default,
//! so `{}` is one H100 that nobody uses. All times in seconds count from the initialisation of the library.

mod check;
mod faults;
mod load;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use faults::{Faults, FunctionError, Memory, Phantom, Reason, Throttle, When, Xid};
pub use load::{Load, Segment};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Sets the phase of each GPU's sensors and all jitter. Same seed and UUID, same GPU.
    pub seed: u64,
    /// Driver version. Must end with `-sim`: that is how a result knows that it is simulated.
    pub driver: String,
    /// The GPUs, in NVML's order; one if none is named.
    pub gpus: Vec<GpuSpec>,
    /// What loads the GPUs that have no `load` of their own.
    pub load: Load,
    /// Functions and fields that fail.
    pub errors: Vec<FunctionError>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            driver: "580.159.03-sim".to_owned(),
            gpus: vec![GpuSpec::default()],
            load: Load::default(),
            errors: Vec::new(),
        }
    }
}

impl Scenario {
    /// Reads and checks a scenario.
    ///
    /// # Errors
    /// What is wrong, with the key and the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// What is wrong, with the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let told = |error: String| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        Self::parse(&text).map_err(told)
    }

    /// UUID of the GPU at an index.
    #[must_use]
    pub fn uuid(&self, index: usize) -> String {
        match self.gpus.get(index).and_then(|gpu| gpu.uuid.clone()) {
            Some(uuid) => uuid,
            None => format!("GPU-00000000-0000-0000-0000-{index:012}"),
        }
    }
}

/// One GPU. The defaults are the H100 SXM of docs/measurement.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GpuSpec {
    /// `GPU-00000000-0000-0000-0000-<index>` if absent.
    pub uuid: Option<String>,
    /// Product name. Must end with `(simulated)`.
    pub name: String,
    /// What it draws.
    pub power: PowerSpec,
    /// What its sensors see.
    pub sensor: SensorSpec,
    /// How warm it gets.
    pub thermal: ThermalSpec,
    /// Its memory.
    pub memory: MemorySpec,
    /// MIG devices; MIG mode is on if there is one.
    pub mig: Vec<MigSpec>,
    /// What loads it; the scenario's `load` if absent.
    pub load: Option<Load>,
    /// What goes wrong.
    pub faults: Faults,
}

impl Default for GpuSpec {
    fn default() -> Self {
        Self {
            uuid: None,
            name: "NVIDIA H100 80GB HBM3 (simulated)".to_owned(),
            power: PowerSpec::default(),
            sensor: SensorSpec::default(),
            thermal: ThermalSpec::default(),
            memory: MemorySpec::default(),
            mig: Vec::new(),
            load: None,
            faults: Faults::default(),
        }
    }
}

/// True power by state, in watts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PowerSpec {
    /// No process holds a context.
    pub bare_watts: f64,
    /// A context is held, nothing runs.
    pub context_watts: f64,
    /// Wanted at busy 1. Between 0 and 1 power is in proportion.
    pub busy_watts: f64,
    /// What the power cap lets through: reason 0x4 from there on.
    pub capped_watts: f64,
    /// The limit that NVML tells.
    pub limit_watts: f64,
}

impl Default for PowerSpec {
    fn default() -> Self {
        Self {
            bare_watts: 72.0,
            context_watts: 118.0,
            busy_watts: 697.0,
            capped_watts: 697.0,
            limit_watts: 700.0,
        }
    }
}

/// What the sensors see of the true power.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SensorSpec {
    /// All power readings and the counter step together; the time between two steps lies between these.
    pub period_ms: [f64; 2],
    /// Field 186: mean of this long before each step, blind to the rest.
    pub instant_ms: f64,
    /// Field 185 and the power usage: trailing mean of this long.
    pub average_ms: f64,
    /// The sample buffer: one mean each.
    pub sample_ms: f64,
    /// Samples kept.
    pub samples_kept: usize,
    /// How old what a step publishes is.
    pub latency_ms: f64,
    /// How long a call of the counter takes, between these.
    pub counter_call_ms: [f64; 2],
    /// Every source reads `gain` × true power + `offset_watts`.
    pub gain: f64,
    /// See `gain`.
    pub offset_watts: f64,
}

impl Default for SensorSpec {
    fn default() -> Self {
        Self {
            period_ms: [99.8, 100.0],
            instant_ms: 25.0,
            average_ms: 1000.0,
            sample_ms: 20.0,
            samples_kept: 119,
            latency_ms: 12.0,
            counter_call_ms: [3.4, 4.4],
            gain: 1.0,
            offset_watts: 0.0,
        }
    }
}

/// First order: temperature goes to `ambient + celsius_per_watt × power` with one time constant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThermalSpec {
    /// Temperature at no power.
    pub ambient_celsius: f64,
    /// Rise with power.
    pub celsius_per_watt: f64,
    /// Time to 63 % of a change.
    pub time_constant_s: f64,
}

impl Default for ThermalSpec {
    fn default() -> Self {
        Self {
            ambient_celsius: 27.0,
            celsius_per_watt: 0.06,
            time_constant_s: 20.0,
        }
    }
}

/// Memory of the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySpec {
    /// All of it.
    pub total_mib: u64,
    /// The driver's own.
    pub reserved_mib: u64,
    /// How long after a process' death its memory comes back, between these.
    pub returns_after_ms: [f64; 2],
    /// How long before that it leaves the process list.
    pub unlisted_before_ms: f64,
}

impl Default for MemorySpec {
    fn default() -> Self {
        Self {
            total_mib: 81_559,
            reserved_mib: 480,
            returns_after_ms: [83.0, 123.0],
            unlisted_before_ms: 50.0,
        }
    }
}

/// A MIG device. Processes of the GPU run in its first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigSpec {
    /// Its UUID: `MIG-…`.
    pub uuid: String,
    /// Its share of the memory.
    pub memory_mib: u64,
}
