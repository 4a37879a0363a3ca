//! Statistics over repeated measurements.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_equals_its_definition() {
        let summary = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).expect("not empty");
        assert_eq!((summary.n, summary.mean), (8, 5.0));
        assert!((summary.sd.expect("n >= 2") - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert!(
            (summary.cv().expect("mean is not 0") - (32.0f64 / 7.0).sqrt() / 5.0).abs() < 1e-12
        );
        assert_eq!(Summary::of(&[3.0]).expect("not empty").sd, None);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn percentiles_interpolate() {
        let sample = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(percentile(&sample, 0.0), Some(1.0));
        assert_eq!(percentile(&sample, 50.0), Some(2.5));
        assert_eq!(percentile(&sample, 100.0), Some(4.0));
        assert_eq!(percentile(&[], 50.0), None);
    }
}
