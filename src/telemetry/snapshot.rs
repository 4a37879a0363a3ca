//! What describes a GPU and does not change by itself: for the environment and its hash. No serial number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A GPU as found. `None`: this GPU or driver does not say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuSnapshot {
    /// UUID of the GPU or MIG device.
    pub uuid: String,
    /// Product name.
    pub name: String,
    /// UUID of the GPU that a MIG device is a part of.
    pub parent: Option<String>,
    /// The driver's index.
    pub index: Option<u32>,
    /// VBIOS version.
    pub vbios: Option<String>,
    /// Board part number, such as `692-2G520-0200-000`.
    pub board_part_number: Option<String>,
    /// CUDA compute capability, such as `9.0`.
    pub compute_capability: Option<String>,
    /// All memory, bytes.
    pub memory_total_bytes: Option<u64>,
    /// Power limits.
    pub power_limits: PowerLimits,
    /// Temperature thresholds.
    pub thresholds: TemperatureThresholds,
    /// Whether the driver stays loaded without clients.
    pub persistence: Option<bool>,
    /// Whether ECC is on.
    pub ecc: Option<bool>,
    /// Whether MIG is on.
    pub mig: Option<bool>,
    /// Clocks.
    pub clocks: Clocks,
    /// PCIe link.
    pub pcie: PcieLink,
}

/// Power limits, watts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerLimits {
    /// In force.
    pub enforced_watts: Option<f64>,
    /// Asked for.
    pub requested_watts: Option<f64>,
    /// From the factory.
    pub default_watts: Option<f64>,
    /// Lowest that may be asked for.
    pub min_watts: Option<f64>,
    /// Highest that may be asked for.
    pub max_watts: Option<f64>,
}

/// Temperatures at which the GPU does something, °C.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemperatureThresholds {
    /// Hardware slows its clocks down.
    pub slowdown_celsius: Option<u32>,
    /// Hardware switches off.
    pub shutdown_celsius: Option<u32>,
    /// Highest for continuous operation; software slows clocks down above it.
    pub max_operating_celsius: Option<u32>,
    /// Highest of the memory.
    pub memory_max_celsius: Option<u32>,
}

/// Clocks, MHz.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Highest SM clock.
    pub max_sm_mhz: Option<u32>,
    /// Highest memory clock.
    pub max_memory_mhz: Option<u32>,
    /// Application clock of the SMs, where the GPU has one.
    pub application_sm_mhz: Option<u32>,
    /// Application clock of the memory, where the GPU has one.
    pub application_memory_mhz: Option<u32>,
}

/// PCIe link. The current values drop when the GPU idles, so they are not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PcieLink {
    /// Highest generation of GPU and slot together.
    pub max_generation: Option<u32>,
    /// Highest width of GPU and slot together.
    pub max_width: Option<u32>,
}
