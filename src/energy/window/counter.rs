//! Energy of a window from the counter's edges, with the distribution of its error.
//!
//! The counter shows W(t − λ): the energy accumulated up to a latency λ ago. Wanted is W(end) − W(start).
//! - Idle end: at the outer edge T, the power since the end (or until the start) was the resident P, so
//!   W(end) = C_b − P · (T_b − λ − end) and W(start) = C_a + P · (start − T_a + λ). With both ends idle λ falls
//!   out: C_b − C_a − P · [(T_b − T_a) − (end − start)]. Only P's error × the flanks' time and the edges' times × P stay.
//! - Steady end: W(end) = C(end + λ), interpolated between the edges around that moment. With both ends
//!   steady an error of λ counts by the difference of the two powers only.
//!
//! λ is rectangular within its bounds. So is what is not known of the grid as a whole, which acts as λ does. The
//! error given both is normal: a sum of interpolation, jitter and resident terms. Over λ it is a mixture, whose
//! quantiles are the interval.

use super::edges::{Edge, Edges};
use super::ends::{Reached, Side};
use super::grid::Grid;
use super::roughness::Roughness;
use super::sparse::sparse_energy;
use super::{End, Source, WindowRequest};
use crate::energy::interval::{Mixture, NORMAL_95, Part, rectangular_nodes};
use crate::energy::sensor::Estimate;
use crate::energy::waveform::{Point, even_run};

/// Nodes of the latency's distribution.
const LATENCIES: usize = 12;

/// Where a bounded interpolation error lies at start and end.
const SIDES: [(f64, f64); 4] = [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)];

/// What the counter says.
#[derive(Debug, Clone)]
pub(super) struct CounterEnergy {
    /// Distribution of the window's energy in joules, gain 1.
    pub energy: Mixture,
    /// Whether its edges were seen.
    pub source: Source,
    /// Update period found, in s.
    pub period: f64,
    /// Codes of what must be known.
    pub flags: Vec<String>,
}

/// Energy of the window by the counter, or the code and words why not.
pub(super) fn counter_energy(
    request: &WindowRequest<'_>,
    samples: &[Point],
) -> Result<CounterEnergy, String> {
    let length = request.seconds();
    let expected = request.sensor.counter.update_period_ns.value / 1e9;
    let least = request.rules.min_updates * expected;
    if length < least {
        return Err(format!(
            "window_too_short_for_sensor: {length:.3} s, and {} updates take {least:.3} s",
            request.rules.min_updates
        ));
    }
    let edges = Edges::of(
        &request.readings.counter,
        request.start_ns,
        length,
        expected,
    );
    if edges.edges.len() < 2 {
        return Err("counter_edges_missing: fewer than two steps of the counter were seen".into());
    }
    let latency = latency_bounds(request);
    let mut flags = Vec::new();
    if edges.reset {
        flags.push("counter_reset_outside_window".into());
    }
    if !edges.located {
        flags.push("counter_edges_not_found".into());
        return Ok(CounterEnergy {
            energy: sparse_energy(request, &edges, latency)?,
            source: Source::CounterSparse,
            period: expected,
            flags,
        });
    }
    let known = request.sensor.counter.update_period_ns;
    let known = Estimate::new(known.value / 1e9, known.half_width / 1e9);
    let grid = Grid::fit(&edges, length, known)
        .ok_or("counter_edges_irregular: the counter's steps fit no period")?;
    let lost = |reason: String| {
        if edges.reset {
            "counter_reset: the counter went back or jumped within the window".into()
        } else {
            reason
        }
    };
    let start = Side::start(&edges, &grid, request.ends.0).map_err(lost)?;
    let end = Side::end(&edges, &grid, request.ends.1, length, latency.1, &mut flags);
    let end = end.map_err(lost)?;
    if gap_inside(&edges.edges, length) {
        flags.push("counter_gap_inside".into());
    }
    let steady = start.steady || end.steady;
    let roughness = if steady {
        let load = load_edges(&edges.edges, length, request.ends);
        let power = mean_power(load, grid.period());
        let span = match (load.first(), load.last()) {
            (Some(first), Some(last)) => (first.middle(), last.middle()),
            _ => (0.0, length),
        };
        let seen = even_run(samples, span.0, span.1).and_then(|(watts, step)| {
            // Samples of another scale or with another mean do not show this load.
            let mean = watts.iter().sum::<f64>() / watts.len() as f64;
            let same = (mean - power).abs() <= 0.15 * power;
            Roughness::of_samples(&watts, step, grid.period()).filter(|_| same)
        });
        if seen.is_none() {
            flags.push("interpolation_assumed".into());
        }
        let fast = |period: &f64| *period > 0.0 && *period < 2.5e9 * grid.period();
        let periodic = request.load_periods_ns.iter().any(fast);
        let jitter = grid.jitter_variance() * power * power;
        seen.or_else(|| Roughness::of_edges(load, jitter, periodic))
    } else {
        None
    };
    if steady && roughness.is_none() {
        return Err(
            "window_too_short_for_sensor: too few consecutive updates to interpolate".into(),
        );
    }
    let resident = resident_variance(request.ends, &start, &end, length);
    let mut parts = Vec::new();
    let plain = [(1.0, 0.0)];
    let nodes = roughness.as_ref().map_or(&plain[..], |found| &found.nodes);
    let shape = roughness.as_ref().map_or(1.0, |found| found.shape);
    let two_sided = roughness.as_ref().map_or(0.0, |found| found.two_sided);
    let shifts: Vec<f64> = if steady {
        rectangular_nodes(latency.0, latency.1, LATENCIES).collect()
    } else {
        vec![0.0]
    };
    for shift in &shifts {
        let first = start.at(0.0, *shift, &grid, &edges);
        let last = end.at(length, *shift, &grid, &edges);
        let (Some(first), Some(last)) = (first, last) else {
            return Err("counter_edges_missing: no step of the counter beyond a steady end".into());
        };
        let fixed = timing_variance(&grid, &first, &last) + resident + QUANTUM_JOULES2;
        for (weight, square) in nodes {
            let bridges = [&first, &last].map(|end| (end.bridge(shape) * square).min(end.most));
            let [one, other] = bridges.map(|variance| (two_sided * variance).sqrt());
            for sides in SIDES
                .get(..if two_sided > 0.0 { 4 } else { 1 })
                .unwrap_or(&SIDES)
            {
                parts.push(Part {
                    weight: *weight,
                    mean: last.joules - first.joules + sides.0 * one + sides.1 * other,
                    variance: fixed + (1.0 - two_sided) * (bridges[0] + bridges[1]),
                });
            }
        }
    }
    Ok(CounterEnergy {
        energy: Mixture::of(parts),
        source: Source::Counter,
        period: grid.period(),
        flags,
    })
}

/// Two values of the counter, each rounded to 1 mJ: variance of their difference.
const QUANTUM_JOULES2: f64 = 2.0 * 1e-6 / 12.0;

/// Bounds of the latency in s. It cannot be negative.
pub(super) fn latency_bounds(request: &WindowRequest<'_>) -> (f64, f64) {
    let latency = request.sensor.counter.latency_ns;
    let low = ((latency.value - latency.half_width) / 1e9).max(0.0);
    let high = ((latency.value + latency.half_width) / 1e9).max(low);
    (low, high)
}

/// Variance from the grid's error and the updates' jitter. The grid's error is common to both ends.
fn timing_variance(grid: &Grid, first: &Reached, last: &Reached) -> f64 {
    // W(end) − W(start): a grid that is late by δ lowers W(end) by P_end·δ and W(start) by P_start·δ.
    let by_centre = last.watts - first.watts;
    let by_slope = last.watts * last.lever - first.watts * first.lever;
    by_centre.powi(2) * grid.centre_variance
        + 2.0 * by_centre * by_slope * grid.covariance
        + by_slope.powi(2) * grid.slope_variance
        + first.own
        + last.own
}

/// Variance from the error of the resident power over the flanks.
fn resident_variance(ends: (End, End), start: &Side, end: &Side, length: f64) -> f64 {
    let before = (-start.moment.at).max(0.0);
    let after = (end.moment.at - length).max(0.0);
    let sd = |half_width: f64| half_width.abs() / NORMAL_95;
    match ends {
        (
            End::Idle {
                watts,
                half_width_watts,
            },
            End::Idle {
                watts: other,
                half_width_watts: other_half,
            },
        ) => {
            let (a, b) = (sd(half_width_watts) * before, sd(other_half) * after);
            if watts == other && half_width_watts == other_half {
                (a + b).powi(2)
            } else {
                a * a + b * b
            }
        }
        (
            End::Idle {
                half_width_watts, ..
            },
            End::Steady,
        ) => (sd(half_width_watts) * before).powi(2),
        (
            End::Steady,
            End::Idle {
                half_width_watts, ..
            },
        ) => (sd(half_width_watts) * after).powi(2),
        (End::Steady, End::Steady) => 0.0,
    }
}

/// Edges of the load: those inside, and beyond a steady end those whose power is like that inside.
fn load_edges(edges: &[Edge], length: f64, ends: (End, End)) -> &[Edge] {
    const BEYOND: usize = 20;
    let mut low = edges.partition_point(|edge| edge.middle() < 0.0);
    let mut high = edges.partition_point(|edge| edge.middle() <= length);
    let power = |k: usize| {
        let steps = edges[k + 1].number - edges[k].number;
        (edges[k + 1].joules - edges[k].joules) / steps
    };
    let inside: Vec<f64> = (low..high.saturating_sub(1)).map(power).collect();
    let least = inside.iter().copied().fold(f64::INFINITY, f64::min) * 0.5;
    let most = inside.iter().copied().fold(0.0, f64::max) * 1.5;
    let alike = |k: usize| inside.is_empty() || (least..=most).contains(&power(k));
    if ends.0 == End::Steady {
        let stop = low.saturating_sub(BEYOND);
        while low > stop && alike(low - 1) {
            low -= 1;
        }
    }
    if ends.1 == End::Steady {
        let stop = (high + BEYOND).min(edges.len());
        while high < stop && high > 0 && alike(high - 1) {
            high += 1;
        }
    }
    edges.get(low..high).unwrap_or_default()
}

/// Whether more than three updates in a row were missed inside. The counter went on counting: only whether it
/// was reset and came back above is not known.
fn gap_inside(edges: &[Edge], length: f64) -> bool {
    edges.windows(2).any(|pair| {
        let inside = pair[0].after > 0.0 && pair[1].before < length;
        inside && pair[1].number - pair[0].number > 3.0
    })
}

fn mean_power(edges: &[Edge], period: f64) -> f64 {
    match (edges.first(), edges.last()) {
        (Some(first), Some(last)) if last.number > first.number => {
            (last.joules - first.joules) / ((last.number - first.number) * period)
        }
        _ => 0.0,
    }
}
