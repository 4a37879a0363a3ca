//! Planted faults: what goes wrong, and when.

use serde::{Deserialize, Serialize};

/// What goes wrong on one GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Throttling: reason bits, and the violation counters that grow with them.
    pub throttle: Vec<Throttle>,
    /// Xid events.
    pub xid: Vec<Xid>,
    /// From then on every call about the GPU answers `NVML_ERROR_GPU_IS_LOST`.
    pub lost: Option<When>,
    /// Processes that nobody started.
    pub processes: Vec<Phantom>,
    /// Memory in use that no process holds.
    pub extra_memory: Vec<Memory>,
}

/// When a fault is there. Without a key: always. `while_log_busy` and `after_log` count the load logs in
/// the order in which the library sees them, from 1: the first worker that loads an engine is 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// From so long after the initialisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_s: Option<f64>,
    /// Until so long after the initialisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_s: Option<f64>,
    /// While this log's process computes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub while_log_busy: Option<usize>,
    /// From the end of this log's process on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_log: Option<usize>,
}

impl When {
    /// From so many seconds after the initialisation, for ever.
    #[must_use]
    pub fn from(from_s: f64) -> Self {
        Self {
            from_s: Some(from_s),
            ..Self::default()
        }
    }

    /// Between two moments after the initialisation.
    #[must_use]
    pub fn between(from_s: f64, until_s: f64) -> Self {
        Self {
            until_s: Some(until_s),
            ..Self::from(from_s)
        }
    }

    /// While the nth log's process computes.
    #[must_use]
    pub fn while_log_busy(log: usize) -> Self {
        Self {
            while_log_busy: Some(log),
            ..Self::default()
        }
    }
}

/// Throttling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Which bits of the clock event reasons are set.
    pub reasons: Vec<Reason>,
    /// When.
    #[serde(default)]
    pub when: When,
    /// SM clock meanwhile, if lower than without.
    #[serde(default = "Throttle::default_sm_mhz")]
    pub sm_mhz: u32,
    /// True power meanwhile is at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_watts: Option<f64>,
}

impl Throttle {
    fn default_sm_mhz() -> u32 {
        1_200
    }

    /// These reasons then, at 1200 MHz.
    #[must_use]
    pub fn new(reasons: &[Reason], when: When) -> Self {
        Self {
            reasons: reasons.to_vec(),
            when,
            sm_mhz: Self::default_sm_mhz(),
            cap_watts: None,
        }
    }
}

/// A clock event reason; docs/measurement.md lists the bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// 0x4.
    SwPowerCap,
    /// 0x8.
    HwSlowdown,
    /// 0x10.
    SyncBoost,
    /// 0x20.
    SwThermal,
    /// 0x40.
    HwThermal,
    /// 0x80.
    PowerBrake,
}

impl Reason {
    /// Its bit.
    #[must_use]
    pub fn bit(self) -> u64 {
        match self {
            Self::SwPowerCap => 0x4,
            Self::HwSlowdown => 0x8,
            Self::SyncBoost => 0x10,
            Self::SwThermal => 0x20,
            Self::HwThermal => 0x40,
            Self::PowerBrake => 0x80,
        }
    }
}

/// An Xid event at the moment at which `when` begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xid {
    /// Its number.
    pub code: u64,
    /// When.
    #[serde(default)]
    pub when: When,
}

/// A process that nobody started. It holds a context.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phantom {
    /// Its host pid.
    pub pid: u32,
    /// Memory that it holds.
    pub mib: u64,
    /// Share of full load.
    #[serde(default)]
    pub busy: f64,
    /// When it is there. Only `from_s` and `until_s`.
    #[serde(default)]
    pub when: When,
}

/// Memory that no process holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// How much.
    pub mib: u64,
    /// When.
    #[serde(default)]
    pub when: When,
}

/// A function, or one field of `nvmlDeviceGetFieldValues`, that answers an error. An exported symbol
/// cannot be taken away: code 13 (`NVML_ERROR_FUNCTION_NOT_FOUND`) stands for a missing one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionError {
    /// Name of the C function.
    pub function: String,
    /// Only this field. Only with `nvmlDeviceGetFieldValues`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<u32>,
    /// Only this GPU, by index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<usize>,
    /// The nvmlReturn_t.
    pub code: u32,
    /// When. Only `from_s` and `until_s`.
    #[serde(default)]
    pub when: When,
}
