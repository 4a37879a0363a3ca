//! What changes while a GPU works: one reading each, as the library gave it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One value of the driver's power buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerSample {
    /// The driver's stamp: µs since the epoch on the host's CLOCK_REALTIME.
    pub stamp_us: u64,
    /// Watts.
    pub watts: f64,
}

/// A GPU's state at one moment. `None`: this GPU does not say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuState {
    /// Of the GPU, whole °C.
    pub temperature_celsius: Option<i32>,
    /// Of its memory, whole °C.
    pub memory_temperature_celsius: Option<i32>,
    /// SM clock, MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Memory clock, MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Performance state, 0 (fastest) to 15.
    pub pstate: Option<u32>,
    /// Clock event reasons, all 64 bits as the driver gave them.
    pub event_reasons: Option<u64>,
    /// Share of the last sensor period with a kernel running, %.
    pub gpu_utilisation_percent: Option<u32>,
    /// Share of the last sensor period with memory traffic, %.
    pub memory_utilisation_percent: Option<u32>,
    /// The power limit in force, watts.
    pub enforced_limit_watts: Option<f64>,
    /// Memory in use, bytes; the driver's own reserve is not in it when it is known apart.
    pub memory_used_bytes: Option<u64>,
}

/// A state and when it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateReading {
    /// CLOCK_MONOTONIC at the start of the read.
    pub at_ns: u64,
    /// The state.
    pub state: GpuState,
}

/// Nanoseconds spent throttled since the driver was loaded, by cause. `None`: this GPU does not count it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Violations {
    /// Power cap (field 74).
    pub power_ns: Option<u64>,
    /// Sync boost (field 76).
    pub sync_boost_ns: Option<u64>,
    /// Board limit (field 77).
    pub board_limit_ns: Option<u64>,
    /// Reliability limit (field 79).
    pub reliability_ns: Option<u64>,
    /// Software thermal slowdown (field 269 from driver 580.82, 251 before).
    pub software_thermal_ns: Option<u64>,
    /// Hardware thermal slowdown (field 270, 252 before).
    pub hardware_thermal_ns: Option<u64>,
    /// Power brake (field 271, 253 before).
    pub power_brake_ns: Option<u64>,
    /// All thermal causes in one, from the deprecated violation status; only where the three above are absent.
    pub thermal_ns: Option<u64>,
}

/// Violation counters and when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViolationReading {
    /// CLOCK_MONOTONIC at the start of the read.
    pub at_ns: u64,
    /// The counters.
    pub violations: Violations,
}

/// Memory of a device, bytes: `total = reserved + used + free`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryReading {
    /// All of it.
    pub total_bytes: u64,
    /// Kept by the driver and firmware; null where the library does not tell it from `used`.
    pub reserved_bytes: Option<u64>,
    /// Allocated, by anyone.
    pub used_bytes: u64,
    /// Free.
    pub free_bytes: u64,
}

/// A critical error that the driver reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct XidEvent {
    /// UUID of the GPU.
    pub gpu: String,
    /// Xid number.
    pub xid: u64,
    /// CLOCK_MONOTONIC when lemctl read it; the driver gives no time.
    pub seen_ns: u64,
}
