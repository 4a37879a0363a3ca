//! When the counter's updates happened. Polling sees each only within a bracket; all of them together lie on
//! a regular grid with some jitter, which is nobody's to know beforehand.
//!
//! Model: update number n happened at `centre + slope · (n − n̄) + ε`, ε logistic with standard deviation σ.
//! An edge says only that its update lies in its bracket: likelihood F(after) − F(before). The posterior of
//! (centre, slope, σ) is summed over a grid of the three, flat in centre and slope and in log σ. This is right
//! where least squares on the brackets' middles is not: polls locked to the updates repeat one error, which no
//! number of edges averages out, while polls that drift through the period pin the grid far below a bracket.

use super::edges::{Edge, Edges};
use crate::energy::interval::NORMAL_95;
use crate::energy::sensor::Estimate;

/// Which edges are used on each side of each end of the window, counted from it: all near ones, and fewer and
/// fewer of those farther away, which pin the period.
const NEIGHBOURS: [usize; 12] = [0, 1, 2, 3, 4, 5, 7, 10, 15, 22, 32, 45];

/// Jitter's standard deviations that are weighed, as shares of the period.
const JITTERS: [f64; 5] = [0.001, 0.004, 0.01, 0.02, 0.04];

/// Updates over which strays that add up are counted: each end is pinned again by its own near edges, six on each
/// side.
const WANDER: f64 = 12.0;

/// How updates stray from the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Jitter {
    /// Standard deviation of one stray, in s.
    sigma: f64,
    /// Each update strays from the one before it, so that strays add up; or each from its own place. Which is not
    /// known: both are weighed.
    adds_up: bool,
}

/// What is known of the updates' times. Times in s from the window's start.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// Posterior mean of the time of update n̄.
    centre: f64,
    /// Posterior mean of the period.
    slope: f64,
    /// n̄.
    number: f64,
    /// Variance of the centre, in s².
    pub centre_variance: f64,
    /// Covariance of centre and slope.
    pub covariance: f64,
    /// Variance of the slope.
    pub slope_variance: f64,
    /// Posterior of the jitter: weights.
    jitter: Vec<(f64, Jitter)>,
    /// Updates between the window's ends, at most [`WANDER`].
    apart: f64,
}

/// When one update happened, given the grid and its own bracket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Posterior mean, in s.
    pub at: f64,
    /// Variance of its own jitter, beside that of the grid, in s².
    pub own_variance: f64,
    /// Distance of its number from n̄: what the slope's error is multiplied by.
    pub lever: f64,
}

impl Grid {
    /// Fits the grid around the window's ends; None with fewer than two edges. `expected` is the period in s as
    /// known beforehand: it decides only where the edges do not.
    pub fn fit(edges: &Edges, length: f64, expected: Estimate) -> Option<Self> {
        let chosen = neighbours(&edges.edges, length);
        if chosen.len() < 2 {
            return None;
        }
        let count = chosen.len() as f64;
        let number = chosen.iter().map(|edge| edge.number).sum::<f64>() / count;
        let middle = chosen.iter().map(|edge| edge.middle()).sum::<f64>() / count;
        let spread: f64 = chosen.iter().map(|e| (e.number - number).powi(2)).sum();
        let product: f64 = chosen
            .iter()
            .map(|edge| (edge.number - number) * (edge.middle() - middle))
            .sum();
        let slope = if spread > 0.0 {
            product / spread
        } else {
            edges.period
        };
        let residual = (chosen
            .iter()
            .map(|edge| {
                (edge.middle() - middle - slope * (edge.number - number)).powi(2)
                    + edge.width().powi(2) / 12.0
            })
            .sum::<f64>()
            / count)
            .sqrt();
        let farthest = chosen
            .iter()
            .map(|edge| (edge.number - number).abs())
            .fold(0.5, f64::max);
        // Strays that add up take an edge d updates from the nearest end √(1 + d/2) as far from the ends' grid.
        let wander = |edge: &Edge| {
            let far = edge.middle().abs().min((edge.middle() - length).abs());
            (1.0 + 0.5 * far / edges.period).sqrt()
        };
        let mut search = Search {
            wander: chosen.iter().map(wander).collect(),
            edges: &chosen,
            number,
            centre: (middle, 2.2 * residual),
            slope: (slope, 2.2 * residual / farthest),
            expected: (
                expected.value,
                (expected.half_width / NORMAL_95).max(0.003 * expected.value),
            ),
        };
        let first = (residual / 4.0).clamp(0.001 * edges.period, 0.02 * edges.period);
        // Both kinds of jitter shape the box, or strays that add up would be searched for where they are not.
        let coarse = search.sum(
            9,
            &[false, true].map(|adds_up| Jitter {
                sigma: first,
                adds_up,
            }),
        );
        search.narrow(&coarse)?;
        let models: Vec<Jitter> = JITTERS
            .iter()
            .flat_map(|share| [false, true].map(|adds_up| (share * edges.period, adds_up)))
            .map(|(sigma, adds_up)| Jitter { sigma, adds_up })
            .collect();
        let fine = search.sum(9, &models);
        let jitter = fine.by_model.iter().copied().zip(models).collect();
        let sound = fine.weight > 0.0 && fine.weight.is_finite();
        sound.then_some(Self {
            centre: fine.mean.0,
            slope: fine.mean.1,
            number,
            centre_variance: fine.variance.0,
            covariance: fine.covariance,
            slope_variance: fine.variance.1,
            jitter,
            apart: (length / fine.mean.1).clamp(0.0, WANDER),
        })
    }

    /// The updates' period, in s.
    pub fn period(&self) -> f64 {
        self.slope
    }

    /// Variance of an update's jitter about the grid, in s².
    pub fn jitter_variance(&self) -> f64 {
        let weight: f64 = self.jitter.iter().map(|(weight, _)| weight).sum();
        let square = |(weight, jitter): &(f64, Jitter)| weight * jitter.sigma * jitter.sigma;
        let squares: f64 = self.jitter.iter().map(square).sum();
        squares / weight
    }

    /// When an edge's update happened: the grid's time and jitter, cut to the edge's bracket.
    pub fn moment(&self, edge: &Edge) -> Moment {
        const SLICES: usize = 24;
        let lever = edge.number - self.number;
        let expected = self.centre + self.slope * lever;
        let mut sums = (0.0, 0.0, 0.0);
        // Added up over n updates between the ends, each end strays by √(n/2) σ more. Brackets tell σ, yet hardly which
        // kind of jitter it is: for one update both kinds count alike.
        let adding_up = (1.0 + 0.5 * self.apart).sqrt();
        let models = self.jitter.iter().flat_map(|(weight, jitter)| {
            [1.0, adding_up].map(|factor| (0.5 * weight, factor * jitter.sigma))
        });
        for (weight, sigma) in models {
            let reach = 5.0 * sigma;
            let low = edge.before.max(expected - reach);
            let high = edge.after.min(expected + reach);
            if high <= low || weight <= 0.0 {
                // The grid misses this bracket: the bracket is what was seen.
                let nearest = expected.clamp(edge.before, edge.after);
                sums.0 += weight * 1e-6;
                sums.1 += weight * 1e-6 * nearest;
                sums.2 += weight * 1e-6 * (nearest.powi(2) + sigma * sigma);
                continue;
            }
            let step = (high - low) / SLICES as f64;
            for slice in 0..SLICES {
                let at = low + (slice as f64 + 0.5) * step;
                let density = weight * step / sigma * density((at - expected) / sigma);
                sums.0 += density;
                sums.1 += density * at;
                sums.2 += density * at * at;
            }
        }
        let at = sums.1 / sums.0;
        Moment {
            at,
            own_variance: (sums.2 / sums.0 - at * at).max(0.0),
            lever,
        }
    }
}

/// The edges around both ends, each once.
fn neighbours(edges: &[Edge], length: f64) -> Vec<Edge> {
    let mut chosen = Vec::with_capacity(4 * NEIGHBOURS.len());
    for end in [0.0, length] {
        let split = edges.partition_point(|edge| edge.middle() <= end);
        chosen.extend(NEIGHBOURS.iter().map(|step| split + step));
        chosen.extend(
            NEIGHBOURS
                .iter()
                .filter_map(|step| split.checked_sub(step + 1)),
        );
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen
        .into_iter()
        .filter_map(|index| edges.get(index).copied())
        .collect()
}

/// Logistic distribution function for standard deviation 1.
fn below(z: f64) -> f64 {
    1.0 / (1.0 + (-z * PER_SD).exp())
}

/// Logistic density for standard deviation 1.
fn density(z: f64) -> f64 {
    let e = (-(z * PER_SD).abs()).exp();
    PER_SD * e / ((1.0 + e) * (1.0 + e))
}

/// π/√3: the logistic distribution's scale is its standard deviation by this.
const PER_SD: f64 = 1.813_799_364_234_217_8;

/// A box of centres and slopes, each as middle and half-width.
struct Search<'a> {
    edges: &'a [Edge],
    /// Of each edge: by how much its stray is larger, if strays add up.
    wander: Vec<f64>,
    number: f64,
    centre: (f64, f64),
    slope: (f64, f64),
    /// Period and its standard deviation as known beforehand.
    expected: (f64, f64),
}

#[derive(Debug, Default)]
struct Sums {
    weight: f64,
    mean: (f64, f64),
    variance: (f64, f64),
    covariance: f64,
    by_model: Vec<f64>,
}

impl Search<'_> {
    /// Sums the likelihood over a `side` × `side` grid of the box and the given jitters.
    fn sum(&self, side: usize, models: &[Jitter]) -> Sums {
        let node = |(middle, half): (f64, f64), index: usize| {
            middle + half * (2.0 * index as f64 / (side - 1) as f64 - 1.0)
        };
        let mut logs = Vec::with_capacity(side * side * models.len());
        for model in models {
            for i in 0..side {
                let centre = node(self.centre, i);
                for j in 0..side {
                    logs.push(self.log_likelihood(centre, node(self.slope, j), *model));
                }
            }
        }
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sums = Sums {
            by_model: vec![0.0; models.len()],
            ..Sums::default()
        };
        let mut products = (0.0, 0.0, 0.0);
        // Offsets from the box's middle, in half-widths: keeps the squares well conditioned.
        let offset = |index: usize| 2.0 * index as f64 / (side - 1) as f64 - 1.0;
        let (mut first, mut second) = (0.0, 0.0);
        for (index, log) in logs.iter().enumerate() {
            let weight = (log - most).exp();
            let (i, j) = (index / side % side, index % side);
            let (x, y) = (offset(i), offset(j));
            sums.weight += weight;
            sums.by_model[index / (side * side)] += weight;
            first += weight * x;
            second += weight * y;
            products.0 += weight * x * x;
            products.1 += weight * y * y;
            products.2 += weight * x * y;
        }
        let (first, second) = (first / sums.weight, second / sums.weight);
        let (a, b) = (self.centre.1, self.slope.1);
        sums.mean = (self.centre.0 + a * first, self.slope.0 + b * second);
        sums.variance = (
            (products.0 / sums.weight - first * first).max(0.0) * a * a,
            (products.1 / sums.weight - second * second).max(0.0) * b * b,
        );
        sums.covariance = (products.2 / sums.weight - first * second) * a * b;
        sums
    }

    /// Narrows the box to where the sums say that the posterior is.
    fn narrow(&mut self, sums: &Sums) -> Option<()> {
        if !(sums.weight > 0.0 && sums.weight.is_finite()) {
            return None;
        }
        // A cell of the coarse grid is never excluded: half a step (an eighth of the box) is kept at least.
        let half = |half: f64, variance: f64| (2.5 * variance.sqrt()).max(half / 6.0).min(half);
        self.centre = (sums.mean.0, half(self.centre.1, sums.variance.0));
        self.slope = (sums.mean.1, half(self.slope.1, sums.variance.1));
        Some(())
    }

    fn log_likelihood(&self, centre: f64, slope: f64, model: Jitter) -> f64 {
        // Products of probabilities, with a log only now and then: a log for each edge costs the most.
        let (mut log, mut product) = (
            0.0,
            density((slope - self.expected.0) / self.expected.1).max(1e-6),
        );
        for (edge, wander) in self.edges.iter().zip(&self.wander) {
            let sigma = model.sigma * if model.adds_up { *wander } else { 1.0 };
            let expected = centre + slope * (edge.number - self.number);
            let inside =
                below((edge.after - expected) / sigma) - below((edge.before - expected) / sigma);
            // An edge far off (a late poll, an odd update) must not decide alone.
            product *= inside + 1e-6;
            if product < 1e-200 {
                log += product.ln();
                product = 1.0;
            }
        }
        log + product.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Updates every 99.9 ms from `phase` s, polled every `poll` s.
    fn polled(poll: f64, phase: f64, count: usize) -> Edges {
        let edges = (0..count)
            .map(|index| {
                let at = phase + 0.0999 * index as f64;
                let after = (at / poll).ceil() * poll;
                Edge {
                    before: after - poll,
                    after,
                    joules: 0.0,
                    number: index as f64,
                }
            })
            .collect();
        Edges {
            edges,
            period: 0.1,
            reset: false,
            located: true,
        }
    }

    #[test]
    fn drifting_polls_pin_the_grid_far_below_their_brackets() {
        let edges = polled(0.0271, -0.75, 24);
        let grid = Grid::fit(&edges, 0.9, Estimate::new(0.1, 0.001)).expect("a grid");
        assert!((grid.period() - 0.0999).abs() < 2e-4, "{}", grid.period());
        let truth = -0.75 + 0.0999 * 12.0;
        let found = grid.moment(&edges.edges[12]);
        assert!((found.at - truth).abs() < 2e-3, "{} {truth}", found.at);
        assert!(grid.centre_variance.sqrt() < 2e-3);
    }

    #[test]
    fn locked_polls_leave_their_bracket_open() {
        // A poll every quarter of the period sees each update with the same error.
        let edges = polled(0.0999 / 4.0, -0.75, 24);
        let grid = Grid::fit(&edges, 0.9, Estimate::new(0.1, 0.001)).expect("a grid");
        let uniform = 0.025 / 12f64.sqrt();
        assert!(
            grid.centre_variance.sqrt() > 0.6 * uniform,
            "{}",
            grid.centre_variance.sqrt() / uniform
        );
        // Yet the period is known.
        assert!((grid.period() - 0.0999).abs() < 5e-4);
    }
}
