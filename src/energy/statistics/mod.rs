//! Statistics over repeated measurements: spread, intervals, drift, differences. Knows numbers only.

mod bca;
mod cycles;
mod drift;
mod interval;
#[cfg(test)]
mod tests;

pub use bca::{FEWEST_FOR_BCA, Statistic, request_interval};
pub use cycles::{CycleStatistics, CycleValue, FEWEST_LOADS, PairedDifference};
pub use drift::Drift;
pub(super) use drift::Line;
pub use interval::{FEWEST_FOR_T, Interval95, IntervalMethod, required_n, stop_auto, student_t};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mean and spread of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Size of the sample.
    pub n: usize,
    /// Arithmetic mean, in the sample's unit.
    pub mean: f64,
    /// Sample standard deviation (n − 1), in the sample's unit; none for n < 2.
    pub sd: Option<f64>,
}

impl Summary {
    /// Summarises a sample; none of an empty one.
    #[must_use]
    pub fn of(sample: &[f64]) -> Option<Self> {
        let n = sample.len();
        if n == 0 {
            return None;
        }
        let mean = sample.iter().sum::<f64>() / n as f64;
        let sd = (n >= 2).then(|| {
            let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt()
        });
        Some(Self { n, mean, sd })
    }

    /// Coefficient of variation sd / |mean|, dimensionless; none without sd or at mean 0.
    #[must_use]
    pub fn cv(&self) -> Option<f64> {
        self.sd
            .filter(|_| self.mean != 0.0)
            .map(|sd| sd / self.mean.abs())
    }
}

/// The `p`-th percentile (0 to 100) of an ascending sample, linear between closest ranks (Hyndman and
/// Fan, Am. Stat. 50 (1996) 361, type 7); none of an empty one.
#[must_use]
pub fn percentile(ascending: &[f64], p: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let rank = (p / 100.0).clamp(0.0, 1.0) * last as f64;
    let below = rank.floor() as usize;
    let above = rank.ceil() as usize;
    let share = rank - below as f64;
    Some(ascending[below] * (1.0 - share) + ascending[above] * share)
}
