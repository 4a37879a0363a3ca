//! Validating: do the results of a campaign still stand, and does the campaign pass the rules of its kind?
//!
//! Every cited file is read again, what can be computed again from the worker's records is, and the rules of
//! `energy` judge the whole. Knows no thresholds of its own.

mod chronicle;
mod result;

use serde::Serialize;

use super::cited::check_result;
use super::cycles::{ExperimentCycles, MIXED_SIMULATED, over_cycles};
use super::seal::SealError;
use crate::energy::{
    BaselineRepeats, CampaignEvidence, ExperimentEvidence, Outcome, RuleOutcome, VerdictRules,
    judge_campaign,
};
use crate::execution::{RunStatus, State, Verdict};
use crate::journal::JournalError;
use crate::store::Folders;
use chronicle::Chronicle;

/// What validating a campaign came to.
#[derive(Debug, Serialize)]
pub struct Validation {
    /// Name of the campaign.
    pub campaign: String,
    /// Its id.
    pub id: String,
    /// The rules that it was judged by.
    pub thresholds: VerdictRules,
    /// Whether every cited file is what was cited.
    pub files_hold: bool,
    /// What each rule came to.
    pub rules: Vec<RuleOutcome>,
    /// Every accepted run and what was checked of its result.
    pub runs: Vec<RunRules>,
}

impl Validation {
    /// Whether no rule fails.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.rules.iter().all(|rule| rule.outcome != Outcome::Fail)
    }
}

/// What was checked of one accepted run.
#[derive(Debug, Serialize)]
pub struct RunRules {
    /// The run.
    pub run: String,
    /// What each check came to.
    pub rules: Vec<RuleOutcome>,
}

/// Most names that a detail lists.
const SHOWN: usize = 5;

/// Validates a campaign by `rules`; sealed or not.
///
/// # Errors
/// If its journal cannot be read.
pub fn validate(
    folders: &Folders,
    state: &State,
    rules: &VerdictRules,
) -> Result<Validation, JournalError> {
    let chronicle = Chronicle::read(&folders.results(), state.plan())?;
    let cycles = over_cycles(state, rules);
    let files = files(folders, state);
    let runs = accepted(folders, state);
    let files_hold = files.outcome == Outcome::Pass;
    let mut outcomes = vec![files];
    outcomes.extend(together(&runs));
    outcomes.push(unmixed(state, &cycles));
    outcomes.extend(judge_campaign(&evidence(state, cycles, chronicle), rules));
    Ok(Validation {
        campaign: folders.campaign.clone(),
        id: folders.id.clone(),
        thresholds: *rules,
        files_hold,
        rules: outcomes,
        runs,
    })
}

/// Every result and record that the journal cites, of retired and superseded attempts as well.
fn files(folders: &Folders, state: &State) -> RuleOutcome {
    let retired = state.retired().into_iter().flat_map(|run| run.attempts);
    let runs = (0..state.plan().runs.len()).flat_map(|run| state.history(run));
    let mut checked = 0;
    let mut wrong = Vec::new();
    for cited in runs.chain(retired).filter_map(|attempt| attempt.result) {
        checked += 1;
        match check_result(folders, &cited) {
            Ok(_) => {}
            Err(SealError::Store(error)) => wrong.push(format!(
                "{}: {}",
                shown_path(folders, &error.path),
                error.source
            )),
            Err(SealError::Altered { path }) => {
                wrong.push(format!("{} is altered", shown_path(folders, &path)));
            }
            // check_result gives no other error.
            Err(error) => wrong.push(error.to_string()),
        }
    }
    outcome(
        "files_intact",
        checked,
        &wrong,
        "results and their records hash as cited",
    )
}

fn shown_path(folders: &Folders, path: &camino::Utf8Path) -> String {
    path.strip_prefix(folders.results())
        .unwrap_or(path)
        .to_string()
}

/// Checks of every accepted run whose file is what was cited: the others are told by `files_intact`.
fn accepted(folders: &Folders, state: &State) -> Vec<RunRules> {
    let mut runs = Vec::new();
    for run in 0..state.plan().runs.len() {
        if let RunStatus::Ended {
            verdict: Verdict::Accepted,
            result: Some(cited),
            figures,
        } = state.status(run)
            && check_result(folders, cited).is_ok()
        {
            let seen = result::Seen {
                folders,
                state,
                run,
                cited,
                headline: figures,
            };
            runs.push(RunRules {
                run: state.plan().runs[run].id.clone(),
                rules: seen.check(),
            });
        }
    }
    runs
}

/// The checks of all runs, one outcome a check: it passes where it passes for every run that it applies to.
fn together(runs: &[RunRules]) -> Vec<RuleOutcome> {
    result::CHECKS
        .iter()
        .map(|name| {
            let of = runs
                .iter()
                .flat_map(|run| run.rules.iter().map(move |rule| (run, rule)))
                .filter(|(_, rule)| rule.rule == *name && rule.outcome != Outcome::NotApplicable);
            let (mut checked, mut wrong) = (0, Vec::new());
            for (run, rule) in of {
                checked += 1;
                if rule.outcome == Outcome::Fail {
                    wrong.push(format!("{}: {}", run.run, rule.detail));
                }
            }
            outcome(name, checked, &wrong, "accepted runs")
        })
        .collect()
}

/// Results of simulated and of real GPUs must not stand in one experiment.
fn unmixed(state: &State, cycles: &[ExperimentCycles]) -> RuleOutcome {
    let experiments = state.plan().experiments.iter().zip(cycles);
    let mixed: Vec<String> = experiments
        .filter(|(_, cycles)| cycles.flags.iter().any(|flag| flag == MIXED_SIMULATED))
        .map(|(experiment, _)| experiment.id.clone())
        .collect();
    let simulated = cycles
        .iter()
        .filter(|cycles| cycles.simulated == Some(true));
    let words = match simulated.count() {
        0 => "experiments without a mixture of simulated and real GPUs".to_owned(),
        count => format!("experiments without a mixture; {count} of them on SIMULATED GPUs"),
    };
    outcome("simulated_unmixed", cycles.len(), &mixed, &words)
}

fn evidence(
    state: &State,
    cycles: Vec<ExperimentCycles>,
    chronicle: Chronicle,
) -> CampaignEvidence {
    let plan = state.plan();
    let accepted = |run: &usize| {
        matches!(
            state.status(*run),
            RunStatus::Ended {
                verdict: Verdict::Accepted,
                ..
            }
        )
    };
    let runs = 0..plan.runs.len();
    let incomplete = runs.clone().filter(|run| !accepted(run));
    let experiments = plan.experiments.iter().zip(cycles);
    CampaignEvidence {
        runs: plan.runs.len(),
        accepted: runs.filter(accepted).count(),
        incomplete: incomplete.map(|run| plan.runs[run].id.clone()).collect(),
        seconds: chronicle.seconds,
        experiments: experiments
            .map(|(experiment, cycles)| {
                let leading = cycles.leading();
                ExperimentEvidence {
                    id: experiment.id.clone(),
                    figure: leading.map_or("no figure", |(name, _)| name).to_owned(),
                    statistics: leading.map(|(_, figure)| figure.clone()),
                }
            })
            .collect(),
        baselines: chronicle
            .baselines
            .into_iter()
            .map(|(name, watts)| BaselineRepeats { name, watts })
            .collect(),
    }
}

/// PASS with what was checked, FAIL with what is wrong, not applicable where nothing was there to check.
fn outcome(rule: &str, checked: usize, wrong: &[String], what: &str) -> RuleOutcome {
    let (outcome, detail) = match (checked, wrong) {
        (0, []) => (
            Outcome::NotApplicable,
            "there is nothing to check it on".to_owned(),
        ),
        (_, []) => (Outcome::Pass, format!("{checked} {what}")),
        (_, wrong) => {
            let more = wrong.len().saturating_sub(SHOWN);
            let mut text = wrong[..wrong.len() - more].join("; ");
            if more > 0 {
                text.push_str(&format!("; and {more} more"));
            }
            (
                Outcome::Fail,
                format!("{} of {checked}: {text}", wrong.len()),
            )
        }
    };
    RuleOutcome {
        rule: rule.to_owned(),
        outcome,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_lists_some_and_counts_the_rest() {
        let wrong: Vec<String> = (1..=8).map(|n| format!("r{n}")).collect();
        let failed = outcome("x", 9, &wrong, "runs");
        assert_eq!(failed.outcome, Outcome::Fail);
        assert_eq!(failed.detail, "8 of 9: r1; r2; r3; r4; r5; and 3 more");
        assert_eq!(outcome("x", 9, &[], "runs").outcome, Outcome::Pass);
        assert_eq!(outcome("x", 0, &[], "runs").outcome, Outcome::NotApplicable);
    }
}
