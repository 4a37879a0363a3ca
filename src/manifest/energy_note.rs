//! What a result says of energy: of the window, of what surrounds it, and of the readings behind it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordFile;
use crate::energy::sensor::{Gain, Origin};
use crate::energy::{EnergyFigures, TotalEnergy};
use crate::telemetry::{
    Dropped, EnergyScope, ErrorTally, LibraryInfo, RaplDomain, SamplerCost, XidEvent,
};

/// Energy of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnergyNote {
    /// Energy of the window that the figures are of. Null: see `reason`.
    pub window: Option<TotalEnergy>,
    /// The same by what was done with it.
    pub figures: Option<EnergyFigures>,
    /// Why there is no energy at all.
    pub reason: Option<String>,
    /// Energy from the first request to the window's start; closed loop only. Not in `window`.
    pub ramp: Option<TotalEnergy>,
    /// Energy from the window's end to the last token; closed loop only. Not in `window`.
    pub drain: Option<TotalEnergy>,
    /// Energy of the host's CPUs and memory in the window: a tier of its own, in no other figure.
    pub cpu: CpuEnergy,
    /// Every reading that the above was computed from.
    pub readings: Option<RecordFile>,
    /// Who read the GPUs.
    pub library: Option<LibraryInfo>,
    /// What reading cost.
    pub sampler: Option<SamplerCost>,
    /// What each GPU was like in the window.
    pub gpus: Vec<GpuNote>,
}

impl EnergyNote {
    /// No energy, and why.
    #[must_use]
    pub fn none(reason: impl Into<String>) -> Self {
        Self {
            window: None,
            figures: None,
            reason: Some(reason.into()),
            ramp: None,
            drain: None,
            cpu: CpuEnergy::default(),
            readings: None,
            library: None,
            sampler: None,
            gpus: Vec::new(),
        }
    }
}

/// Energy of CPU packages and DRAM by RAPL.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuEnergy {
    /// Joules in the window, one per domain that could be read.
    pub domains: Vec<DomainEnergy>,
    /// Why others, or all, are absent: one sentence each.
    pub absent: Vec<String>,
}

/// Energy of one RAPL domain in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainEnergy {
    /// What it covers.
    pub domain: RaplDomain,
    /// Joules, interpolated between readings at both ends.
    pub joules: f64,
}

/// One GPU in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuNote {
    /// UUID.
    pub gpu: String,
    /// Product name.
    pub name: String,
    /// Whose power and energy the readings are.
    pub scope: EnergyScope,
    /// What the scope means for the result, if it is not the GPU's own.
    pub scope_warning: Option<String>,
    /// Where the sensor's timing is known from.
    pub sensor: Origin,
    /// The sensor's scale and where it is known from.
    pub gain: Gain,
    /// What must be known of the sensor: one sentence each.
    pub sensor_remarks: Vec<String>,
    /// SM clock in the window, MHz.
    pub sm_clock_mhz: Option<Spread>,
    /// Memory clock in the window, MHz.
    pub memory_clock_mhz: Option<Spread>,
    /// Temperature in the window, °C.
    pub temperature_celsius: Option<Spread>,
    /// Temperature of the memory in the window, °C.
    pub memory_temperature_celsius: Option<Spread>,
    /// Performance states seen, 0 is the fastest.
    pub pstates: Vec<u32>,
    /// Power limit in force, watts; the lowest seen.
    pub power_limit_watts: Option<f64>,
    /// Xid events (errors that the driver reports) in the attempt.
    pub xid: Vec<XidEvent>,
    /// Refused reads by `call: code`.
    pub errors: BTreeMap<String, ErrorTally>,
    /// What bounded memory cost.
    pub dropped: Dropped,
    /// Breaks of the counter's series in the attempt.
    pub counter_breaks: usize,
}

/// Lowest, mean and highest of what was read in the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Lowest.
    pub min: f64,
    /// Mean over the readings.
    pub mean: f64,
    /// Highest.
    pub max: f64,
}

impl Spread {
    /// Of some readings; none of no readings.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut count = 0_u32;
        let (mut min, mut max, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        for value in values {
            count += 1;
            min = min.min(value);
            max = max.max(value);
            sum += value;
        }
        (count > 0).then(|| Self {
            min,
            mean: sum / f64::from(count),
            max,
        })
    }
}
