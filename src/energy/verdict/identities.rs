//! Physical identities that the figures of one window must obey. A figure that is missing leaves its identities out.

use super::campaign::{Outcome, RuleOutcome};
use super::codes;
use super::ruling::RejectReason;

/// Relative difference that rounding explains. Figures come from the same doubles.
const ROUNDING: f64 = 1e-6;
/// Share by which a regulated power may sit above its limit: the limit is held on average and the controller
/// overshoots. A mistake of unit, scale or window is larger.
const LIMIT_SLACK: f64 = 0.02;

/// The mean power of one GPU against its limit.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuLoad {
    /// UUID of the GPU.
    pub gpu: String,
    /// Mean watts of the window.
    pub watts: f64,
    /// Half-width of its 95 % interval, watts: from timing, since the limit is held by the same sensor.
    pub half_width_watts: f64,
    /// The power limit in force, watts.
    pub limit_watts: Option<f64>,
}

/// Figures of one window, as the result holds them. None: the result has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identities {
    /// Length of the window, s.
    pub seconds: Option<f64>,
    /// Raw energy, J.
    pub joules: Option<f64>,
    /// Mean power, W.
    pub watts: Option<f64>,
    /// Raw joules by output token.
    pub joules_per_output_token: Option<f64>,
    /// Output tokens emitted inside, by its length, 1/s.
    pub output_tokens_per_second: Option<f64>,
    /// Resident power of all GPUs together, W.
    pub resident_watts: Option<f64>,
    /// Raw energy less resident power × time, J.
    pub joules_above_resident: Option<f64>,
    /// Each GPU.
    pub gpus: Vec<GpuLoad>,
}

impl Identities {
    /// Each identity with its outcome: `identity_power`, `identity_tokens`, `identity_above_resident`,
    /// `identity_power_limit`.
    #[must_use]
    pub fn check(&self) -> Vec<RuleOutcome> {
        let power = both(self.joules, self.seconds, self.watts).map(|(joules, seconds, watts)| {
            equal(watts, joules / seconds, || {
                format!("{joules} J / {seconds} s = {watts} W")
            })
        });
        let tokens = both(
            self.joules_per_output_token,
            self.output_tokens_per_second,
            self.watts,
        )
        .map(|(per_token, rate, watts)| {
            equal(watts, per_token * rate, || {
                format!("{per_token} J/token × {rate} tokens/s = {watts} W")
            })
        });
        let above = both(self.joules, self.seconds, self.resident_watts)
            .zip(self.joules_above_resident)
            .map(|((joules, seconds, resident), above)| {
                let taken = resident * seconds;
                // Where most is taken away, what is left is as exact as what it was taken from.
                let scale = joules.abs().max(taken.abs());
                within(above, joules - taken, scale, || {
                    format!("{joules} J − {resident} W × {seconds} s = {above} J")
                })
            });
        let limits: Vec<(bool, String)> = self
            .gpus
            .iter()
            .filter_map(|gpu| {
                let limit = gpu.limit_watts?;
                let lowest = gpu.watts - gpu.half_width_watts;
                Some((
                    lowest <= limit * (1.0 + LIMIT_SLACK),
                    format!(
                        "{}: {:.1} ± {:.1} W at a limit of {limit:.0} W",
                        gpu.gpu, gpu.watts, gpu.half_width_watts
                    ),
                ))
            })
            .collect();
        let limit = (!limits.is_empty()).then(|| {
            let details: Vec<&str> = limits.iter().map(|(_, detail)| detail.as_str()).collect();
            (limits.iter().all(|(holds, _)| *holds), details.join("; "))
        });
        [
            ("identity_power", power),
            ("identity_tokens", tokens),
            ("identity_above_resident", above),
            ("identity_power_limit", limit),
        ]
        .into_iter()
        .map(|(rule, checked)| match checked {
            Some((true, detail)) => RuleOutcome::new(rule, Outcome::Pass, detail),
            Some((false, detail)) => {
                RuleOutcome::new(rule, Outcome::Fail, format!("does not hold: {detail}"))
            }
            None => RuleOutcome::new(
                rule,
                Outcome::NotApplicable,
                "the result lacks a figure for it".to_owned(),
            ),
        })
        .collect()
    }

    /// A reason for each identity that does not hold.
    #[must_use]
    pub fn reasons(&self) -> Vec<RejectReason> {
        self.check()
            .into_iter()
            .filter(|outcome| outcome.outcome == Outcome::Fail)
            .map(|outcome| {
                RejectReason::new(
                    codes::IDENTITY_VIOLATED,
                    format!("{} {}", outcome.rule, outcome.detail),
                )
            })
            .collect()
    }
}

fn both(first: Option<f64>, second: Option<f64>, third: Option<f64>) -> Option<(f64, f64, f64)> {
    Some((first?, second?, third?))
}

fn equal(left: f64, right: f64, detail: impl Fn() -> String) -> (bool, String) {
    within(left, right, left.abs().max(right.abs()), detail)
}

/// Not a number equals nothing.
fn within(left: f64, right: f64, scale: f64, detail: impl Fn() -> String) -> (bool, String) {
    ((left - right).abs() <= ROUNDING * scale, detail())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Identities {
        Identities {
            seconds: Some(30.0),
            joules: Some(18_000.0),
            watts: Some(600.0),
            joules_per_output_token: Some(0.5),
            output_tokens_per_second: Some(1200.0),
            resident_watts: Some(118.0),
            joules_above_resident: Some(18_000.0 - 118.0 * 30.0),
            gpus: vec![GpuLoad {
                gpu: "GPU-a".to_owned(),
                watts: 600.0,
                half_width_watts: 2.0,
                limit_watts: Some(700.0),
            }],
        }
    }

    fn failing(identities: &Identities) -> Vec<String> {
        identities
            .check()
            .into_iter()
            .filter(|outcome| outcome.outcome == Outcome::Fail)
            .map(|outcome| outcome.rule)
            .collect()
    }

    #[test]
    fn figures_that_agree_pass() {
        assert!(failing(&whole()).is_empty());
        assert!(whole().reasons().is_empty());
        assert!(
            whole()
                .check()
                .iter()
                .all(|outcome| outcome.outcome == Outcome::Pass)
        );
    }

    #[test]
    fn each_figure_that_is_off_is_caught_with_its_values() {
        let off = |change: fn(&mut Identities)| {
            let mut figures = whole();
            change(&mut figures);
            failing(&figures)
        };
        assert_eq!(
            off(|figures| figures.watts = Some(601.0)),
            ["identity_power", "identity_tokens"]
        );
        assert_eq!(
            off(|figures| figures.joules_per_output_token = Some(0.51)),
            ["identity_tokens"]
        );
        assert_eq!(
            off(|figures| figures.joules_above_resident = Some(18_000.0)),
            ["identity_above_resident"]
        );
        assert_eq!(
            off(|figures| figures.gpus[0].limit_watts = Some(500.0)),
            ["identity_power_limit"]
        );
        assert_eq!(
            off(|figures| figures.output_tokens_per_second = Some(f64::NAN)),
            ["identity_tokens"]
        );
        let mut figures = whole();
        figures.watts = Some(601.0);
        let reasons = figures.reasons();
        assert_eq!(reasons[0].code, codes::IDENTITY_VIOLATED);
        assert!(
            reasons[0].message.contains("18000 J / 30 s = 601 W"),
            "{reasons:?}"
        );
    }

    #[test]
    fn the_limit_allows_for_the_interval_and_an_overshoot() {
        let at = |watts: f64, half_width_watts: f64| {
            let mut figures = whole();
            figures.gpus[0].watts = watts;
            figures.gpus[0].half_width_watts = half_width_watts;
            failing(&figures).len()
        };
        assert_eq!(at(712.0, 0.0), 0);
        assert_eq!(at(715.0, 0.0), 1);
        assert_eq!(at(715.0, 2.0), 0);
    }

    #[test]
    fn what_is_missing_is_not_applicable() {
        let outcomes = Identities::default().check();
        assert_eq!(outcomes.len(), 4);
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.outcome == Outcome::NotApplicable)
        );
    }
}
