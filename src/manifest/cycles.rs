//! An experiment over its cycles: what its accepted runs say together, figure by figure.
//!
//! Knows what a state holds; the statistics themselves are `energy`'s.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::energy::{CycleStatistics, CycleValue, VerdictRules};
use crate::execution::{Figures, Made, RunStatus, State, Verdict};

/// Flag: some accepted runs were made on simulated GPUs and some on real ones, so nothing is said of them together.
pub const MIXED_SIMULATED: &str = "mixed_simulated";

/// An experiment over its cycles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentCycles {
    /// Runs planned.
    pub planned: usize,
    /// Runs accepted: only these enter the figures.
    pub accepted: usize,
    /// Whether the accepted runs were made on simulated GPUs; null without one, or where they differ.
    pub simulated: Option<bool>,
    /// Headline figures by name; the unit is in the name. Empty where simulated and real runs are mixed.
    pub figures: BTreeMap<String, CycleStatistics>,
    /// What must be known of them: `mixed_simulated`, `mixed_slo`, and the flags of the leading figure.
    pub flags: Vec<String>,
}

/// Flag: accepted runs were judged by different service levels, so nothing is said of how they kept them.
pub const MIXED_SLO: &str = "mixed_slo";

/// Figures that name the service level that a run was judged by.
pub const SLO_TTFT: &str = "slo_ttft_p99_ms";
/// The other one.
pub const SLO_ITL: &str = "slo_itl_p99_ms";

/// Figures that mean something at one service level only.
const OF_SLO: [&str; 4] = [
    "goodput_requests_per_second",
    "slo_attainment",
    SLO_TTFT,
    SLO_ITL,
];

/// Figures by which an experiment as a whole is flagged: the first that it has.
pub(super) const LEADING: [&str; 2] = ["joules_per_output_token", "output_tokens_per_second"];

impl ExperimentCycles {
    /// The leading figure and its name.
    #[must_use]
    pub fn leading(&self) -> Option<(&'static str, &CycleStatistics)> {
        let find = |name: &'static str| self.figures.get(name).map(|figure| (name, figure));
        LEADING.into_iter().find_map(find)
    }

    fn of(planned: usize, accepted: &[Accepted<'_>], rules: &VerdictRules) -> Self {
        let mut cycles = Self {
            planned,
            accepted: accepted.len(),
            ..Self::default()
        };
        let simulated = accepted.iter().filter(|run| run.made.simulated).count();
        if simulated > 0 && simulated < accepted.len() {
            cycles.flags.push(MIXED_SIMULATED.to_owned());
            return cycles;
        }
        cycles.simulated = accepted.first().map(|run| run.made.simulated);
        let one_slo = accepted
            .windows(2)
            .all(|pair| pair[0].slo() == pair[1].slo());
        let mut samples: BTreeMap<&str, Vec<CycleValue>> = BTreeMap::new();
        for run in accepted {
            let told = |name: &&String| one_slo || !OF_SLO.contains(&name.as_str());
            for (name, value) in run.figures.iter().filter(|(name, _)| told(name)) {
                samples.entry(name).or_default().push(run.value(*value));
            }
        }
        cycles.figures = samples
            .into_iter()
            .filter_map(|(name, sample)| {
                Some((name.to_owned(), CycleStatistics::of(&sample, rules)?))
            })
            .collect();
        cycles.flags = cycles
            .leading()
            .map(|(_, figure)| figure.flags.clone())
            .unwrap_or_default();
        if !one_slo {
            cycles.flags.push(MIXED_SLO.to_owned());
        }
        cycles
    }
}

/// An accepted run.
struct Accepted<'a> {
    cycle: u32,
    figures: &'a Figures,
    made: &'a Made,
}

impl Accepted<'_> {
    /// The service level that it was judged by, as its figures name it.
    fn slo(&self) -> [Option<f64>; 2] {
        [SLO_TTFT, SLO_ITL].map(|name| self.figures.get(name).copied())
    }

    fn value(&self, value: f64) -> CycleValue {
        let mut gpus = self.made.gpus.to_vec();
        gpus.sort_unstable();
        CycleValue {
            cycle: self.cycle,
            session: self.made.session,
            load: u64::from(self.made.engine_load),
            gpus,
            value,
        }
    }
}

/// Every experiment of a campaign over its cycles, in the plan's order.
#[must_use]
pub fn over_cycles(state: &State, rules: &VerdictRules) -> Vec<ExperimentCycles> {
    let plan = state.plan();
    let mut planned = vec![0_usize; plan.experiments.len()];
    let mut accepted: Vec<Vec<Accepted<'_>>> = Vec::new();
    accepted.resize_with(plan.experiments.len(), Vec::new);
    for (index, run) in plan.runs.iter().enumerate() {
        planned[run.experiment] += 1;
        if let RunStatus::Ended {
            verdict: Verdict::Accepted,
            figures,
            ..
        } = state.status(index)
            && let Some(made) = state.made(index)
        {
            accepted[run.experiment].push(Accepted {
                cycle: run.cycle,
                figures,
                made,
            });
        }
    }
    let experiments = planned.iter().zip(&accepted);
    experiments
        .map(|(planned, accepted)| ExperimentCycles::of(*planned, accepted, rules))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn made(engine_load: u32, simulated: bool) -> Made {
        Made {
            session: 1,
            engine_load,
            gpus: Arc::new(["GPU-b".to_owned(), "GPU-a".to_owned()]),
            simulated,
        }
    }

    fn over(values: &[(f64, u32, bool)]) -> ExperimentCycles {
        let figures: Vec<Figures> = values
            .iter()
            .map(|(value, ..)| [("joules_per_output_token".to_owned(), *value)].into())
            .collect();
        let made: Vec<Made> = values
            .iter()
            .map(|(_, load, simulated)| made(*load, *simulated))
            .collect();
        let runs: Vec<Accepted<'_>> = figures
            .iter()
            .zip(&made)
            .zip(1..)
            .map(|((figures, made), cycle)| Accepted {
                cycle,
                figures,
                made,
            })
            .collect();
        ExperimentCycles::of(values.len(), &runs, &VerdictRules::default())
    }

    #[test]
    fn figures_are_summed_up_and_flagged() {
        let cycles = over(&[(1.0, 1, false), (1.5, 2, false), (1.0, 3, false)]);
        assert_eq!((cycles.planned, cycles.accepted), (3, 3));
        let (name, figure) = cycles.leading().expect("energy leads");
        assert_eq!(name, "joules_per_output_token");
        assert_eq!((figure.n, figure.loads, figure.gpu_sets), (3, 3, 1));
        assert_eq!(cycles.flags, ["cycle_cv_high"]);
        let within = over(&[(1.0, 1, false), (1.0, 1, false), (1.0, 1, false)]);
        assert_eq!(within.flags, ["within_load"]);
        assert_eq!(within.simulated, Some(false));
        assert_eq!(over(&[]).leading(), None);
    }

    #[test]
    fn runs_judged_by_two_service_levels_are_not_averaged() {
        let with = |limits: [Option<f64>; 2]| {
            let figures: Vec<Figures> = limits
                .iter()
                .map(|limit| {
                    let mut figures: Figures = [
                        ("joules_per_output_token".to_owned(), 1.0),
                        ("slo_attainment".to_owned(), 0.5),
                        ("goodput_requests_per_second".to_owned(), 3.0),
                    ]
                    .into();
                    figures.extend(limit.map(|limit| (SLO_TTFT.to_owned(), limit)));
                    figures
                })
                .collect();
            let made = made(1, false);
            let runs: Vec<Accepted<'_>> = figures
                .iter()
                .zip(1..)
                .map(|(figures, cycle)| Accepted {
                    cycle,
                    figures,
                    made: &made,
                })
                .collect();
            ExperimentCycles::of(2, &runs, &VerdictRules::default())
        };
        for mixed in [[Some(100.0), Some(200.0)], [None, Some(200.0)]] {
            let cycles = with(mixed);
            assert!(cycles.flags.contains(&MIXED_SLO.to_owned()), "{cycles:?}");
            let names: Vec<&str> = cycles.figures.keys().map(String::as_str).collect();
            assert_eq!(names, ["joules_per_output_token"]);
        }
        for one in [[Some(100.0), Some(100.0)], [None, None]] {
            let cycles = with(one);
            assert!(!cycles.flags.contains(&MIXED_SLO.to_owned()));
            assert!(cycles.figures.contains_key("slo_attainment"));
        }
    }

    #[test]
    fn simulated_and_real_runs_are_never_taken_together() {
        let mixed = over(&[(1.0, 1, false), (1.0, 2, true), (1.0, 3, false)]);
        assert_eq!(mixed.flags, [MIXED_SIMULATED]);
        assert!(mixed.figures.is_empty() && mixed.simulated.is_none());
        let simulated = over(&[(1.0, 1, true), (1.0, 2, true), (1.0, 3, true)]);
        assert_eq!(simulated.simulated, Some(true));
        assert_eq!(simulated.figures.len(), 1);
    }
}
