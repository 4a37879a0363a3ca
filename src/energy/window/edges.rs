//! The counter's edges, made fit for computing: in seconds from the window's start, ascending, numbered by
//! update. Says what is wrong with them. Knows nothing of energy's interpretation.

use crate::energy::readings::CounterEdge;

/// One step of the counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edge {
    /// Start of the last call that returned the old value, in s from the window's start.
    pub before: f64,
    /// End of the first call that returned the new value, in s from the window's start.
    pub after: f64,
    /// The counter after the step, in joules from the first edge kept.
    pub joules: f64,
    /// Number of the update; missed updates leave a hole.
    pub number: f64,
}

impl Edge {
    /// Middle of its bracket.
    pub fn middle(&self) -> f64 {
        0.5 * (self.before + self.after)
    }

    /// Width of its bracket.
    pub fn width(&self) -> f64 {
        self.after - self.before
    }
}

/// Edges of one uninterrupted life of the counter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edges {
    /// The edges, ascending in time and number.
    pub edges: Vec<Edge>,
    /// Time between updates as first guessed, in s.
    pub period: f64,
    /// The counter went backwards somewhere in the recording.
    pub reset: bool,
    /// Most edges were seen within a part of a period. Otherwise the counter was only read now and then.
    pub located: bool,
}

/// Widest bracket, in periods, that still says which update it was.
const LOCATED: f64 = 0.6;

/// A jump of the counter above this mean power between two edges is no energy, in watts.
const IMPOSSIBLE_WATTS: f64 = 20_000.0;

impl Edges {
    /// Keeps the longest run of sane edges that reaches into [start, end]; `period` is the expected update
    /// period in s. Edges that go back in time or have an inside-out bracket are dropped; where the counter goes
    /// back or jumps impossibly, the run is cut.
    pub fn of(counter: &[CounterEdge], start_ns: u64, length: f64, period: f64) -> Self {
        let seconds = |at: u64| (i128::from(at) - i128::from(start_ns)) as f64 / 1e9;
        let mut runs: Vec<Vec<(CounterEdge, f64, f64)>> = vec![Vec::new()];
        for edge in counter {
            let (before, after) = (seconds(edge.before_ns), seconds(edge.after_ns));
            if after < before {
                continue;
            }
            let last = runs.last().and_then(|run| run.last()).copied();
            if let Some((past, _, past_after)) = last {
                if after <= past_after {
                    continue;
                }
                let rise = edge.millijoules as f64 - past.millijoules as f64;
                let most = IMPOSSIBLE_WATTS * 1e3 * (after - past_after + period);
                if edge.millijoules < past.millijoules || rise > most {
                    runs.push(Vec::new());
                }
            }
            if let Some(run) = runs.last_mut() {
                run.push((*edge, before, after));
            }
        }
        let reset = runs.len() > 1;
        let inside = |run: &Vec<(CounterEdge, f64, f64)>| {
            run.iter()
                .filter(|(_, before, after)| *after >= 0.0 && *before <= length)
                .count()
        };
        let run = runs.into_iter().max_by_key(inside).unwrap_or_default();
        let first = run.first().map_or(0, |(edge, ..)| edge.millijoules);
        let edges = run
            .iter()
            .map(|(edge, before, after)| Edge {
                before: *before,
                after: *after,
                joules: (edge.millijoules - first) as f64 / 1e3,
                number: 0.0,
            })
            .collect();
        let mut numbered = Self {
            edges,
            period,
            reset,
            located: false,
        };
        numbered.number();
        numbered
    }

    /// Numbers the updates: each edge is a whole number of periods after the one before it. The period is the
    /// median distance, which holds as long as fewer than half of the updates were missed.
    ///
    /// An edge whose bracket spans most of a period (a poll came late, just after the update) is numbered by its
    /// end: the value seen was that of the last update before it. It stays, since it says that its update was early:
    /// leaving it out would favour late ones.
    fn number(&mut self) {
        let mut distances: Vec<f64> = self
            .edges
            .windows(2)
            .map(|pair| pair[1].after - pair[0].after)
            .collect();
        if distances.len() >= 4 {
            distances.sort_by(f64::total_cmp);
            let median = distances[distances.len() / 2];
            if median > 0.25 * self.period && median < 4.0 * self.period {
                self.period = median;
            }
        }
        let narrow = |edge: &Edge| edge.width() <= LOCATED * self.period;
        let located = self.edges.iter().filter(|edge| narrow(edge)).count();
        self.located = 2 * located > self.edges.len();
        let period = self.period;
        let mut anchor: Option<(f64, f64)> = None;
        let mut last = -1.0;
        for edge in &mut self.edges {
            let from = |at: f64, from: f64| (at - from) / period;
            let narrow = edge.width() <= LOCATED * period;
            let number = match anchor {
                Some((at, number)) if narrow => number + from(edge.middle(), at).round(),
                Some((at, number)) => number + (from(edge.after, at) + 0.05).floor(),
                None => last + 1.0,
            };
            edge.number = number.max(last + 1.0);
            // The last update before a call is less than a period old; a call lasts a few ms.
            edge.before = edge.before.max(edge.after - 1.1 * period);
            last = edge.number;
            if narrow {
                anchor = Some((edge.middle(), edge.number));
            }
        }
    }

    /// Index of the last edge at or before a time by its bracket's end.
    pub fn last_before(&self, at: f64) -> Option<usize> {
        self.edges
            .partition_point(|edge| edge.after <= at)
            .checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(at_ms: u64, millijoules: u64) -> CounterEdge {
        CounterEdge {
            before_ns: at_ms * 1_000_000 - 2_000_000,
            after_ns: at_ms * 1_000_000 + 2_000_000,
            millijoules,
        }
    }

    #[test]
    fn missed_updates_leave_holes_in_the_numbers() {
        let at = [100, 200, 301, 399, 700, 800, 1000];
        let counter: Vec<_> = at.iter().map(|ms| edge(*ms, ms * 100)).collect();
        let edges = Edges::of(&counter, 0, 1.0, 0.1);
        let numbers: Vec<f64> = edges.edges.iter().map(|edge| edge.number).collect();
        assert_eq!(numbers, [0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 9.0]);
        assert!(!edges.reset);
    }

    #[test]
    fn a_reset_cuts_and_keeps_the_side_with_the_window() {
        let counter = [
            edge(100, 50_000),
            edge(200, 60_000),
            edge(300, 5_000),
            edge(400, 15_000),
            edge(500, 25_000),
        ];
        let edges = Edges::of(&counter, 250_000_000, 0.3, 0.1);
        assert!(edges.reset);
        assert_eq!(edges.edges.len(), 3);
        assert_eq!(edges.edges[2].joules, 20.0);
    }

    #[test]
    fn hostile_edges_do_not_panic() {
        let inside_out = CounterEdge {
            before_ns: u64::MAX,
            after_ns: 0,
            millijoules: u64::MAX,
        };
        let wide = CounterEdge {
            before_ns: 0,
            after_ns: u64::MAX,
            millijoules: 0,
        };
        for counter in [
            vec![inside_out],
            vec![wide, wide, edge(5, 1)],
            vec![edge(5, u64::MAX), edge(6, 0)],
        ] {
            let _ = Edges::of(&counter, 3, 1.0, 0.1);
        }
    }
}
