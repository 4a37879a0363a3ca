//! Averaging window and latency of a source, from what it read while a known load went on and off.
//!
//! The model: a value that appears at t is the mean power from t − latency − window to t − latency, and the
//! power is one level when idle and another when busy, both drifting linearly as the GPU warms up.

use super::least_squares::{robust_covariance, solve, t95};
use super::{Estimate, KnownLoad};

/// One value of a source and when it appeared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Start of the last call that still returned the value before, CLOCK_MONOTONIC ns.
    pub before_ns: u64,
    /// End of the first call that returned this one.
    pub after_ns: u64,
    /// Watts.
    pub watts: f64,
}

impl Observation {
    fn at_ns(&self) -> f64 {
        (self.before_ns as f64 + self.after_ns as f64) / 2.0
    }
}

/// What was found of a source's response.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    /// Averaging window, ns.
    pub window_ns: Estimate,
    /// From the end of the window to the moment at which the value appears, ns.
    pub latency_ns: Estimate,
    /// Share of the readings' variance that the model explains, at most 1.
    pub explained: f64,
    /// Readings used.
    pub readings: usize,
}

/// Windows that are tried first, ns: each a quarter longer than the one before, 1 ms to 2.6 s.
const WINDOWS: (f64, f64, i32) = (1e6, 1.25, 36);
/// Latencies that are tried first, ns: from, step, count.
const LATENCIES: (f64, f64, u32) = (-30e6, 5e6, 57);
/// Where the search ends, and the resolution of the driver's stamps, ns.
const FINEST: f64 = 1e3;
/// Most readings that the search looks at.
const MOST: usize = 600;
/// Fewest readings.
const FEWEST: usize = 40;
/// Least share of the variance that must be explained.
const LEAST_EXPLAINED: f64 = 0.9;
/// The best of the first tries from which the search goes on.
const STARTS: usize = 4;

/// Finds them by least squares: a coarse search over all windows and latencies, then a fine one from the best few.
///
/// The half-widths come from the covariance of the fitted values' derivatives, each residual standing for its
/// own variance (readings on a flank err more); the latency's also has half the time between two polls, since
/// polls can be late all alike, and the window's what the blur of the moments between polls adds to it.
///
/// # Errors
/// If there are too few readings, or they do not follow the load: says so.
pub fn response(readings: &[Observation], load: &KnownLoad) -> Result<Response, String> {
    if readings.len() < FEWEST {
        return Err(format!(
            "{} readings while the load went on and off, and {FEWEST} are needed",
            readings.len()
        ));
    }
    let all = Model::new(readings, load);
    let every = readings.len().div_ceil(MOST);
    let thinned: Vec<Observation> = readings.iter().step_by(every).copied().collect();
    let thin = Model::new(&thinned, load);
    let best = search(&thin).ok_or("the load never changed what it read")?;
    let best = if every > 1 {
        refine(&all, best, 0.02)
    } else {
        best
    };
    let [window, latency] = best;
    let left = all.left(best).ok_or("the fit has no solution")?;
    let explained = 1.0 - left / all.variation().max(f64::MIN_POSITIVE);
    if explained.is_nan() || explained < LEAST_EXPLAINED {
        return Err(format!(
            "a trailing mean of the load explains only {:.0} % of what it read",
            100.0 * explained.max(0.0)
        ));
    }
    let [window_half, latency_half] = all.half_widths(best).ok_or("the fit has no interval")?;
    let polls = || readings.iter().map(|r| (r.after_ns - r.before_ns) as f64);
    let count = readings.len() as f64;
    let poll = polls().sum::<f64>() / count;
    // Moments blurred evenly over a poll round the corners of every flank, as a longer window would: by its
    // variance, w² grows by the mean square of the polls.
    let rounding = polls().map(|poll| poll * poll).sum::<f64>() / count / (2.0 * window);
    Ok(Response {
        window_ns: Estimate::new(window, (window_half + rounding).hypot(FINEST)),
        latency_ns: Estimate::new(latency, latency_half.hypot(0.5 * poll).hypot(FINEST)),
        explained,
        readings: readings.len(),
    })
}

/// Window and latency, ns.
type Pair = [f64; 2];

struct Model<'a> {
    load: &'a KnownLoad,
    at_ns: Vec<f64>,
    watts: Vec<f64>,
    middle_ns: f64,
    half_span_ns: f64,
}

impl<'a> Model<'a> {
    fn new(readings: &[Observation], load: &'a KnownLoad) -> Self {
        let at_ns: Vec<f64> = readings.iter().map(Observation::at_ns).collect();
        let first = at_ns.first().copied().unwrap_or(0.0);
        let last = at_ns.last().copied().unwrap_or(0.0);
        Self {
            load,
            at_ns,
            watts: readings.iter().map(|reading| reading.watts).collect(),
            middle_ns: (first + last) / 2.0,
            half_span_ns: ((last - first) / 2.0).max(1.0),
        }
    }

    /// Level, busy share, and both times the time from the middle.
    fn row(&self, at_ns: f64, [window, latency]: Pair) -> [f64; 4] {
        let end = at_ns - latency;
        let busy = self.load.busy_share(end - window, end);
        let time = (at_ns - self.middle_ns) / self.half_span_ns;
        [1.0, busy, time, time * busy]
    }

    fn rows(&self, pair: Pair) -> Vec<[f64; 4]> {
        self.at_ns.iter().map(|at| self.row(*at, pair)).collect()
    }

    /// Sum of squares that the best levels leave.
    fn left(&self, pair: Pair) -> Option<f64> {
        solve(&self.rows(pair), &self.watts).map(|(_, left)| left)
    }

    fn variation(&self) -> f64 {
        let mean = self.watts.iter().sum::<f64>() / self.watts.len() as f64;
        self.watts.iter().map(|watts| (watts - mean).powi(2)).sum()
    }

    /// Half-widths of the 95 % intervals of window and latency.
    fn half_widths(&self, pair: Pair) -> Option<[f64; 2]> {
        let rows = self.rows(pair);
        let (levels, _) = solve(&rows, &self.watts)?;
        let fitted = |row: &[f64; 4]| -> f64 { row.iter().zip(&levels).map(|(x, l)| x * l).sum() };
        let step = 1e5f64.min(pair[0] / 10.0);
        let slope = |at: f64, by: Pair| {
            let moved = |sign: f64| [pair[0] + sign * by[0], pair[1] + sign * by[1]];
            let (up, down) = (self.row(at, moved(1.0)), self.row(at, moved(-1.0)));
            (fitted(&up) - fitted(&down)) / 2.0
        };
        let derivatives: Vec<[f64; 6]> = self
            .at_ns
            .iter()
            .zip(&rows)
            .map(|(at, row)| {
                let [a, b, c, d] = *row;
                [a, b, c, d, slope(*at, [step, 0.0]), slope(*at, [0.0, step])]
            })
            .collect();
        let residuals: Vec<f64> = rows
            .iter()
            .zip(&self.watts)
            .map(|(row, watts)| watts - fitted(row))
            .collect();
        let covariance = robust_covariance(&derivatives, &residuals)?;
        let t = t95(residuals.len() as f64 - 6.0);
        Some([4, 5].map(|index| t * step * covariance[index][index].max(0.0).sqrt()))
    }
}

fn search(model: &Model<'_>) -> Option<Pair> {
    let mut tries = Vec::new();
    for window in 0..WINDOWS.2 {
        for latency in 0..LATENCIES.2 {
            let pair = [
                WINDOWS.0 * WINDOWS.1.powi(window),
                LATENCIES.0 + LATENCIES.1 * f64::from(latency),
            ];
            tries.extend(model.left(pair).map(|left| (left, pair)));
        }
    }
    tries.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let refined = tries
        .iter()
        .take(STARTS)
        .map(|(_, pair)| refine(model, *pair, 0.25));
    refined
        .filter_map(|pair| Some((model.left(pair)?, pair)))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, pair)| pair)
}

/// Goes downhill from `pair` in steps that halve, from that share of the window down to a µs.
fn refine(model: &Model<'_>, mut pair: Pair, share: f64) -> Pair {
    let mut step = (share * pair[0]).max(1e5);
    let Some(mut left) = model.left(pair) else {
        return pair;
    };
    while step > FINEST {
        let mut better = false;
        // Along each parameter, and along both so that one end of the window stands still.
        for [window, latency] in [
            [1.0, 0.0],
            [-1.0, 0.0],
            [0.0, 1.0],
            [0.0, -1.0],
            [1.0, -1.0],
            [-1.0, 1.0],
        ] {
            let next = [(pair[0] + window * step).max(1e4), pair[1] + latency * step];
            if let Some(now) = model.left(next).filter(|now| *now < left) {
                (pair, left, better) = (next, now, true);
            }
        }
        if !better {
            step /= 2.0;
        }
    }
    pair
}

#[cfg(test)]
mod tests;
