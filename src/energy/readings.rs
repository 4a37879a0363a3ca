//! What sensors said, as plain numbers on CLOCK_MONOTONIC. Knows no device and no file.

use serde::{Deserialize, Serialize};

/// One step of the energy counter, seen between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterEdge {
    /// Start of the last call that still returned the old value, CLOCK_MONOTONIC.
    pub before_ns: u64,
    /// End of the first call that returned the new value, CLOCK_MONOTONIC.
    pub after_ns: u64,
    /// The counter after the step, in millijoules.
    pub millijoules: u64,
}

/// One value of power.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerReading {
    /// CLOCK_MONOTONIC: when the value was read or, for buffer samples, the driver's stamp mapped to it.
    pub at_ns: u64,
    /// Watts.
    pub watts: f64,
}

/// All power and energy readings of one GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuReadings {
    /// UUID of the GPU or MIG device.
    pub gpu: String,
    /// Steps of the energy counter, ascending.
    pub counter: Vec<CounterEdge>,
    /// The driver's buffer of one value per 20 ms, stitched, deduplicated by stamp.
    pub samples: Vec<PowerReading>,
    /// Power average (field 185) or power usage.
    pub average: Vec<PowerReading>,
    /// Power instant (field 186).
    pub instant: Vec<PowerReading>,
}
