//! The scale of a GPU's power sensor against true power.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Origin;
use super::traits::is_a100;

/// How the error of a gain is spread inside its half-widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Anywhere between the half-widths with equal right, never beyond: a tolerance.
    Rectangular,
    /// Normal; the half-widths are those of 95 % intervals: a calibration.
    Normal,
}

/// What the sensor reads = `factor` × true power + `offset_watts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// Factor, dimensionless.
    pub factor: f64,
    /// Offset, in watts.
    pub offset_watts: f64,
    /// Half-width of the factor: see [`Spread`].
    pub factor_half_width: f64,
    /// Half-width of the offset, in watts: see [`Spread`].
    pub offset_half_width_watts: f64,
    /// Correlation of factor and offset, −1 to 1: a fitted line's are strongly opposed.
    pub correlation: f64,
    /// How its error is spread.
    pub spread: Spread,
    /// Where it comes from.
    pub origin: Origin,
}

impl Gain {
    /// What is assumed of a GPU of that name. The field's tolerance is ±5 % plus reading noise, taken as
    /// ±6 % rectangular: the one A100 that was metered beside its sensor (arXiv 2312.02741, data of the
    /// authors) read 0.954 of true power; no H100 was metered.
    #[must_use]
    pub fn assumed(gpu_name: &str) -> Self {
        Self {
            factor: if is_a100(gpu_name) { 0.954 } else { 1.0 },
            offset_watts: 0.0,
            factor_half_width: 0.06,
            offset_half_width_watts: 0.0,
            correlation: 0.0,
            spread: Spread::Rectangular,
            origin: Origin::Assumed,
        }
    }

    /// True mean power behind a mean reading, in watts.
    #[must_use]
    pub fn true_watts(&self, read_watts: f64) -> f64 {
        (read_watts - self.offset_watts) / self.factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metered_a100_comes_out_right() {
        // 1580.30 J in 11.97 s by the meter; its sensor read 5.5 % less (docs/measurement.md).
        let gain = Gain {
            offset_watts: -1.18,
            ..Gain::assumed("NVIDIA A100-SXM4-40GB")
        };
        let truth = 1580.30 / 11.97;
        assert!((gain.true_watts(truth * 0.945) / truth - 1.0).abs() < 1e-3);
    }
}
