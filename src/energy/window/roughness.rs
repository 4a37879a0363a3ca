//! How far the true energy strays from a straight line between two updates of the counter: what
//! interpolation at a steady end may be wrong by. Learnt from the load itself.
//!
//! D(h) is the mean square of W(t) − [W(t−h) + W(t+h)]/2, W the accumulated energy: the error of a straight line
//! in the middle of 2h. Interpolating inside one period needs D(U/2). The buffer of 20 ms samples shows it. Edges
//! alone show D(U) and D(2U); D(2U)/D(U) = 2^θ then says how it goes on: θ = 1 for a load without memory, 4 for
//! a smooth one, whence D(U/2) = D(U)/2^θ' (`exponent_below`). A periodic load faster than the sensor looks slow to it (aliasing):
//! its amplitude is known, since sin(πfU) is the same for all frequencies that look alike, but not what it does
//! between two edges: 1.5 × the variance of W about its trend. Edges alone cannot tell it from a slow load, so that
//! holds where the load is known to be periodic, and otherwise the result says `interpolation_assumed`.

use super::edges::Edge;

/// Distribution of the error's mean square in the middle of a period.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Roughness {
    /// Weights and mean squares in joules².
    pub nodes: Vec<(f64, f64)>,
    /// The error's mean square at a share f of the period is that of its middle × (4f(1 − f))^shape.
    pub shape: f64,
    /// Share of the mean square that is two values ±a with equal right, the rest being normal: how bounded the
    /// error is. A switched load's error never leaves a band, and normal tails would make the interval too wide.
    pub two_sided: f64,
}

/// Mean square and how many independent values it is worth.
#[derive(Debug, Clone, Copy)]
struct MeanSquare {
    value: f64,
    worth: f64,
}

fn mean_square(errors: impl Iterator<Item = f64>, overlap: f64) -> MeanSquare {
    let (count, sum) = errors.fold((0.0, 0.0), |(n, sum), e| (n + 1.0, sum + e * e));
    MeanSquare {
        value: if count > 0.0 { sum / count } else { 0.0 },
        worth: count / overlap,
    }
}

/// Errors of the line at middle points `step` values away from both ends, of evenly spaced accumulated energy.
fn middles(energy: &[f64], step: usize) -> impl Iterator<Item = f64> + '_ {
    (step..energy.len().saturating_sub(step))
        .map(move |k| energy[k] - 0.5 * (energy[k - step] + energy[k + step]))
}

impl Roughness {
    /// From consecutive edges of the load. `jitter_joules2`: mean square that the updates' own jitter adds to a
    /// step. `periodic`: the load is known to repeat faster than edges can show. None with fewer than three consecutive edges.
    pub fn of_edges(edges: &[Edge], jitter_joules2: f64, periodic: bool) -> Option<Self> {
        let runs: Vec<Vec<f64>> = edges
            .chunk_by(|a, b| b.number - a.number == 1.0)
            .map(|run| run.iter().map(|edge| edge.joules).collect())
            .collect();
        let near = mean_square(runs.iter().flat_map(|run| middles(run, 1)), 1.5);
        let far = mean_square(runs.iter().flat_map(|run| middles(run, 2)), 3.0);
        if near.worth == 0.0 {
            return None;
        }
        let clean = |square: MeanSquare| MeanSquare {
            value: (square.value - 1.5 * jitter_joules2).max(0.02 * square.value),
            ..square
        };
        let (near, far) = (clean(near), clean(far));
        let (above, theta_sd) = exponent(near, far);
        let theta = exponent_below(above);
        let smooth = near.value * 2f64.powf(-theta);
        let log_sd = (2.0 / near.worth + (theta_sd * std::f64::consts::LN_2).powi(2)).sqrt();
        if periodic {
            // √(D(2U)/D(U)) = 2(1 + cos φ) for one line at the phase φ a period; its variance is D(U)/(1 − cos φ)².
            let ratio = 2f64.powf(0.5 * above.max(0.0));
            let line = near.value / (2.0 - 0.5 * ratio).max(0.35).powi(2);
            return Some(Self {
                nodes: spread((1.5 * line).max(smooth), log_sd.min(1.5)).collect(),
                shape: shape(0.5),
                two_sided: 0.0,
            });
        }
        let nodes = spread(smooth, log_sd.min(1.5)).collect();
        Some(Self {
            nodes,
            shape: shape(theta),
            two_sided: 0.0,
        })
    }

    /// From evenly spaced power samples inside the load, `step` s apart, for a counter of period `period` s.
    pub fn of_samples(watts: &[f64], step: f64, period: f64) -> Option<Self> {
        let half = period / 2.0 / step;
        let near_step = half.floor() as usize;
        if near_step == 0 || watts.len() < 6 * near_step + 6 {
            return None;
        }
        let mut sum = 0.0;
        let energy: Vec<f64> = std::iter::once(0.0)
            .chain(watts.iter().map(|watts| {
                sum += watts * step;
                sum
            }))
            .collect();
        // D at half a period lies between those of the whole steps around it.
        let low = mean_square(middles(&energy, near_step), 2.0 * near_step as f64);
        let high = mean_square(middles(&energy, near_step + 1), 2.0 * near_step as f64);
        let share = half - near_step as f64;
        let near = MeanSquare {
            value: low.value * (1.0 - share) + high.value * share,
            worth: low.worth,
        };
        let half_of_it = mean_square(middles(&energy, (near_step / 2).max(1)), 2.0);
        let ratio = half / (near_step / 2).max(1) as f64;
        let theta = ((near.value / half_of_it.value).ln() / ratio.ln()).clamp(0.0, 4.0);
        let theta = if theta.is_finite() { theta } else { PRIOR };
        let two_sided = two_sided(middles(&energy, near_step), low);
        // Variance of a mean square, relative: (kurtosis − 1)/n, 2/n for normal errors and less for bounded ones.
        let spread_of_squares = 2.0 - 2.0 * two_sided * two_sided;
        Some(Self {
            nodes: spread(near.value, (spread_of_squares / near.worth).sqrt().min(1.0)).collect(),
            shape: shape(theta),
            two_sided,
        })
    }
}

/// The share of ±a in ±a + normal that gives the errors' kurtosis: with a² = q·variance the excess is −2q². Errors
/// with normal or heavier tails have none.
fn two_sided(errors: impl Iterator<Item = f64>, square: MeanSquare) -> f64 {
    let (count, fourth) = errors.fold((0.0, 0.0), |(n, sum), e| (n + 1.0, sum + e.powi(4)));
    let excess = fourth / count / square.value.powi(2) - 3.0;
    // What few values say of a fourth moment is held towards normal: its variance is 24/n for a normal sample.
    let held = excess / (1.0 + 24.0 / (9.0 * square.worth.max(1e-9)));
    let share = (-held / 2.0).max(0.0).sqrt().min(0.95);
    if share.is_finite() { share } else { 0.0 }
}

/// θ one octave lower, for power with a memory of time τ (correlation e^(−t/τ)): D(h) ∝ g(h/τ) − g(2h/τ)/4 with
/// g(x) = x − 1 + e^(−x), so θ goes from 3 far below τ to 1 far above. A table of that; 4 (smooth) stays 4.
fn exponent_below(theta: f64) -> f64 {
    const TABLE: [(f64, f64); 8] = [
        (1.0, 1.0),
        (1.16, 1.36),
        (1.36, 1.73),
        (1.73, 2.18),
        (2.18, 2.53),
        (2.53, 2.75),
        (3.0, 3.0),
        (4.0, 4.0),
    ];
    let within = TABLE
        .windows(2)
        .find(|pair| (pair[0].0..=pair[1].0).contains(&theta));
    within.map_or(theta, |pair| {
        let share = (theta - pair[0].0) / (pair[1].0 - pair[0].0);
        pair[0].1 + share * (pair[1].1 - pair[0].1)
    })
}

const PRIOR: f64 = 1.2;

/// θ and its standard deviation: the measured ratio, held towards a load with little memory (1.2 ± 1).
fn exponent(near: MeanSquare, far: MeanSquare) -> (f64, f64) {
    let measured = (far.value / near.value).log2();
    if far.worth <= 0.0 || !measured.is_finite() {
        return (PRIOR, 1.0);
    }
    let variance = (2.0 / near.worth + 2.0 / far.worth) / std::f64::consts::LN_2.powi(2);
    let precision = 1.0 / variance;
    let theta = (measured.clamp(-1.0, 4.0) * precision + PRIOR) / (precision + 1.0);
    (theta, (1.0 / (precision + 1.0)).sqrt())
}

/// Shape of the error along the period: f(1 − f) for a load without memory, its square for a smooth one.
fn shape(theta: f64) -> f64 {
    if theta <= 1.0 {
        0.35 + 0.65 * theta.max(0.0)
    } else {
        (1.0 + (theta - 1.0) / 3.0).min(2.0)
    }
}

/// A mean square known to a factor e^±sd, as three nodes (Gauss–Hermite).
fn spread(value: f64, log_sd: f64) -> impl Iterator<Item = (f64, f64)> {
    let reach = 3f64.sqrt() * log_sd;
    [(1.0 / 6.0, -reach), (2.0 / 3.0, 0.0), (1.0 / 6.0, reach)]
        .into_iter()
        .map(move |(weight, log)| (weight, value * log.exp()))
}
