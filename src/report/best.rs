//! Which experiment is best: the least energy a token among those whose quality passed, and nothing else.

use serde::Serialize;

use crate::manifest::ExperimentCycles;
use crate::quality::{Quality, QualityStatus, codes};

/// What it is ranked by: raw energy, since what stands above a baseline depends on what is called idle.
const FIGURE: &str = "joules_per_output_token";

/// An experiment that may be best.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its id.
    pub experiment: &'a str,
    /// Its accepted runs together.
    pub cycles: &'a ExperimentCycles,
    /// Its quality.
    pub quality: &'a Quality,
    /// Its requests come when they are due.
    pub open_loop: bool,
}

/// The best experiment, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Best {
    /// Its id; null without one.
    pub experiment: Option<String>,
    /// Mean over its accepted cycles, J.
    pub joules_per_output_token: Option<f64>,
    /// Why there is none, or who would have been but may not: one sentence.
    pub note: Option<String>,
}

impl Best {
    /// Chooses.
    #[must_use]
    pub fn of<'a>(candidates: impl Iterator<Item = Candidate<'a>>) -> Self {
        let candidates: Vec<Candidate<'a>> = candidates.collect();
        if candidates.iter().any(|one| one.open_loop) {
            // The overloaded rate fills its batches best, and so takes the least energy a token.
            return Self {
                experiment: None,
                joules_per_output_token: None,
                note: Some(
                    "requests come when they are due: joules follow the rate, so compare experiments of one rate that kept the service level"
                        .to_owned(),
                ),
            };
        }
        let least = |passed: bool| {
            candidates
                .iter()
                .filter(|one| (one.quality.status == QualityStatus::Passed) == passed)
                .filter(|one| one.cycles.simulated == Some(false))
                .filter_map(|one| Some((one.cycles.figures.get(FIGURE)?.mean, *one)))
                .min_by(|left, right| left.0.total_cmp(&right.0))
        };
        let Some((joules, best)) = least(true) else {
            return Self {
                experiment: None,
                joules_per_output_token: None,
                note: Some(why_none(&candidates)),
            };
        };
        let beaten = least(false).filter(|(other, _)| *other < joules);
        Self {
            experiment: Some(best.experiment.to_owned()),
            joules_per_output_token: Some(joules),
            note: beaten.map(|(other, one)| {
                format!(
                    "{} took less ({other:.4} J/token), and its quality is {}",
                    one.experiment,
                    one.quality.line()
                )
            }),
        }
    }

    /// One line.
    #[must_use]
    pub fn line(&self) -> String {
        let note = self.note.as_deref().unwrap_or_default();
        match (&self.experiment, self.joules_per_output_token) {
            (Some(experiment), Some(joules)) => {
                let note = if note.is_empty() {
                    String::new()
                } else {
                    format!(" ({note})")
                };
                format!("best: {experiment}, {joules:.4} J/token, quality passed{note}")
            }
            _ => format!("no best: {note}"),
        }
    }
}

fn why_none(candidates: &[Candidate<'_>]) -> String {
    let passed: Vec<&Candidate<'_>> = candidates
        .iter()
        .filter(|one| one.quality.status == QualityStatus::Passed)
        .collect();
    if passed.iter().any(|one| one.cycles.simulated == Some(true)) {
        return "the GPUs are simulated".to_owned();
    }
    if !passed.is_empty() {
        return "no experiment of passed quality has energy".to_owned();
    }
    let all = |code: &str| {
        let has = |one: &Candidate<'_>| one.quality.reasons.iter().any(|one| one.code == code);
        !candidates.is_empty() && candidates.iter().all(has)
    };
    if all(codes::WEIGHTS) {
        return "quality is not assessed, the weights are not real".to_owned();
    }
    if all(codes::DISABLED) {
        return "quality is not assessed, the campaign asks for none".to_owned();
    }
    "no experiment's quality is passed".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{CycleStatistics, CycleValue, VerdictRules};

    fn cycles(joules: Option<f64>, simulated: bool) -> ExperimentCycles {
        let value = |value| CycleValue {
            cycle: 1,
            session: 1,
            load: 1,
            gpus: vec![],
            value,
        };
        let statistics = joules
            .and_then(|joules| CycleStatistics::of(&[value(joules)], &VerdictRules::default()));
        ExperimentCycles {
            planned: 1,
            accepted: 1,
            simulated: Some(simulated),
            figures: statistics
                .map(|statistics| (FIGURE.to_owned(), statistics))
                .into_iter()
                .collect(),
            flags: vec![],
        }
    }

    fn quality(status: QualityStatus, code: &str) -> Quality {
        Quality {
            status,
            ..Quality::not_assessed(code, "because")
        }
    }

    fn best(list: &[(&str, Option<f64>, bool, Quality)]) -> Best {
        let cycles: Vec<ExperimentCycles> = list
            .iter()
            .map(|(_, joules, simulated, _)| cycles(*joules, *simulated))
            .collect();
        Best::of(
            list.iter()
                .zip(&cycles)
                .map(|((experiment, .., quality), cycles)| Candidate {
                    experiment,
                    cycles,
                    quality,
                    open_loop: false,
                }),
        )
    }

    #[test]
    fn a_broken_but_fast_setting_does_not_win() {
        let passed = || quality(QualityStatus::Passed, "x");
        let failed = quality(QualityStatus::Failed, codes::NOT_FINITE);
        let found = best(&[
            ("slow", Some(0.9), false, passed()),
            ("good", Some(0.5), false, passed()),
            ("broken", Some(0.1), false, failed),
        ]);
        assert_eq!(found.experiment.as_deref(), Some("good"));
        let line = found.line();
        assert!(line.starts_with("best: good, 0.5000 J/token"), "{line}");
        assert!(
            line.contains("broken took less") && line.contains("not_finite"),
            "{line}"
        );
    }

    #[test]
    fn where_nothing_passed_there_is_no_best_and_it_says_why() {
        let none = |list: &[(&str, Option<f64>, bool, Quality)], word: &str| {
            let found = best(list);
            assert_eq!(found.experiment, None);
            assert!(found.line().contains(word), "{}", found.line());
        };
        let passed = || quality(QualityStatus::Passed, "x");
        let not = |code| quality(QualityStatus::NotAssessed, code);
        none(&[("a", Some(0.1), false, not(codes::WEIGHTS))], "not real");
        none(
            &[("a", Some(0.1), false, not(codes::DISABLED))],
            "asks for none",
        );
        none(
            &[("a", Some(0.1), false, not(codes::NO_REFERENCE))],
            "is passed",
        );
        none(&[("a", None, false, passed())], "has energy");
        none(&[("a", Some(0.1), true, passed())], "simulated");
        none(&[], "is passed");
        let (cycles, passed) = (cycles(Some(0.1), false), passed());
        let open = Candidate {
            experiment: "a",
            cycles: &cycles,
            quality: &passed,
            open_loop: true,
        };
        let found = Best::of(std::iter::once(open));
        assert!(
            found
                .line()
                .contains("no best: requests come when they are due")
        );
    }
}
