//! When the idle time between two runs is over: its seconds, and the GPU back where it was in the same state.

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
    /// Over, though the GPU has not settled: flag `gap_capped`.
    Capped,
}

impl GapRule {
    /// Judges one GPU after `elapsed_seconds` of idling. `reference` is what it read in the same state (bare or
    /// resident) of this container after the latest load: a loaded engine never comes back to a bare GPU's power.
    /// Without a reference, which is so before the first one is taken and where there is no GPU, the seconds decide.
    /// With a reference and no reading the GPU has not settled.
    ///
    /// A GPU that is colder than its reference has settled: idling does not warm it, the warm-up will.
    #[must_use]
    pub fn judge(
        &self,
        elapsed_seconds: f64,
        reading: Option<GapReading>,
        reference: Option<GapReading>,
    ) -> GapState {
        if elapsed_seconds < self.floor_seconds {
            return GapState::Wait;
        }
        if self.fixed || self.settled(reading, reference) {
            GapState::Settled
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

impl GapState {
    /// Of several GPUs: waits while one waits; capped if one is.
    #[must_use]
    pub fn of_all(states: impl IntoIterator<Item = Self>) -> Self {
        states
            .into_iter()
            .fold(Self::Settled, |all, one| match (all, one) {
                (Self::Wait, _) | (_, Self::Wait) => Self::Wait,
                (Self::Capped, _) | (_, Self::Capped) => Self::Capped,
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
                RULE.judge(elapsed, reading, reference),
                want,
                "{elapsed} {reading:?}"
            );
        }
    }

    #[test]
    fn a_bare_reference_is_never_met_by_a_loaded_engine() {
        assert_eq!(
            RULE.judge(300.0, at(40.0, 118.0), at(40.0, 72.0)),
            GapState::Capped
        );
    }

    #[test]
    fn without_a_gpu_or_when_fixed_it_is_its_seconds() {
        assert_eq!(RULE.judge(9.0, None, None), GapState::Wait);
        assert_eq!(RULE.judge(10.0, None, None), GapState::Settled);
        let fixed = GapRule {
            fixed: true,
            ..RULE
        };
        assert_eq!(
            fixed.judge(9.0, at(99.0, 700.0), at(40.0, 118.0)),
            GapState::Wait
        );
        assert_eq!(
            fixed.judge(10.0, at(99.0, 700.0), at(40.0, 118.0)),
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
            rule.judge(399.0, at(60.0, 118.0), at(40.0, 118.0)),
            GapState::Wait
        );
        assert_eq!(
            rule.judge(400.0, at(60.0, 118.0), at(40.0, 118.0)),
            GapState::Capped
        );
    }

    #[test]
    fn the_slowest_gpu_decides() {
        use GapState::{Capped, Settled, Wait};
        assert_eq!(GapState::of_all([]), Settled);
        assert_eq!(GapState::of_all([Settled, Settled]), Settled);
        assert_eq!(GapState::of_all([Capped, Settled]), Capped);
        assert_eq!(GapState::of_all([Capped, Wait]), Wait);
    }
}
