//! When to ask the energy counter, and what its answers mean. Pure: moments and values in, edges out.
//!
//! A call takes milliseconds and the counter steps about ten times a second, so asking all the time would be
//! all that the thread does. After an edge the finder sleeps until shortly before the next one is due, then
//! asks densely until the value changes: the bracket is about two calls wide, whatever the period.

use crate::energy::CounterEdge;

/// Periods outside this are not followed, ns.
const PERIOD_RANGE: (f64, f64) = (10e6, 1_000e6);
/// Between two dense polls, ns, besides the call itself; up to as much again is added at random, so that polls
/// do not lock to the sensor.
const DENSE_GAP_NS: u64 = 500_000;
/// Weight of a new value in the running means of period, phase and spread.
const GAIN: f64 = 0.2;
/// Edges watched closely, one after the other, before the period and phase are known and the thread sleeps
/// between edges.
const SETTLED: u32 = 5;
/// While they are watched: time between polls besides the call itself, ns.
const WATCH_GAP_NS: u64 = 2_500_000;
/// And for how long at most without an edge, in periods; then the counter rests.
const WATCH_PERIODS: f64 = 5.0;
/// Edges in a row that came before they were looked for, after which the period is no longer believed.
const LOST: u32 = 4;
/// Longest wait between two failing calls, ns.
const LONGEST_RETRY_NS: u64 = 1_000_000_000;

/// What an answer of the counter meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The first value, or the first after a failure: no edge is known yet.
    First,
    /// No step.
    Same,
    /// A step.
    Edge(CounterEdge),
    /// The counter went back from the first value to the second, mJ.
    WentBack(u64, u64),
}

/// Follows the counter of one GPU.
#[derive(Debug)]
pub(super) struct EdgeFinder {
    period_ns: f64,
    /// Running mean of |edge − prediction|.
    spread_ns: f64,
    /// Running mean of a call's time.
    call_ns: f64,
    /// Running mean of how late the thread wakes: much on a busy machine.
    late_ns: f64,
    /// When the next call was meant to begin; 0 before the first.
    wake_ns: u64,
    /// Added to the guard after an edge came before the first poll; fades.
    extra_ns: f64,
    /// Centre of the last edge's bracket, smoothed.
    phase_ns: Option<f64>,
    /// Edges since the lock was gained; the first of them.
    edges: u32,
    first_ns: f64,
    /// Edges in a row that came before the first poll.
    early: u32,
    /// Since when no edge came, ns.
    quiet_since_ns: u64,
    value: Option<u64>,
    old_start_ns: u64,
    polls_since_edge: u32,
    failures: u32,
    random: u64,
}

impl EdgeFinder {
    /// For a counter that steps about every `period_ns`; `seed` chooses the jitter.
    pub(super) fn new(period_ns: u64, seed: u64) -> Self {
        Self {
            period_ns: (period_ns as f64).clamp(PERIOD_RANGE.0, PERIOD_RANGE.1),
            spread_ns: 0.0,
            call_ns: 0.0,
            late_ns: 0.0,
            wake_ns: 0,
            extra_ns: 0.0,
            phase_ns: None,
            edges: 0,
            first_ns: 0.0,
            early: 0,
            quiet_since_ns: 0,
            value: None,
            old_start_ns: 0,
            polls_since_edge: 0,
            failures: 0,
            // xorshift needs a state that is not 0.
            random: seed | 1,
        }
    }

    /// A call from `start_ns` to `end_ns` returned `millijoules`.
    pub(super) fn answered(&mut self, start_ns: u64, end_ns: u64, millijoules: u64) -> Answer {
        let call = end_ns.saturating_sub(start_ns) as f64;
        self.call_ns = if self.call_ns == 0.0 {
            call
        } else {
            self.call_ns + GAIN * (call - self.call_ns)
        };
        if self.wake_ns > 0 {
            let late = start_ns.saturating_sub(self.wake_ns) as f64;
            self.late_ns += GAIN * (late - self.late_ns);
        }
        self.failures = 0;
        self.polls_since_edge += 1;
        let Some(known) = self.value.replace(millijoules) else {
            self.old_start_ns = start_ns;
            self.quiet_since_ns = start_ns;
            return Answer::First;
        };
        if millijoules == known {
            self.old_start_ns = start_ns;
            return Answer::Same;
        }
        let before_ns = std::mem::replace(&mut self.old_start_ns, start_ns);
        if millijoules < known {
            self.lose_lock();
            return Answer::WentBack(known, millijoules);
        }
        self.follow(before_ns, start_ns, end_ns);
        self.polls_since_edge = 0;
        Answer::Edge(CounterEdge {
            before_ns,
            after_ns: end_ns,
            millijoules,
        })
    }

    /// A call that ended at `end_ns` was refused: what comes next is not joined to what was before.
    pub(super) fn failed(&mut self) {
        self.value = None;
        self.failures += 1;
        self.lose_lock();
    }

    fn lose_lock(&mut self) {
        self.phase_ns = None;
        self.edges = 0;
        self.early = 0;
        self.polls_since_edge = 0;
    }

    fn follow(&mut self, before_ns: u64, start_ns: u64, end_ns: u64) {
        let quiet_ns = end_ns.saturating_sub(self.quiet_since_ns) as f64;
        self.quiet_since_ns = end_ns;
        if quiet_ns > WATCH_PERIODS * self.period_ns {
            // After a rest nothing is known of the phase.
            self.lose_lock();
        }
        let centre = (before_ns as f64 + end_ns as f64) / 2.0;
        let Some(phase) = self.phase_ns else {
            self.phase_ns = Some(centre);
            self.first_ns = centre;
            self.edges = 1;
            return;
        };
        if self.edges < SETTLED {
            // Every edge is seen: the period is what lies between them.
            let period = (centre - self.first_ns) / f64::from(self.edges);
            self.period_ns = period.clamp(PERIOD_RANGE.0, PERIOD_RANGE.1);
            self.phase_ns = Some(centre);
            self.edges += 1;
            return;
        }
        if self.polls_since_edge <= 1 {
            // It came before the first poll, somewhere in a bracket of a whole period. Wake earlier; or, when that
            // does not help, learn the period again.
            self.extra_ns = (self.extra_ns * 2.0).clamp(2e6, self.period_ns / 4.0);
            self.phase_ns = Some(start_ns as f64);
            self.early += 1;
            if self.early >= LOST {
                self.lose_lock();
            }
            return;
        }
        self.early = 0;
        self.extra_ns *= 0.98;
        let apart = centre - phase;
        let steps = (apart / self.period_ns).round().max(1.0);
        let error = apart - steps * self.period_ns;
        self.phase_ns = Some(phase + steps * self.period_ns + GAIN * error);
        let period = self.period_ns + 0.05 * error / steps;
        self.period_ns = period.clamp(PERIOD_RANGE.0, PERIOD_RANGE.1);
        self.spread_ns += GAIN * (error.abs() - self.spread_ns);
    }

    /// How long before a predicted edge the dense polls begin.
    fn guard_ns(&self) -> f64 {
        let guard = self.call_ns + 2.5 * self.spread_ns + 3.0 * self.late_ns + self.extra_ns + 1e6;
        guard.min(self.period_ns / 2.0)
    }

    /// When to ask next, given that it is `now_ns`.
    pub(super) fn next_poll_ns(&mut self, now_ns: u64) -> u64 {
        self.wake_ns = self.planned_ns(now_ns);
        self.wake_ns
    }

    fn planned_ns(&mut self, now_ns: u64) -> u64 {
        let quarter = (self.period_ns / 4.0) as u64;
        if self.failures > 0 {
            let waits = quarter << self.failures.min(6);
            return now_ns + waits.min(LONGEST_RETRY_NS);
        }
        let quiet_ns = now_ns.saturating_sub(self.quiet_since_ns) as f64;
        let rests = self.value.is_some() && quiet_ns > WATCH_PERIODS * self.period_ns;
        if self.edges < SETTLED && !rests {
            return now_ns + WATCH_GAP_NS.min(quarter) + self.jitter(DENSE_GAP_NS);
        }
        if let (Some(phase), false) = (self.phase_ns, rests) {
            let due = phase + self.period_ns;
            let wake = (due - self.guard_ns()).max(0.0) as u64;
            if now_ns < wake {
                return wake;
            }
            if (now_ns as f64) < due + self.period_ns / 2.0 {
                return now_ns + DENSE_GAP_NS + self.jitter(DENSE_GAP_NS);
            }
        }
        // Overdue: the counter rests.
        now_ns + quarter - self.jitter(quarter / 4)
    }

    fn jitter(&mut self, below_ns: u64) -> u64 {
        // xorshift64 (Marsaglia 2003): enough to keep polls from locking to the sensor.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below_ns.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A counter that steps by 10 J at `phase + k·period`, and a call that reads it at its middle.
    struct World {
        period_ns: u64,
        phase_ns: u64,
        call_ns: u64,
        now_ns: u64,
        in_calls_ns: u64,
    }

    impl World {
        fn value(&self, at_ns: u64) -> u64 {
            10_000 * (at_ns.saturating_sub(self.phase_ns) / self.period_ns)
        }

        fn run(&mut self, finder: &mut EdgeFinder, until_ns: u64) -> Vec<CounterEdge> {
            let mut edges = Vec::new();
            while self.now_ns < until_ns {
                // A thread wakes up to 0.2 ms late.
                let wake = finder.next_poll_ns(self.now_ns) + self.now_ns % 200_000;
                let end = wake + self.call_ns;
                let millijoules = self.value(wake + self.call_ns / 2);
                self.in_calls_ns += self.call_ns;
                if let Answer::Edge(edge) = finder.answered(wake, end, millijoules) {
                    edges.push(edge);
                }
                self.now_ns = end;
            }
            edges
        }
    }

    fn world(period_ns: u64, call_ns: u64) -> World {
        World {
            period_ns,
            phase_ns: 37 * MS,
            call_ns,
            now_ns: 1_000 * MS,
            in_calls_ns: 0,
        }
    }

    #[test]
    fn every_edge_is_found_in_a_narrow_bracket_at_little_cost() {
        for (period_us, call_us) in [
            (100_000, 4_000),
            (99_800, 3_400),
            (100_000, 5),
            (60_000, 4_000),
            (137_000, 4_000),
            (20_000, 3_000),
            (160_000, 4_400),
        ] {
            let mut world = world(period_us * 1_000, call_us * 1_000);
            let mut finder = EdgeFinder::new(100 * MS, 7);
            let start = world.now_ns;
            let edges = world.run(&mut finder, start + 60_000 * MS);
            let what = format!("{period_us} µs, {call_us} µs a call");
            let expected = 60_000_000 / period_us;
            assert!(
                edges.len() as u64 + 2 >= expected,
                "{what}: {}",
                edges.len()
            );
            assert!(
                edges
                    .windows(2)
                    .all(|pair| pair[1].millijoules - pair[0].millijoules == 10_000),
                "{what}: a step was missed"
            );
            for edge in &edges {
                let k = edge.millijoules / 10_000;
                let truth = world.phase_ns + k * world.period_ns;
                assert!(
                    edge.before_ns <= truth && truth <= edge.after_ns,
                    "{what}: {edge:?} {truth}"
                );
            }
            let settled = &edges[20..];
            let narrow = |edge: &&CounterEdge| {
                edge.after_ns - edge.before_ns <= 2 * call_us * 1_000 + 2 * MS
            };
            let share = settled.iter().filter(narrow).count() as f64 / settled.len() as f64;
            assert!(share > 0.98, "{what}: {share}");
            let busy = world.in_calls_ns as f64 / (60_000 * MS) as f64;
            // About three calls per edge.
            let calls = 3.3 * (call_us + 200) as f64 / period_us as f64;
            assert!(busy < calls, "{what}: {busy}");
        }
    }

    #[test]
    fn a_resting_counter_is_asked_four_times_a_period() {
        let mut world = world(100 * MS, 4 * MS);
        let mut finder = EdgeFinder::new(100 * MS, 7);
        world.run(&mut finder, 5_000 * MS);
        world.phase_ns = u64::MAX;
        let resting = finder.value.unwrap_or(0);
        let mut asked = 0;
        let from = world.now_ns;
        while world.now_ns < from + 10_000 * MS {
            let wake = finder.next_poll_ns(world.now_ns);
            assert_eq!(finder.answered(wake, wake + 4 * MS, resting), Answer::Same);
            world.now_ns = wake + 4 * MS;
            asked += 1;
        }
        assert!((300..600).contains(&asked), "{asked}");
    }

    #[test]
    fn neither_a_failure_nor_a_step_back_is_bridged() {
        let mut finder = EdgeFinder::new(100 * MS, 7);
        assert_eq!(finder.answered(0, 4 * MS, 100), Answer::First);
        finder.failed();
        assert_eq!(finder.answered(10 * MS, 14 * MS, 900), Answer::First);
        assert_eq!(
            finder.answered(20 * MS, 24 * MS, 50),
            Answer::WentBack(900, 50)
        );
        assert_eq!(
            finder.answered(30 * MS, 34 * MS, 60),
            Answer::Edge(CounterEdge {
                before_ns: 20 * MS,
                after_ns: 34 * MS,
                millijoules: 60
            })
        );
    }

    #[test]
    fn a_failing_counter_is_asked_ever_less_often() {
        let mut finder = EdgeFinder::new(100 * MS, 7);
        let mut waits = Vec::new();
        for _ in 0..10 {
            finder.failed();
            waits.push(finder.next_poll_ns(0));
        }
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&LONGEST_RETRY_NS));
    }
}
