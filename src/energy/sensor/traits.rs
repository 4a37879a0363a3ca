//! Timing of a GPU's power sources, each figure with its uncertainty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value and the half-width of its 95 % interval, both in the unit that the field's name gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Half the width of its 95 % interval.
    pub half_width: f64,
}

impl Estimate {
    /// `value` ± `half_width`.
    #[must_use]
    pub const fn new(value: f64, half_width: f64) -> Self {
        Self { value, half_width }
    }

    /// Whether its interval holds `value`.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        (value - self.value).abs() <= self.half_width
    }
}

/// Where a figure comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// Seen on other boards of the kind, not on this one.
    Assumed,
    /// Found on this GPU with this driver by `lemctl gpu characterise`.
    Characterised {
        /// The file that holds it, below the project's folder.
        file: String,
    },
    /// Calibrated against a physical meter on this GPU.
    Metered {
        /// The file that holds it, below the project's folder.
        file: String,
    },
}

/// Timing of one source of power or energy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceTraits {
    /// Time between two changes of what it reports, in ns.
    pub update_period_ns: Estimate,
    /// A new value is the mean of the power over this time, in ns, which ended `latency_ns` ago. The energy
    /// counter accumulates without a gap: its window is its update period.
    pub averaging_window_ns: Estimate,
    /// From the end of the averaged time to the moment at which the value can be read, in ns.
    pub latency_ns: Estimate,
}

/// Timing of all sources of one GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SensorTraits {
    /// The energy counter (`total_energy_consumption`).
    pub counter: SourceTraits,
    /// The buffer of total power samples.
    pub samples: SourceTraits,
    /// Average power: field 185, the same as power usage.
    pub average: SourceTraits,
    /// Instantaneous power: field 186.
    pub instant: SourceTraits,
    /// Where the figures come from.
    pub origin: Origin,
}

const MS: f64 = 1e6;

impl SensorTraits {
    /// What is assumed of a GPU of that name: an A100's figures are those of arXiv 2312.02741 (update
    /// 101–104 ms, window 24–25 ms), all others' those read on an H100 SXM with driver 580
    /// (docs/measurement.md). Latencies were not measured: 0 to 40 ms are allowed for.
    #[must_use]
    pub fn assumed(gpu_name: &str) -> Self {
        let (update, instant) = if is_a100(gpu_name) {
            (
                Estimate::new(102.5 * MS, 1.5 * MS),
                Estimate::new(24.5 * MS, 0.5 * MS),
            )
        } else {
            (
                Estimate::new(100.0 * MS, 1.0 * MS),
                Estimate::new(25.0 * MS, 2.5 * MS),
            )
        };
        let unknown_latency = Estimate::new(20.0 * MS, 20.0 * MS);
        let of = |update_period_ns, averaging_window_ns| SourceTraits {
            update_period_ns,
            averaging_window_ns,
            latency_ns: unknown_latency,
        };
        let sample = Estimate::new(20.0 * MS, 1.0 * MS);
        Self {
            counter: of(update, update),
            samples: of(sample, sample),
            average: of(update, Estimate::new(1000.0 * MS, 100.0 * MS)),
            instant: of(update, instant),
            origin: Origin::Assumed,
        }
    }
}

/// Whether a GPU's product name says A100 (`NVIDIA A100-SXM4-80GB`, `NVIDIA A100 80GB PCIe`).
pub(super) fn is_a100(gpu_name: &str) -> bool {
    gpu_name
        .split([' ', '-'])
        .any(|word| word.eq_ignore_ascii_case("A100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_a100_is_known_by_its_name_and_nothing_else_is() {
        for name in ["NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe"] {
            let traits = SensorTraits::assumed(name);
            assert_eq!(traits.counter.update_period_ns.value, 102.5e6, "{name}");
            assert!(traits.instant.averaging_window_ns.holds(24e6));
        }
        for name in ["NVIDIA H100 80GB HBM3", "NVIDIA A1000", "", "A10"] {
            let traits = SensorTraits::assumed(name);
            assert_eq!(traits.counter.update_period_ns.value, 100e6, "{name}");
            assert_eq!(traits.origin, Origin::Assumed);
        }
    }
}
