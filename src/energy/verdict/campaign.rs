//! The rules of a whole campaign, by its kind: PASS, FAIL or not applicable, each with the values involved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{RulesKind, VerdictRules};
use crate::energy::statistics::CycleStatistics;

/// What a rule came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleOutcome {
    /// The rule's stable name; docs/verdicts.md explains it.
    pub rule: String,
    /// What it came to.
    pub outcome: Outcome,
    /// One sentence with the values involved.
    pub detail: String,
}

impl RuleOutcome {
    pub(super) fn new(rule: &str, outcome: Outcome, detail: String) -> Self {
        Self {
            rule: rule.to_owned(),
            outcome,
            detail,
        }
    }
}

/// What a rule came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It says nothing of this campaign.
    NotApplicable,
}

/// What is known of a campaign.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CampaignEvidence {
    /// Runs that it asks for; retired ones are not among them.
    pub runs: usize,
    /// Those of them that are accepted.
    pub accepted: usize,
    /// Ids of those that are not, in the plan's order.
    pub incomplete: Vec<String>,
    /// Seconds that its sessions took together.
    pub seconds: f64,
    /// Its experiments.
    pub experiments: Vec<ExperimentEvidence>,
    /// Baselines that were taken more than once.
    pub baselines: Vec<BaselineRepeats>,
}

/// The repetitions of one experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentEvidence {
    /// Its id.
    pub id: String,
    /// Name of the figure with its unit: the joules per output token, or throughput where there is no energy.
    pub figure: String,
    /// The figure over the cycles; none without accepted runs.
    pub statistics: Option<CycleStatistics>,
}

/// Takings of one baseline: the same state of one GPU, for one loaded configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineRepeats {
    /// What was taken: GPU, state, and for `resident` the experiment's id.
    pub name: String,
    /// Each taking, watts.
    pub watts: Vec<f64>,
}

/// Most names that a detail lists.
const SHOWN: usize = 5;

/// Judges a campaign: the same rules in the same order for every campaign.
#[must_use]
pub fn judge_campaign(evidence: &CampaignEvidence, rules: &VerdictRules) -> Vec<RuleOutcome> {
    let quick = rules.kind == RulesKind::Quick;
    let only = |applies: bool,
                kind: &str,
                outcome: fn(&CampaignEvidence, &VerdictRules) -> (Outcome, String)| {
        if applies {
            outcome(evidence, rules)
        } else {
            (
                Outcome::NotApplicable,
                format!("asked of `rules.kind: {kind}`"),
            )
        }
    };
    [
        ("quick_time", only(quick, "quick", quick_time)),
        ("quick_result", only(quick, "quick", quick_result)),
        ("runs_complete", only(!quick, "campaign", runs_complete)),
        ("cycle_cv", only(!quick, "campaign", cycle_cv)),
        ("cycle_drift", only(!quick, "campaign", cycle_drift)),
        ("baseline_repeats", baseline_repeats(evidence, rules)),
    ]
    .into_iter()
    .map(|(rule, (outcome, detail))| RuleOutcome::new(rule, outcome, detail))
    .collect()
}

fn verdict(holds: bool) -> Outcome {
    if holds { Outcome::Pass } else { Outcome::Fail }
}

fn quick_time(evidence: &CampaignEvidence, rules: &VerdictRules) -> (Outcome, String) {
    (
        verdict(evidence.seconds < rules.quick_seconds),
        format!(
            "{:.1} s; under {} s is asked",
            evidence.seconds, rules.quick_seconds
        ),
    )
}

fn quick_result(evidence: &CampaignEvidence, _: &VerdictRules) -> (Outcome, String) {
    (
        verdict(evidence.accepted > 0),
        format!(
            "{} of {} runs accepted; one is asked",
            evidence.accepted, evidence.runs
        ),
    )
}

fn runs_complete(evidence: &CampaignEvidence, _: &VerdictRules) -> (Outcome, String) {
    let holds = evidence.runs > 0 && evidence.accepted == evidence.runs;
    let mut detail = format!("{} of {} runs accepted", evidence.accepted, evidence.runs);
    if !evidence.incomplete.is_empty() {
        detail.push_str("; not: ");
        detail.push_str(&shown(evidence.incomplete.iter().map(String::as_str)));
    }
    (verdict(holds), detail)
}

fn cycle_cv(evidence: &CampaignEvidence, rules: &VerdictRules) -> (Outcome, String) {
    over_cycles(evidence, "CV", rules.cycle_cv, |statistics| statistics.cv)
}

fn cycle_drift(evidence: &CampaignEvidence, rules: &VerdictRules) -> (Outcome, String) {
    over_cycles(evidence, "drift", rules.cycle_drift, |statistics| {
        statistics.drift.map(|drift| drift.fitted)
    })
}

/// Holds where it holds for each experiment that has enough cycles for the value; the worst is told.
fn over_cycles(
    evidence: &CampaignEvidence,
    what: &str,
    limit: f64,
    of: fn(&CycleStatistics) -> Option<f64>,
) -> (Outcome, String) {
    let values: Vec<(&ExperimentEvidence, f64)> = evidence
        .experiments
        .iter()
        .filter_map(|experiment| {
            let value = of(experiment.statistics.as_ref()?)?;
            Some((experiment, value))
        })
        .collect();
    let Some((worst, value)) = values
        .iter()
        .max_by(|left, right| left.1.abs().total_cmp(&right.1.abs()))
    else {
        return (
            Outcome::NotApplicable,
            format!("no experiment has enough accepted cycles for a {what}"),
        );
    };
    let broken: Vec<&str> = values
        .iter()
        .filter(|(_, value)| value.abs() > limit)
        .map(|(experiment, _)| experiment.id.as_str())
        .collect();
    let mut detail = format!(
        "largest {what} of {} experiments {:.1} % ({}, {}); at most {:.1} % is asked",
        values.len(),
        value * 100.0,
        worst.id,
        worst.figure,
        limit * 100.0
    );
    if broken.len() > 1 {
        detail.push_str("; above it: ");
        detail.push_str(&shown(broken.iter().copied()));
    }
    (verdict(broken.is_empty()), detail)
}

fn baseline_repeats(evidence: &CampaignEvidence, rules: &VerdictRules) -> (Outcome, String) {
    let repeated: Vec<(&str, f64)> = evidence
        .baselines
        .iter()
        .filter(|baseline| baseline.watts.len() >= 2)
        .map(|baseline| {
            let mean = baseline.watts.iter().sum::<f64>() / baseline.watts.len() as f64;
            let farthest = baseline
                .watts
                .iter()
                .map(|watts| (watts - mean).abs())
                .max_by(f64::total_cmp)
                .unwrap_or(0.0);
            (baseline.name.as_str(), farthest)
        })
        .collect();
    let Some((worst, farthest)) = repeated
        .iter()
        .max_by(|left, right| left.1.total_cmp(&right.1))
    else {
        return (
            Outcome::NotApplicable,
            "no baseline was taken twice".to_owned(),
        );
    };
    (
        verdict(*farthest <= rules.baseline_watts),
        format!(
            "{} baselines taken again; farthest from its mean {farthest:.1} W ({worst}); at most {} W is asked",
            repeated.len(),
            rules.baseline_watts
        ),
    )
}

fn shown<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests;
