//! What NVML's sensors tell of the truth. Everything steps together, about every 100 ms, and tells what
//! was a latency before: the counter all energy until then, field 186 the mean of the last 25 ms (and
//! nothing of the other 75), field 185 and the power usage the mean of the last second, the sample buffer
//! a mean for every 20 ms.

use crate::history::History;
use crate::scenario::SensorSpec;
use crate::ticks::Ticks;

/// A sample of the buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The end of its 20 ms, which is its stamp.
    pub end_ns: u64,
    /// Their mean.
    pub watts: f64,
}

/// The sensors of one GPU.
#[derive(Debug, Clone, Copy)]
pub struct Sensors {
    spec: SensorSpec,
    ticks: Ticks,
    latency_ns: u64,
}

impl Sensors {
    /// Sensors as specified, at a phase that `seed` sets.
    #[must_use]
    pub fn new(spec: SensorSpec, seed: u64) -> Self {
        Self {
            spec,
            ticks: Ticks::new(spec.period_ms, seed),
            latency_ns: ns(spec.latency_ms),
        }
    }

    /// The moment of which the readings at `now_ns` tell.
    #[must_use]
    pub fn told_ns(&self, now_ns: u64) -> u64 {
        self.step_ns(now_ns).saturating_sub(self.latency_ns)
    }

    /// The moment of the last step.
    #[must_use]
    pub fn step_ns(&self, now_ns: u64) -> u64 {
        self.ticks.at(self.ticks.last(now_ns))
    }

    /// The energy counter: millijoules since the beginning of the history.
    #[must_use]
    pub fn counter_millijoules(&self, history: &History, now_ns: u64) -> u64 {
        let told_ns = self.told_ns(now_ns);
        let joules = history.joules_since_start(told_ns);
        let seconds = (told_ns as f64 - history.origin_ns() as f64) / 1e9;
        // Saturates at 0: what lies before the beginning is nothing.
        ((self.spec.gain * joules + self.spec.offset_watts * seconds) * 1e3).round() as u64
    }

    /// Field 186.
    #[must_use]
    pub fn instant_watts(&self, history: &History, now_ns: u64) -> f64 {
        self.trailing(history, now_ns, self.spec.instant_ms)
    }

    /// Field 185, and the power usage.
    #[must_use]
    pub fn average_watts(&self, history: &History, now_ns: u64) -> f64 {
        self.trailing(history, now_ns, self.spec.average_ms)
    }

    /// The sample buffer: the last samples, oldest first.
    #[must_use]
    pub fn samples(&self, history: &History, now_ns: u64) -> Vec<Sample> {
        let length_ns = ns(self.spec.sample_ms);
        let last = self.told_ns(now_ns) / length_ns;
        let first = last.saturating_sub(self.spec.samples_kept as u64);
        (first + 1..=last)
            .map(|index| {
                let end_ns = index * length_ns;
                Sample {
                    end_ns,
                    watts: self.told(history.mean_watts(end_ns - length_ns, end_ns)),
                }
            })
            .collect()
    }

    fn trailing(&self, history: &History, now_ns: u64, length_ms: f64) -> f64 {
        let told_ns = self.told_ns(now_ns);
        self.told(history.mean_watts(told_ns.saturating_sub(ns(length_ms)), told_ns))
    }

    fn told(&self, watts: f64) -> f64 {
        (self.spec.gain * watts + self.spec.offset_watts).max(0.0)
    }
}

fn ns(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::State;
    use crate::scenario::ThermalSpec;

    const MS: u64 = 1_000_000;

    fn state(watts: f64) -> State {
        State {
            watts,
            busy: 0.0,
            reasons: 0,
            sm_mhz: 0,
        }
    }

    /// 25 ms of `high` in every `period_ms`, else `low`; from 1 s on for 60 s.
    fn bursts(period_ms: u64, low: f64, high: f64) -> History {
        let mut history = History::new(1_000 * MS, state(low), ThermalSpec::default());
        for index in 0..60_000 / period_ms {
            let at_ns = (1_000 + index * period_ms) * MS;
            history.push(at_ns, state(high));
            history.push(at_ns + 25 * MS, state(low));
        }
        history
    }

    #[test]
    fn the_counter_is_the_truth_at_its_step_a_latency_before() {
        let history = bursts(137, 118.0, 697.0);
        let sensors = Sensors::new(SensorSpec::default(), 5);
        let mut steps = 0;
        let mut last = None;
        for now_ns in (10_000 * MS..40_000 * MS).step_by(MS as usize) {
            let told = sensors.counter_millijoules(&history, now_ns);
            let truth = history.joules(1_000 * MS, sensors.step_ns(now_ns) - 12 * MS);
            assert!(
                (told as f64 / 1e3 - truth).abs() <= 0.000_5,
                "{told} {truth}"
            );
            steps += u32::from(last != Some(told));
            last = Some(told);
        }
        // 30 s at 99.9 ms.
        assert!((300..=302).contains(&steps), "{steps}");
    }

    #[test]
    fn the_instant_field_is_blind_to_three_quarters() {
        // Coherent with the steps: what it sees is a matter of phase, and an integral of it is off by far.
        let exact = SensorSpec {
            period_ms: [100.0, 100.0],
            ..SensorSpec::default()
        };
        let history = bursts(100, 118.0, 697.0);
        let truth = 118.0 + 579.0 / 4.0;
        let means: Vec<f64> = (0..64)
            .map(|seed| {
                let sensors = Sensors::new(exact, seed);
                let at = |index: u64| sensors.instant_watts(&history, (20_000 + 10 * index) * MS);
                (0..500).map(at).sum::<f64>() / 500.0
            })
            .collect();
        let least = means.iter().copied().fold(f64::INFINITY, f64::min);
        let most = means.iter().copied().fold(0.0, f64::max);
        assert!(
            (least - 118.0).abs() < 1e-6,
            "some see no burst at all: {least}"
        );
        assert!(most > 650.0, "some see only bursts: {most}");
        // The counter, on the same load, is right whatever the phase.
        for seed in 0..64 {
            let sensors = Sensors::new(exact, seed);
            let counter = |ms: u64| sensors.counter_millijoules(&history, ms * MS) as f64 / 1e3;
            let watts = (counter(30_000) - counter(20_000)) / 10.0;
            assert!((watts - truth).abs() < 1e-3, "{watts}");
        }
    }

    #[test]
    fn the_average_is_a_trailing_second() {
        let mut history = History::new(0, state(100.0), ThermalSpec::default());
        history.push(10_000 * MS, state(600.0));
        let sensors = Sensors::new(SensorSpec::default(), 3);
        for now_ns in (9_000 * MS..13_000 * MS).step_by(MS as usize) {
            let seen_s = (sensors.told_ns(now_ns) as f64 / 1e9 - 10.0).clamp(0.0, 1.0);
            let want = 100.0 + 500.0 * seen_s;
            assert!((sensors.average_watts(&history, now_ns) - want).abs() < 1e-6);
        }
    }

    #[test]
    fn the_buffer_holds_every_20_ms_and_adds_up() {
        let history = bursts(137, 118.0, 697.0);
        let sensors = Sensors::new(SensorSpec::default(), 3);
        let samples = sensors.samples(&history, 20_000 * MS);
        assert_eq!(samples.len(), 119);
        assert!(
            samples
                .windows(2)
                .all(|two| two[1].end_ns - two[0].end_ns == 20 * MS)
        );
        let (first, last) = (samples[0].end_ns - 20 * MS, samples[118].end_ns);
        let sum: f64 = samples.iter().map(|sample| sample.watts * 0.02).sum();
        assert!((sum - history.joules(first, last)).abs() < 1e-6);
        assert!(sensors.told_ns(20_000 * MS) - last < 20 * MS);
    }

    #[test]
    fn gain_and_offset_are_in_every_source() {
        let history = History::new(0, state(500.0), ThermalSpec::default());
        let spec = SensorSpec {
            gain: 0.95,
            offset_watts: -1.0,
            ..SensorSpec::default()
        };
        let sensors = Sensors::new(spec, 1);
        let now = 30_000 * MS;
        let want = 474.0;
        assert!((sensors.instant_watts(&history, now) - want).abs() < 1e-9);
        assert!((sensors.average_watts(&history, now) - want).abs() < 1e-9);
        assert!((sensors.samples(&history, now)[7].watts - want).abs() < 1e-9);
        let counter = sensors.counter_millijoules(&history, now) as f64 / 1e3;
        assert!((counter / (sensors.told_ns(now) as f64 / 1e9) - want).abs() < 1e-3);
    }
}
