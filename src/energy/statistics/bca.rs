//! Intervals for figures over many requests: bootstrap BCa, and order statistics where there are so many values
//! that resampling would only be slow. The draws are seeded: the same values give the same interval.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::interval::{Interval95, IntervalMethod, student_t};
use super::percentile;

/// Fewest values of a BCa interval: at n = 3, 5 and 7 it holds the mean of a normal sample 69, 85 and 87 times
/// in 100 (docs/measurement.md).
pub const FEWEST_FOR_BCA: usize = 20;
/// Above so many values the mean's interval is Student's t (by the central limit theorem) and a percentile's
/// lies between order statistics.
const MOST_FOR_BCA: usize = 10_000;
/// Resamples: Efron and Tibshirani (An Introduction to the Bootstrap, 1993, section 14.3) ask for 1,000 at least.
const RESAMPLES: usize = 2_000;

/// Which figure of a sample has the interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// Percentile, 0 to 100, as [`percentile`] defines it.
    Percentile(f64),
}

/// The 95 % interval of a figure over the requests of one window. `ascending` is the sorted sample of
/// independent values (one a request: not the gaps between tokens). None for fewer than [`FEWEST_FOR_BCA`]
/// values, where one is not finite, or where the percentile lies so far out that the sample does not bound it.
#[must_use]
pub fn request_interval(ascending: &[f64], statistic: Statistic, seed: u64) -> Option<Interval95> {
    let n = ascending.len();
    if n < FEWEST_FOR_BCA || ascending.iter().any(|value| !value.is_finite()) {
        return None;
    }
    match statistic {
        Statistic::Percentile(p) if !bounded(n, p) => None,
        Statistic::Mean if n > MOST_FOR_BCA => student_t(ascending),
        Statistic::Percentile(p) if n > MOST_FOR_BCA => order_statistics(ascending, p),
        _ => bca(ascending, statistic, seed),
    }
}

/// Whether at least about three values lie beyond a percentile on either side: otherwise every resample has the
/// same extreme and the interval ends where the sample does.
fn bounded(n: usize, p: f64) -> bool {
    let share = p / 100.0;
    share.min(1.0 - share) * n as f64 >= 3.0
}

fn normal() -> Normal {
    Normal::new(0.0, 1.0).expect("mean 0 and deviation 1 are a distribution")
}

fn bca(ascending: &[f64], statistic: Statistic, seed: u64) -> Option<Interval95> {
    let estimate = value(ascending, statistic)?;
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    let mut counts = vec![0_u32; ascending.len()];
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| resample(ascending, &mut counts, statistic, &mut draws))
        .collect();
    resampled.sort_unstable_by(f64::total_cmp);
    let acceleration = acceleration(ascending, statistic);
    // Ties count half: percentiles of a resample are often the estimate itself.
    let below = resampled.partition_point(|value| *value < estimate);
    let up_to = resampled.partition_point(|value| *value <= estimate);
    let most = RESAMPLES as f64;
    let share = ((below + up_to) as f64 / 2.0 / most).clamp(0.5 / most, 1.0 - 0.5 / most);
    let normal = normal();
    let bias = normal.inverse_cdf(share);
    // Efron 1987, equation 6.8.
    let end = |level: f64| {
        let z = bias + normal.inverse_cdf(level);
        let adjusted = normal.cdf(bias + z / (1.0 - acceleration * z));
        percentile(&resampled, adjusted * 100.0)
    };
    Some(Interval95 {
        low: end(0.025)?,
        high: end(0.975)?,
        method: IntervalMethod::Bca,
    })
}

fn value(ascending: &[f64], statistic: Statistic) -> Option<f64> {
    match statistic {
        Statistic::Mean => Some(ascending.iter().sum::<f64>() / ascending.len() as f64),
        Statistic::Percentile(p) => percentile(ascending, p),
    }
}

/// The figure of one resample with replacement. How often each value was drawn is enough: no sorting.
fn resample(
    ascending: &[f64],
    counts: &mut [u32],
    statistic: Statistic,
    draws: &mut ChaCha8Rng,
) -> f64 {
    let n = ascending.len();
    counts.fill(0);
    for _ in 0..n {
        counts[draws.random_range(0..n)] += 1;
    }
    match statistic {
        Statistic::Mean => {
            let sum: f64 = ascending
                .iter()
                .zip(&*counts)
                .map(|(value, count)| value * f64::from(*count))
                .sum();
            sum / n as f64
        }
        Statistic::Percentile(p) => {
            let rank = (p / 100.0).clamp(0.0, 1.0) * (n - 1) as f64;
            let at = |rank: f64| nth(ascending, counts, rank as usize);
            let share = rank - rank.floor();
            at(rank.floor()) * (1.0 - share) + at(rank.ceil()) * share
        }
    }
}

/// The `rank`-th value (from 0) of the sample in which each value stands `counts` times.
fn nth(ascending: &[f64], counts: &[u32], rank: usize) -> f64 {
    let mut passed = 0_usize;
    for (value, count) in ascending.iter().zip(counts) {
        passed += *count as usize;
        if passed > rank {
            return *value;
        }
    }
    ascending[ascending.len() - 1]
}

/// The acceleration by the jackknife: Σd³ / (6 (Σd²)^1.5), d the mean of the left-out figures minus each.
fn acceleration(ascending: &[f64], statistic: Statistic) -> f64 {
    let n = ascending.len();
    let total: f64 = ascending.iter().sum();
    let without = |left: usize| match statistic {
        Statistic::Mean => (total - ascending[left]) / (n - 1) as f64,
        Statistic::Percentile(p) => {
            let rank = (p / 100.0).clamp(0.0, 1.0) * (n - 2) as f64;
            let at = |rank: usize| ascending[rank + usize::from(rank >= left)];
            let share = rank - rank.floor();
            at(rank.floor() as usize) * (1.0 - share) + at(rank.ceil() as usize) * share
        }
    };
    let figures: Vec<f64> = (0..n).map(without).collect();
    let mean = figures.iter().sum::<f64>() / n as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for figure in figures {
        let distance = mean - figure;
        squares += distance.powi(2);
        cubes += distance.powi(3);
    }
    if squares > 0.0 {
        cubes / (6.0 * squares.powf(1.5))
    } else {
        0.0
    }
}

/// Between the order statistics of ranks np ± 1.96 √(np(1 − p)), rounded outwards.
fn order_statistics(ascending: &[f64], p: f64) -> Option<Interval95> {
    let n = ascending.len() as f64;
    let share = p / 100.0;
    let half = normal().inverse_cdf(0.975) * (n * share * (1.0 - share)).sqrt();
    let last = ascending.len().checked_sub(1)?;
    let low = (n * share - half).floor().max(0.0) as usize;
    let high = ((n * share + half).ceil() as usize).min(last);
    Some(Interval95 {
        low: *ascending.get(low.min(last))?,
        high: *ascending.get(high)?,
        method: IntervalMethod::OrderStatistics,
    })
}
