//! When the idle time between two runs is over: its seconds, and the GPU back where it was in the same state.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a GPU says while it idles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GapReading {
    /// Temperature of the GPU, °C.
    pub temperature_celsius: f64,
    /// Power, watts.
    pub watts: f64,
}

/// The rule of a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapRule {
    /// Seconds at least.
    pub floor_seconds: f64,
    /// Those seconds and nothing else.
    pub fixed: bool,
    /// Degrees by which the GPU may be above its reference.
    pub temperature_celsius: f64,
    /// Watts by which it may differ from its reference.
    pub power_watts: f64,
    /// Seconds after which the gap ends anyway; the floor holds even where it is longer.
    pub max_seconds: f64,
}

/// Where a gap stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapState {
    /// Go on idling.
    Wait,
    /// Over.
    Settled,
    /// Over: temperature and power do not move any more, though they are not where the reference was.
    Equilibrium,
    /// Over, though the GPU has not settled: flag `gap_capped`.
    Capped,
}

impl GapRule {
    /// Judges one GPU after `elapsed_seconds` of idling. `reference` is what it read in the same state (bare or
    /// resident) of this container after the latest load: a loaded engine never comes back to a bare GPU's power.
    /// Without a reference, which is so before the first one is taken and where there is no GPU, the seconds decide.
    /// With a reference and no reading the GPU has not settled.
    ///
    /// A GPU that is colder than its reference has settled: idling does not warm it, the warm-up will. One that is
    /// `flat` is in equilibrium, wherever its reference was taken: waiting longer would change nothing.
    #[must_use]
    pub fn judge(
        &self,
        elapsed_seconds: f64,
        reading: Option<GapReading>,
        reference: Option<GapReading>,
        flat: bool,
    ) -> GapState {
        if elapsed_seconds < self.floor_seconds {
            return GapState::Wait;
        }
        if self.fixed || self.settled(reading, reference) {
            GapState::Settled
        } else if flat && reading.is_some() {
            GapState::Equilibrium
        } else if elapsed_seconds >= self.max_seconds {
            GapState::Capped
        } else {
            GapState::Wait
        }
    }

    fn settled(&self, reading: Option<GapReading>, reference: Option<GapReading>) -> bool {
        match (reading, reference) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(now), Some(then)) => {
                now.temperature_celsius - then.temperature_celsius <= self.temperature_celsius
                    && (now.watts - then.watts).abs() <= self.power_watts
            }
        }
    }
}

/// Seconds over which a GPU must not have moved to be in equilibrium.
pub const EQUILIBRIUM_SECONDS: f64 = 30.0;
/// Largest difference between two temperatures of that time: they are whole degrees, so a GPU that stands between two
/// shows both.
const SPAN_CELSIUS: f64 = 1.0;
/// Most that the later half's mean temperature may differ from the earlier half's.
const MOVED_CELSIUS: f64 = 0.5;
/// Most that the later half's mean power may differ from the earlier half's.
const MOVED_WATTS: f64 = 1.0;
/// Readings that each half needs.
const HALF_READINGS: usize = 5;

/// The latest readings of one idle GPU, by when they were taken.
#[derive(Debug, Clone, Default)]
pub struct GapSeries(VecDeque<(f64, GapReading)>);

impl GapSeries {
    /// Takes a reading, `at_seconds` after the gap began; forgets those that are too old to count. A GPU that gave no
    /// reading begins anew: nobody saw that it stood still.
    pub fn push(&mut self, at_seconds: f64, reading: Option<GapReading>) {
        let Some(reading) = reading else {
            return self.0.clear();
        };
        self.0.push_back((at_seconds, reading));
        // The first reading at or before the window's start stays, so that the window is seen whole.
        while self
            .0
            .get(1)
            .is_some_and(|(at, _)| *at <= at_seconds - EQUILIBRIUM_SECONDS)
        {
            self.0.pop_front();
        }
    }

    /// Whether temperature and power have no trend over the latest [`EQUILIBRIUM_SECONDS`].
    #[must_use]
    pub fn flat(&self) -> bool {
        let (Some((first, _)), Some((last, _))) = (self.0.front(), self.0.back()) else {
            return false;
        };
        if last - first < EQUILIBRIUM_SECONDS {
            return false;
        }
        let middle = last - EQUILIBRIUM_SECONDS / 2.0;
        let (late, early): (Vec<_>, Vec<_>) = self.0.iter().partition(|(at, _)| *at >= middle);
        if late.len() < HALF_READINGS || early.len() < HALF_READINGS {
            return false;
        }
        let mean = |half: &[&(f64, GapReading)], of: fn(&GapReading) -> f64| {
            half.iter().map(|(_, reading)| of(reading)).sum::<f64>() / half.len() as f64
        };
        let moved = |of| (mean(&late, of) - mean(&early, of)).abs();
        let temperatures = || {
            self.0
                .iter()
                .map(|(_, reading)| reading.temperature_celsius)
        };
        let highest = temperatures().fold(f64::NEG_INFINITY, f64::max);
        let lowest = temperatures().fold(f64::INFINITY, f64::min);
        highest - lowest <= SPAN_CELSIUS
            && moved(|reading| reading.temperature_celsius) <= MOVED_CELSIUS
            && moved(|reading| reading.watts) <= MOVED_WATTS
    }
}

impl GapState {
    /// Of several GPUs: waits while one waits; capped if one is; in equilibrium if one is and the others have settled.
    #[must_use]
    pub fn of_all(states: impl IntoIterator<Item = Self>) -> Self {
        states
            .into_iter()
            .fold(Self::Settled, |all, one| match (all, one) {
                (Self::Wait, _) | (_, Self::Wait) => Self::Wait,
                (Self::Capped, _) | (_, Self::Capped) => Self::Capped,
                (Self::Equilibrium, _) | (_, Self::Equilibrium) => Self::Equilibrium,
                _ => Self::Settled,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: GapRule = GapRule {
        floor_seconds: 10.0,
        fixed: false,
        temperature_celsius: 3.0,
        power_watts: 5.0,
        max_seconds: 300.0,
    };

    fn at(temperature_celsius: f64, watts: f64) -> Option<GapReading> {
        Some(GapReading {
            temperature_celsius,
            watts,
        })
    }

    #[test]
    fn it_ends_when_temperature_and_power_are_back() {
        let reference = at(40.0, 118.0);
        for (elapsed, reading, want) in [
            (9.9, at(40.0, 118.0), GapState::Wait),
            (10.0, at(40.0, 118.0), GapState::Settled),
            (20.0, at(43.0, 123.0), GapState::Settled),
            (20.0, at(43.1, 118.0), GapState::Wait),
            (20.0, at(40.0, 123.1), GapState::Wait),
            (20.0, at(40.0, 112.9), GapState::Wait),
            (20.0, at(30.0, 116.0), GapState::Settled),
            (299.9, at(60.0, 118.0), GapState::Wait),
            (300.0, at(60.0, 118.0), GapState::Capped),
            (300.0, at(41.0, 118.0), GapState::Settled),
            (20.0, None, GapState::Wait),
            (300.0, None, GapState::Capped),
        ] {
            assert_eq!(
                RULE.judge(elapsed, reading, reference, false),
                want,
                "{elapsed} {reading:?}"
            );
        }
    }

    #[test]
    fn a_bare_reference_is_never_met_by_a_loaded_engine() {
        assert_eq!(
            RULE.judge(300.0, at(40.0, 118.0), at(40.0, 72.0), false),
            GapState::Capped
        );
    }

    #[test]
    fn without_a_gpu_or_when_fixed_it_is_its_seconds() {
        assert_eq!(RULE.judge(9.0, None, None, false), GapState::Wait);
        assert_eq!(RULE.judge(10.0, None, None, false), GapState::Settled);
        let fixed = GapRule {
            fixed: true,
            ..RULE
        };
        assert_eq!(
            fixed.judge(9.0, at(99.0, 700.0), at(40.0, 118.0), false),
            GapState::Wait
        );
        assert_eq!(
            fixed.judge(10.0, at(99.0, 700.0), at(40.0, 118.0), false),
            GapState::Settled
        );
    }

    #[test]
    fn a_floor_above_the_cap_still_holds() {
        let rule = GapRule {
            floor_seconds: 400.0,
            ..RULE
        };
        assert_eq!(
            rule.judge(399.0, at(60.0, 118.0), at(40.0, 118.0), false),
            GapState::Wait
        );
        assert_eq!(
            rule.judge(400.0, at(60.0, 118.0), at(40.0, 118.0), false),
            GapState::Capped
        );
    }

    #[test]
    fn the_slowest_gpu_decides() {
        use GapState::{Capped, Equilibrium, Settled, Wait};
        assert_eq!(GapState::of_all([]), Settled);
        assert_eq!(GapState::of_all([Settled, Settled]), Settled);
        assert_eq!(GapState::of_all([Capped, Settled]), Capped);
        assert_eq!(GapState::of_all([Capped, Wait]), Wait);
        assert_eq!(GapState::of_all([Settled, Equilibrium]), Equilibrium);
        assert_eq!(GapState::of_all([Equilibrium, Capped]), Capped);
        assert_eq!(GapState::of_all([Equilibrium, Wait]), Wait);
    }

    #[test]
    fn a_gpu_that_stands_still_above_its_reference_is_in_equilibrium() {
        let (hot, reference) = (at(46.0, 131.0), at(40.0, 118.0));
        let judged = |elapsed, flat| RULE.judge(elapsed, hot, reference, flat);
        assert_eq!(judged(20.0, false), GapState::Wait);
        assert_eq!(judged(20.0, true), GapState::Equilibrium);
        assert_eq!(judged(9.0, true), GapState::Wait, "the floor holds");
        assert_eq!(judged(300.0, true), GapState::Equilibrium);
        assert_eq!(
            RULE.judge(20.0, None, reference, true),
            GapState::Wait,
            "who cannot be read has not settled"
        );
    }

    /// A reading a second, of a GPU that cools from `celsius` to 40 °C by an exponential and reads in whole degrees.
    fn cooling(celsius: f64, constant: f64, seconds: u32) -> GapSeries {
        let mut series = GapSeries::default();
        for second in 0..=seconds {
            let left = (celsius - 40.0) * (-f64::from(second) / constant).exp();
            // Idle power follows the temperature, by leakage, and scatters.
            let jitter = f64::from(second * 7 % 5) / 5.0 - 0.4;
            series.push(
                f64::from(second),
                at((40.0 + left).floor(), 120.0 + left / 2.0 + jitter),
            );
        }
        series
    }

    #[test]
    fn cooling_is_a_trend_until_it_is_over() {
        assert!(!cooling(60.0, 20.0, 29).flat(), "less than the window");
        assert!(!cooling(60.0, 20.0, 40).flat(), "it still cools");
        assert!(cooling(60.0, 20.0, 150).flat(), "it has cooled");
        assert!(
            !cooling(60.0, 300.0, 60).flat(),
            "slowly is a trend too: two degrees in the window"
        );
    }

    #[test]
    fn two_neighbouring_degrees_are_no_trend_and_a_step_of_power_is() {
        let series = |reading: fn(u32) -> Option<GapReading>| {
            let mut series = GapSeries::default();
            for second in 0..=40 {
                series.push(f64::from(second), reading(second));
            }
            series
        };
        assert!(series(|second| at(45.0 + f64::from(second % 2), 130.0)).flat());
        assert!(!series(|second| at(45.0, if second < 25 { 130.0 } else { 132.0 })).flat());
        assert!(!series(|second| at(if second < 25 { 46.0 } else { 45.0 }, 130.0)).flat());
        assert!(
            !series(|second| at(45.0, 130.0).filter(|_| second != 30)).flat(),
            "a reading that failed"
        );
    }

    #[test]
    fn few_readings_say_nothing() {
        let mut series = GapSeries::default();
        for second in [0.0, 10.0, 20.0, 30.0, 40.0] {
            series.push(second, at(45.0, 130.0));
        }
        assert!(!series.flat());
    }
}
