//! Intervals of energy, and the distributions whose quantiles they are. Knows numbers, not sensors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

/// An interval that holds the true value in 95 of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end, in joules.
    pub low_joules: f64,
    /// Upper end, in joules.
    pub high_joules: f64,
}

impl Interval {
    /// Whether it holds a value.
    #[must_use]
    pub fn holds(&self, joules: f64) -> bool {
        self.low_joules <= joules && joules <= self.high_joules
    }

    /// Half of its width, in joules.
    #[must_use]
    pub fn half_width_joules(&self) -> f64 {
        (self.high_joules - self.low_joules) / 2.0
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self {
            low_joules: self.low_joules.min(other.low_joules),
            high_joules: self.high_joules.max(other.high_joules),
        }
    }
}

/// A normal distribution with a weight: one part of a [`Mixture`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Weight, not negative; weights need not sum to 1.
    pub weight: f64,
    /// Mean.
    pub mean: f64,
    /// Variance, not negative.
    pub variance: f64,
}

/// A weighted sum of normal distributions. An error that is normal once some nuisance (latency, gain) is fixed
/// is, over that nuisance, a mixture: its quantiles are exact up to the nodes, without drawing random numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mixture(Vec<Part>);

impl Mixture {
    /// Of parts; those that are not finite or weigh nothing are left out.
    #[must_use]
    pub fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        let usable = |part: &Part| {
            part.weight > 0.0
                && part.weight.is_finite()
                && part.mean.is_finite()
                && part.variance.is_finite()
        };
        Self(parts.into_iter().filter(usable).collect())
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Whether it has no part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn weight(&self) -> f64 {
        self.0.iter().map(|part| part.weight).sum()
    }

    /// Mean; NaN when empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0
            .iter()
            .map(|part| part.weight * part.mean)
            .sum::<f64>()
            / self.weight()
    }

    /// Variance: that of the parts and that between them; NaN when empty.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        self.0
            .iter()
            .map(|part| part.weight * (part.variance.max(0.0) + (part.mean - mean).powi(2)))
            .sum::<f64>()
            / self.weight()
    }

    /// Probability of a value at or below `x`.
    #[must_use]
    pub fn below(&self, x: f64) -> f64 {
        let each = |part: &Part| {
            let sd = part.variance.max(0.0).sqrt();
            if sd > 0.0 {
                part.weight * normal_below((x - part.mean) / sd)
            } else if x >= part.mean {
                part.weight
            } else {
                0.0
            }
        };
        self.0.iter().map(each).sum::<f64>() / self.weight()
    }

    /// The value below which a share `p` lies, by bisection to 1e-9 of the spread; NaN when empty.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let reach = |part: &Part| 9.0 * part.variance.max(0.0).sqrt();
        let ends = self.0.iter().fold(None, |ends: Option<(f64, f64)>, part| {
            let (low, high) = (part.mean - reach(part), part.mean + reach(part));
            Some(ends.map_or((low, high), |(a, b)| (a.min(low), b.max(high))))
        });
        let Some((mut low, mut high)) = ends else {
            return f64::NAN;
        };
        for _ in 0..34 {
            let middle = low + (high - low) / 2.0;
            if self.below(middle) < p {
                low = middle;
            } else {
                high = middle;
            }
        }
        low + (high - low) / 2.0
    }

    /// Its central 95 %; None when empty.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        (!self.is_empty()).then(|| Interval {
            low_joules: self.quantile(0.025),
            high_joules: self.quantile(0.975),
        })
    }
}

/// Probability of a standard normal value at or below `z`.
fn normal_below(z: f64) -> f64 {
    if z > 9.0 {
        1.0
    } else if z < -9.0 {
        0.0
    } else {
        0.5 * erfc(-z / std::f64::consts::SQRT_2)
    }
}

/// Half-width of a normal distribution's central 95 %, in standard deviations.
pub const NORMAL_95: f64 = 1.959_963_984_540_054;

/// The middles of `count` equal slices of a rectangular distribution from `low` to `high`.
pub fn rectangular_nodes(low: f64, high: f64, count: usize) -> impl Iterator<Item = f64> {
    let step = (high - low) / count as f64;
    (0..count).map(move |index| low + (index as f64 + 0.5) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(weight: f64, mean: f64, variance: f64) -> Part {
        Part {
            weight,
            mean,
            variance,
        }
    }

    #[test]
    fn one_part_is_its_normal_distribution() {
        let interval = Mixture::of([part(3.0, 10.0, 4.0)])
            .interval()
            .expect("a part");
        assert!((interval.low_joules - (10.0 - 2.0 * NORMAL_95)).abs() < 1e-6);
        assert!((interval.high_joules - (10.0 + 2.0 * NORMAL_95)).abs() < 1e-6);
    }

    #[test]
    fn many_nodes_without_width_are_a_rectangle() {
        let nodes = rectangular_nodes(-1.0, 1.0, 4000);
        let mixture = Mixture::of(nodes.map(|mean| part(1.0, mean, 0.0)));
        assert!((mixture.quantile(0.975) - 0.95).abs() < 1e-3);
        assert!((mixture.variance() - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_rectangle_and_a_normal_term_combine_below_their_sum() {
        // Convolution of rectangular ±6 and normal sd 2: variance 12 + 4; its 97.5 % point lies between the
        // root sum of squares of the 95 % half-widths and their sum.
        let mixture =
            Mixture::of(rectangular_nodes(-6.0, 6.0, 200).map(|mean| part(1.0, mean, 4.0)));
        let high = mixture.quantile(0.975);
        assert!(
            high > (5.7f64.powi(2) + 3.92f64.powi(2)).sqrt() - 0.2 && high < 9.62,
            "{high}"
        );
    }

    #[test]
    fn nothing_has_no_interval_and_nonsense_is_left_out() {
        assert_eq!(Mixture::default().interval(), None);
        let odd = [part(1.0, f64::NAN, 1.0), part(f64::INFINITY, 0.0, 1.0)];
        assert!(Mixture::of(odd).is_empty());
    }
}
