//! Accumulated energy at one end of a window, from the edges around it. Knows what lies beyond the end, not what
//! becomes of the two ends.

use super::End;
use super::edges::Edges;
use super::grid::{Grid, Moment};

/// Accumulated energy at one end for one latency, and what its error depends on.
pub(super) struct Reached {
    pub joules: f64,
    /// Watts by which a common shift of the grid counts.
    pub watts: f64,
    /// Distance in updates from the grid's centre, by which its slope counts.
    pub lever: f64,
    /// Variance from the updates' own jitter, in J².
    pub own: f64,
    /// Share of the period that has passed; None at an idle end.
    pub share: Option<f64>,
    /// Largest possible interpolation variance: power is not negative.
    pub most: f64,
}

impl Reached {
    /// The interpolation's mean square here, as a multiple of that in the middle of the period.
    pub fn bridge(&self, shape: f64) -> f64 {
        self.share.map_or(0.0, |share| {
            (4.0 * share * (1.0 - share)).max(0.0).powf(shape)
        })
    }
}

/// One end of the window, and the edges that it is worked out from.
pub(super) struct Side {
    /// The load goes on beyond.
    pub steady: bool,
    /// The outer edge of an idle end.
    outer: usize,
    watts: f64,
    /// When the outer edge's update happened.
    pub moment: Moment,
}

impl Side {
    /// The side of the start: the last edge that surely lies before it.
    pub fn start(edges: &Edges, grid: &Grid, end: End) -> Result<Self, String> {
        let outer = edges.last_before(0.0);
        let missing = "counter_edges_missing: no step of the counter before the window";
        let outer = outer.ok_or(missing)?;
        Ok(Self::of(outer, edges, grid, end))
    }

    /// The side of the end: the first edge that surely covers it, given the largest latency.
    pub fn end(
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
    pub fn at(&self, at: f64, shift: f64, grid: &Grid, edges: &Edges) -> Option<Reached> {
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
