//! Intervals for a mean over few repetitions, by Student's t, and how many repetitions they need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Summary;

/// An interval that is meant to hold the true value in 95 of 100 repetitions, in the sample's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval95 {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it was made.
    pub method: IntervalMethod,
}

impl Interval95 {
    /// Half of its width.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether it holds a value.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Mean ± t(0.975, n − 1) · s / √n (Student, Biometrika 6 (1908) 1).
    StudentT,
    /// Bootstrap, bias-corrected and accelerated (Efron, J. Am. Stat. Assoc. 82 (1987) 171).
    Bca,
    /// Between two order statistics whose ranks the binomial distribution gives (David and Nagaraja, Order
    /// Statistics, 2003, section 7.1).
    OrderStatistics,
}

/// Fewest values of an interval by t: two values have a spread, but t(1) = 12.7 makes an interval of it that
/// tells nothing.
pub const FEWEST_FOR_T: usize = 3;

/// The 97.5 % quantile of Student's t with `degrees` of freedom (at least 1).
pub(super) fn t_quantile(degrees: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees.max(1) as f64)
        .expect("location 0, scale 1 and a positive number of degrees are a distribution")
        .inverse_cdf(0.975)
}

/// The 95 % interval of the mean by Student's t; none for fewer than [`FEWEST_FOR_T`] values, or where a value
/// is not finite.
#[must_use]
pub fn student_t(sample: &[f64]) -> Option<Interval95> {
    if sample.len() < FEWEST_FOR_T || sample.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let summary = Summary::of(sample)?;
    let half = t_quantile(summary.n - 1) * summary.sd? / (summary.n as f64).sqrt();
    Some(Interval95 {
        low: summary.mean - half,
        high: summary.mean + half,
        method: IntervalMethod::StudentT,
    })
}

/// Repetitions after which t(0.975, n − 1) · cv / √n is at most `half_width`, both relative to the mean: where
/// the sample's spread is the true one. Seen spreads scatter, so at that n the half-width is met about two
/// times in three. None where a value is not positive, or more than a million would be needed.
#[must_use]
pub fn required_n(cv: f64, half_width: f64) -> Option<usize> {
    let positive = |value: f64| value.is_finite() && value > 0.0;
    if !positive(cv) || !positive(half_width) {
        return None;
    }
    let ratio = cv / half_width;
    // t is above 1.96, so no smaller n can do; from there t falls and √n grows, so the first that does is it.
    let start = (1.96 * ratio).powi(2).floor();
    if start > 1e6 {
        return None;
    }
    (FEWEST_FOR_T.max(start as usize)..).find(|n| t_quantile(n - 1) * ratio <= (*n as f64).sqrt())
}

/// Whether a series of cycles is long enough: its 95 % interval by t is at most `target` (relative to the
/// mean) to either side. False without an interval.
///
/// Looking after each cycle and stopping at the first success favours series that look quiet by chance; the
/// least number of cycles before the first look bounds that.
#[must_use]
pub fn stop_auto(series: &[f64], target: f64) -> bool {
    let (Some(interval), Some(summary)) = (student_t(series), Summary::of(series)) else {
        return false;
    };
    summary.mean != 0.0 && interval.half_width() <= target * summary.mean.abs()
}
