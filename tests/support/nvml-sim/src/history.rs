//! The truth: a piecewise constant state of the GPU over time, with everything that accumulates along it.
//! It knows nothing of sensors. All integrals are closed forms, so a test can ask what the energy was.

use crate::scenario::ThermalSpec;

/// Reason bits whose time is counted, each alone; the sum of 0x20 and 0x40 (either) comes last.
pub const COUNTED: [u64; 6] = [0x4, 0x10, 0x20, 0x40, 0x80, 0x60];

/// What a GPU does for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// True power.
    pub watts: f64,
    /// Share of full load, 0 to 1.
    pub busy: f64,
    /// Clock event reasons.
    pub reasons: u64,
    /// SM clock.
    pub sm_mhz: u32,
}

/// A state from a moment on, and what had accumulated until then.
#[derive(Debug, Clone, Copy)]
struct Step {
    at_ns: u64,
    state: State,
    joules: f64,
    busy_s: f64,
    celsius: f64,
    counted_ns: [u64; COUNTED.len()],
}

impl Step {
    /// What has accumulated `at_ns`, which is not earlier.
    fn until(&self, at_ns: u64, state: State, thermal: &ThermalSpec) -> Self {
        let length_ns = at_ns.saturating_sub(self.at_ns);
        let seconds = length_ns as f64 / 1e9;
        let mut counted_ns = self.counted_ns;
        for (total, bits) in counted_ns.iter_mut().zip(COUNTED) {
            if self.state.reasons & bits != 0 {
                *total += length_ns;
            }
        }
        let goal = goal(thermal, self.state.watts);
        Self {
            at_ns,
            state,
            joules: self.joules + self.state.watts * seconds,
            busy_s: self.busy_s + self.state.busy * seconds,
            // Newton's law of cooling.
            celsius: goal + (self.celsius - goal) * (-seconds / thermal.time_constant_s).exp(),
            counted_ns,
        }
    }
}

fn goal(thermal: &ThermalSpec, watts: f64) -> f64 {
    thermal.ambient_celsius + thermal.celsius_per_watt * watts
}

/// The states of a GPU, oldest first. What lies before the first is as the first.
#[derive(Debug, Clone)]
pub struct History {
    thermal: ThermalSpec,
    origin_ns: u64,
    /// Never empty.
    steps: Vec<Step>,
}

impl History {
    /// A history that begins in a state, at that state's temperature.
    #[must_use]
    pub fn new(at_ns: u64, state: State, thermal: ThermalSpec) -> Self {
        let first = Step {
            at_ns,
            state,
            joules: 0.0,
            busy_s: 0.0,
            celsius: goal(&thermal, state.watts),
            counted_ns: [0; COUNTED.len()],
        };
        Self {
            thermal,
            origin_ns: at_ns,
            steps: vec![first],
        }
    }

    /// From a moment on the GPU is in a state. A moment before the last change counts as that.
    pub fn push(&mut self, at_ns: u64, state: State) {
        let last = self.last();
        if last.state == state {
            return;
        }
        let next = last.until(at_ns.max(last.at_ns), state, &self.thermal);
        if next.at_ns == last.at_ns {
            self.steps.pop();
        }
        self.steps.push(next);
    }

    /// Forgets every change from a moment on; it is told anew.
    pub fn truncate(&mut self, at_ns: u64) {
        let kept = self.steps.partition_point(|step| step.at_ns < at_ns);
        self.steps.truncate(kept.max(1));
    }

    /// Forgets what happened before a moment. What accumulated stays.
    pub fn forget(&mut self, before_ns: u64) {
        let first = self.steps.partition_point(|step| step.at_ns <= before_ns);
        self.steps.drain(..first.saturating_sub(1));
    }

    /// Changes kept.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.steps.len()
    }

    /// The first moment that is known.
    #[must_use]
    pub fn start_ns(&self) -> u64 {
        self.steps[0].at_ns
    }

    /// When it began, forgotten or not.
    #[must_use]
    pub fn origin_ns(&self) -> u64 {
        self.origin_ns
    }

    /// The state at a moment.
    #[must_use]
    pub fn state(&self, at_ns: u64) -> State {
        self.before(at_ns).state
    }

    /// Energy between two moments.
    #[must_use]
    pub fn joules(&self, from_ns: u64, until_ns: u64) -> f64 {
        self.joules_since_start(until_ns) - self.joules_since_start(from_ns)
    }

    /// Energy from the beginning of the history (what was forgotten included) to a moment.
    #[must_use]
    pub fn joules_since_start(&self, at_ns: u64) -> f64 {
        let step = self.before(at_ns);
        step.joules + step.state.watts * (at_ns as f64 - step.at_ns as f64) / 1e9
    }

    /// Mean power between two moments.
    #[must_use]
    pub fn mean_watts(&self, from_ns: u64, until_ns: u64) -> f64 {
        self.joules(from_ns, until_ns) / (until_ns.saturating_sub(from_ns).max(1) as f64 / 1e9)
    }

    /// Mean share of full load between two moments.
    #[must_use]
    pub fn mean_busy(&self, from_ns: u64, until_ns: u64) -> f64 {
        let at = |at_ns: u64| {
            let step = self.before(at_ns);
            step.busy_s + step.state.busy * (at_ns as f64 - step.at_ns as f64) / 1e9
        };
        (at(until_ns) - at(from_ns)) / (until_ns.saturating_sub(from_ns).max(1) as f64 / 1e9)
    }

    /// Temperature at a moment.
    #[must_use]
    pub fn celsius(&self, at_ns: u64) -> f64 {
        let step = self.before(at_ns);
        step.until(at_ns, step.state, &self.thermal).celsius
    }

    /// Nanoseconds until a moment in which any of `bits`, an element of [`COUNTED`], was set.
    #[must_use]
    pub fn counted_ns(&self, bits: u64, at_ns: u64) -> u64 {
        let step = self.before(at_ns);
        let now = step.until(at_ns, step.state, &self.thermal);
        COUNTED
            .iter()
            .position(|counted| *counted == bits)
            .map_or(0, |index| now.counted_ns[index])
    }

    fn last(&self) -> Step {
        self.steps[self.steps.len() - 1]
    }

    fn before(&self, at_ns: u64) -> &Step {
        let after = self.steps.partition_point(|step| step.at_ns <= at_ns);
        &self.steps[after.saturating_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(watts: f64, reasons: u64) -> State {
        State {
            watts,
            busy: f64::from(u8::from(watts > 200.0)),
            reasons,
            sm_mhz: 1_980,
        }
    }

    const S: u64 = 1_000_000_000;

    fn history() -> History {
        let thermal = ThermalSpec {
            ambient_celsius: 20.0,
            celsius_per_watt: 0.1,
            time_constant_s: 10.0,
        };
        let mut history = History::new(100 * S, state(100.0, 1), thermal);
        history.push(110 * S, state(600.0, 0x24));
        history.push(112 * S, state(600.0, 0x24));
        history.push(113 * S, state(300.0, 0x40));
        history
    }

    #[test]
    fn energy_is_the_closed_form() {
        let history = history();
        assert_eq!(history.changes(), 3);
        assert_eq!(history.joules(109 * S, 114 * S), 100.0 + 1_800.0 + 300.0);
        assert_eq!(history.joules(90 * S, 91 * S), 100.0);
        assert_eq!(history.mean_watts(109 * S, 111 * S), 350.0);
        assert_eq!(history.mean_busy(109 * S, 111 * S), 0.5);
        assert_eq!(history.state(113 * S - 1).watts, 600.0);
        assert_eq!(history.state(113 * S).watts, 300.0);
    }

    #[test]
    fn temperature_follows_with_one_time_constant() {
        let history = history();
        assert_eq!(history.celsius(105 * S), 30.0);
        let at_113 = 80.0 - 50.0 * (-0.3_f64).exp();
        assert!((history.celsius(113 * S) - at_113).abs() < 1e-9);
        let later = 50.0 + (at_113 - 50.0) * (-1.0_f64).exp();
        assert!((history.celsius(123 * S) - later).abs() < 1e-9);
    }

    #[test]
    fn reasons_are_counted_each_alone_and_thermal_ones_together() {
        let history = history();
        assert_eq!(history.counted_ns(0x4, 112 * S), 2 * S);
        assert_eq!(history.counted_ns(0x20, 200 * S), 3 * S);
        assert_eq!(history.counted_ns(0x60, 114 * S), 4 * S);
        assert_eq!(history.counted_ns(0x80, 114 * S), 0);
    }

    #[test]
    fn told_anew_or_forgotten_it_adds_up() {
        let mut history = history();
        let joules = history.joules_since_start(120 * S);
        history.truncate(112 * S);
        history.push(113 * S, state(300.0, 0x40));
        assert_eq!(history.joules_since_start(120 * S), joules);
        history.forget(111 * S);
        assert_eq!(history.changes(), 2);
        assert_eq!(history.joules_since_start(120 * S), joules);
        assert_eq!(history.joules(110 * S, 114 * S), 2_100.0);
    }
}
