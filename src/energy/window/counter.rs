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
use super::grid::{Grid, Moment};
use super::roughness::Roughness;
use super::{End, WindowRequest};
use crate::energy::interval::{Mixture, NORMAL_95, Part, rectangular_nodes};
use crate::energy::sensor::Estimate;
use crate::energy::waveform::{Point, even_run};

/// Nodes of the latency's distribution.
const LATENCIES: usize = 16;

/// What the counter says.
#[derive(Debug, Clone)]
pub(super) struct CounterEnergy {
    /// Distribution of the window's energy in joules, gain 1.
    pub energy: Mixture,
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
    let edges = Edges::of(
        &request.readings.counter,
        request.start_ns,
        length,
        expected,
    );
    if edges.edges.len() < 2 {
        return Err("counter_edges_missing: fewer than two steps of the counter were seen".into());
    }
    let known = request.sensor.counter.update_period_ns;
    let known = Estimate::new(known.value / 1e9, known.half_width / 1e9);
    let grid = Grid::fit(&edges, length, known)
        .ok_or("counter_edges_irregular: the counter's steps fit no period")?;
    let latency = latency_bounds(request);
    let mut flags = Vec::new();
    let start = Side::start(&edges, &grid, request.ends.0)?;
    let end = Side::end(&edges, &grid, request.ends.1, length, latency.1, &mut flags)?;
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
        let bridge = first.bridge(shape) + last.bridge(shape);
        let caps = first.most + last.most;
        for (weight, square) in nodes {
            parts.push(Part {
                weight: *weight,
                mean: last.joules - first.joules,
                variance: fixed + (bridge * square).min(caps),
            });
        }
    }
    if edges.reset {
        flags.push("counter_reset_outside_window".into());
    }
    Ok(CounterEnergy {
        energy: Mixture::of(parts),
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

/// Accumulated energy at one end for one latency, and what its error depends on.
struct Reached {
    joules: f64,
    /// Watts by which a common shift of the grid counts.
    watts: f64,
    lever: f64,
    /// Variance from the updates' own jitter, in J².
    own: f64,
    /// Share of the period that has passed; None at an idle end.
    share: Option<f64>,
    /// Largest possible interpolation variance: power is not negative.
    most: f64,
}

impl Reached {
    fn bridge(&self, shape: f64) -> f64 {
        self.share.map_or(0.0, |share| {
            (4.0 * share * (1.0 - share)).max(0.0).powf(shape)
        })
    }
}

/// One end of the window, and the edges that it is worked out from.
struct Side {
    steady: bool,
    /// The outer edge of an idle end.
    outer: usize,
    watts: f64,
    moment: Moment,
}

impl Side {
    fn start(edges: &Edges, grid: &Grid, end: End) -> Result<Self, String> {
        let outer = edges.last_before(0.0);
        let missing = "counter_edges_missing: no step of the counter before the window";
        let outer = outer.ok_or(missing)?;
        Ok(Self::of(outer, edges, grid, end))
    }

    fn end(
        edges: &Edges,
        grid: &Grid,
        end: End,
        length: f64,
        latency: f64,
        flags: &mut Vec<String>,
    ) -> Result<Self, String> {
        let covers = length + latency;
        let outer = edges.edges.partition_point(|edge| edge.before < covers);
        if outer >= edges.edges.len() {
            return Err("counter_edges_missing: no step of the counter after the window".into());
        }
        let End::Idle {
            watts,
            half_width_watts,
        } = end
        else {
            return Ok(Self::of(outer, edges, grid, end));
        };
        let tolerance = (3.0 * half_width_watts).max(5.0)
            + 6.0 * watts * grid.jitter_variance().sqrt() / grid.period();
        let settled = |index: usize| {
            let (edge, next) = (edges.edges.get(index)?, edges.edges.get(index + 1)?);
            let time = (next.number - edge.number) * grid.period();
            Some(((next.joules - edge.joules) / time - watts).abs() <= tolerance)
        };
        // A latency above its bound shows: the counter still climbs faster than the resident power. Then a later
        // edge covers the end. Where none does soon, the first stands and the flank is not what it was said to be.
        let calm = (outer..outer + 4).find(|index| settled(*index) != Some(false));
        if calm.is_none() {
            flags.push("flank_power_not_resident".into());
        }
        Ok(Self::of(calm.unwrap_or(outer), edges, grid, end))
    }

    fn of(outer: usize, edges: &Edges, grid: &Grid, end: End) -> Self {
        let (steady, watts) = match end {
            End::Idle { watts, .. } => (false, watts),
            End::Steady => (true, 0.0),
        };
        Self {
            steady,
            outer,
            watts,
            moment: grid.moment(&edges.edges[outer]),
        }
    }

    /// Accumulated energy at the time `at` for the latency `shift`; None if no edges lie around it.
    fn at(&self, at: f64, shift: f64, grid: &Grid, edges: &Edges) -> Option<Reached> {
        if !self.steady {
            let edge = edges.edges[self.outer];
            return Some(Reached {
                joules: edge.joules + self.watts * (at + shift - self.moment.at),
                watts: self.watts,
                lever: self.moment.lever,
                own: self.watts.powi(2) * self.moment.own_variance,
                share: None,
                most: 0.0,
            });
        }
        let wanted = at + shift;
        let next = self.bracket(wanted, grid, edges)?;
        let (left, right) = (edges.edges[next - 1], edges.edges[next]);
        let (a, b) = (grid.moment(&left), grid.moment(&right));
        let (time, rise) = (b.at - a.at, right.joules - left.joules);
        if time <= 0.0 || right.number - left.number > 3.0 {
            return None;
        }
        let share = ((wanted - a.at) / time).clamp(0.0, 1.0);
        let watts = rise / time;
        let own = (1.0 - share).powi(2) * a.own_variance + share.powi(2) * b.own_variance;
        Some(Reached {
            joules: left.joules + share * rise,
            watts,
            lever: (1.0 - share) * a.lever + share * b.lever,
            own: watts * watts * own,
            share: Some(share),
            most: rise * rise * share * (1.0 - share),
        })
    }

    /// Index of the first edge after a moment, by the grid.
    fn bracket(&self, wanted: f64, grid: &Grid, edges: &Edges) -> Option<usize> {
        let mut next = edges.edges.partition_point(|edge| edge.middle() <= wanted);
        if next > 0 && grid.moment(&edges.edges[next - 1]).at > wanted {
            next -= 1;
        } else if next < edges.edges.len() && grid.moment(&edges.edges[next]).at <= wanted {
            next += 1;
        }
        (next > 0 && next < edges.edges.len()).then_some(next)
    }
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

fn mean_power(edges: &[Edge], period: f64) -> f64 {
    match (edges.first(), edges.last()) {
        (Some(first), Some(last)) if last.number > first.number => {
            (last.joules - first.joules) / ((last.number - first.number) * period)
        }
        _ => 0.0,
    }
}
