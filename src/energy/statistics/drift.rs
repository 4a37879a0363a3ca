//! Drift: whether a series goes somewhere while nothing was meant to change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Summary;
use super::interval::t_quantile;

/// How far a series moved, relative to the size of its mean; positive where it rose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Slope of the line fitted by least squares, times the number of values.
    pub fitted: f64,
    /// Half-width of the fitted drift's 95 % interval by t with n − 2 degrees of freedom; none for n < 4.
    pub fitted_half_width: Option<f64>,
    /// Last value minus first value.
    pub first_to_last: f64,
}

impl Drift {
    /// The drift of values that follow each other at equal distances; none for fewer than three, for a mean
    /// of 0, or where a value is not finite.
    #[must_use]
    pub fn of(series: &[f64]) -> Option<Self> {
        let n = series.len();
        let size = Summary::of(series)?.mean.abs();
        if n < 3 || size == 0.0 || !size.is_finite() {
            return None;
        }
        let points: Vec<(f64, f64)> = series
            .iter()
            .enumerate()
            .map(|(index, value)| (index as f64, *value))
            .collect();
        let line = Line::through(&points)?;
        let scale = n as f64 / size;
        Some(Self {
            fitted: line.slope * scale,
            fitted_half_width: line
                .slope_error
                .map(|error| t_quantile(n - 2) * error * scale),
            first_to_last: (series[n - 1] - series[0]) / size,
        })
    }

    /// Whether the fitted drift is above `limit`, up or down.
    #[must_use]
    pub fn exceeds(&self, limit: f64) -> bool {
        self.fitted.abs() > limit
    }
}

/// A straight line by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    /// Change of y per unit of x.
    pub slope: f64,
    /// Mean of y.
    pub mean: f64,
    /// Standard error of the slope; none for fewer than 4 points.
    pub slope_error: Option<f64>,
}

impl Line {
    /// Through at least two points (x, y) with different x; none otherwise.
    pub(crate) fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        if points.len() < 2 {
            return None;
        }
        let mean_of = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / n;
        let (x, y) = (mean_of(|point| point.0), mean_of(|point| point.1));
        let squares: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        if squares <= 0.0 {
            return None;
        }
        let products: f64 = points
            .iter()
            .map(|point| (point.0 - x) * (point.1 - y))
            .sum();
        let slope = products / squares;
        let slope_error = (points.len() >= 4).then(|| {
            let rest: f64 = points
                .iter()
                .map(|point| (point.1 - y - slope * (point.0 - x)).powi(2))
                .sum();
            (rest / (n - 2.0) / squares).sqrt()
        });
        slope.is_finite().then_some(Self {
            slope,
            mean: y,
            slope_error,
        })
    }
}
