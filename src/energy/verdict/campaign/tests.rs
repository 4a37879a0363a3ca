//! Each rule of a campaign on both sides of its limit, and where it does not apply.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::*;
use crate::energy::CycleValue;

fn experiment(id: &str, values: &[f64]) -> ExperimentEvidence {
    let runs: Vec<CycleValue> = values
        .iter()
        .zip(1..)
        .map(|(value, cycle)| CycleValue {
            cycle,
            session: 1,
            load: u64::from(cycle),
            gpus: vec![],
            value: *value,
        })
        .collect();
    ExperimentEvidence {
        id: id.to_owned(),
        figure: "joules_per_output_token".to_owned(),
        statistics: CycleStatistics::of(&runs, &VerdictRules::default()),
    }
}

fn good() -> CampaignEvidence {
    CampaignEvidence {
        runs: 6,
        accepted: 6,
        incomplete: vec![],
        seconds: 1000.0,
        experiments: vec![
            experiment("a", &[1.0, 1.01, 1.0]),
            experiment("b", &[2.0, 1.98, 2.01]),
        ],
        baselines: vec![BaselineRepeats {
            name: "GPU-a resident".to_owned(),
            watts: vec![116.0, 118.0, 117.0],
        }],
    }
}

fn outcome(evidence: &CampaignEvidence, rules: &VerdictRules, rule: &str) -> (Outcome, String) {
    let outcomes = judge_campaign(evidence, rules);
    assert_eq!(outcomes.len(), 6, "the same rules for every campaign");
    let found = outcomes.into_iter().find(|outcome| outcome.rule == rule);
    let found = found.unwrap();
    (found.outcome, found.detail)
}

fn campaign(evidence: &CampaignEvidence, rule: &str) -> (Outcome, String) {
    outcome(evidence, &VerdictRules::default(), rule)
}

#[test]
fn a_good_campaign_passes_what_is_asked_of_it() {
    for (rule, want) in [
        ("quick_time", Outcome::NotApplicable),
        ("quick_result", Outcome::NotApplicable),
        ("runs_complete", Outcome::Pass),
        ("cycle_cv", Outcome::Pass),
        ("cycle_drift", Outcome::Pass),
        ("baseline_repeats", Outcome::Pass),
    ] {
        let (found, detail) = campaign(&good(), rule);
        assert_eq!(found, want, "{rule}: {detail}");
    }
}

#[test]
fn quick_asks_for_a_result_in_a_short_time_and_for_no_more() {
    let rules = VerdictRules {
        kind: RulesKind::Quick,
        ..VerdictRules::default()
    };
    let quick = |seconds, accepted| CampaignEvidence {
        seconds,
        accepted,
        ..good()
    };
    for (seconds, want) in [(299.9, Outcome::Pass), (300.0, Outcome::Fail)] {
        assert_eq!(outcome(&quick(seconds, 6), &rules, "quick_time").0, want);
    }
    for (accepted, want) in [(1, Outcome::Pass), (0, Outcome::Fail)] {
        assert_eq!(
            outcome(&quick(1.0, accepted), &rules, "quick_result").0,
            want
        );
    }
    for rule in ["runs_complete", "cycle_cv", "cycle_drift"] {
        assert_eq!(
            outcome(&quick(1.0, 1), &rules, rule).0,
            Outcome::NotApplicable
        );
    }
}

#[test]
fn every_run_must_be_accepted() {
    let evidence = CampaignEvidence {
        accepted: 5,
        incomplete: vec!["a.c2".to_owned()],
        ..good()
    };
    let (found, detail) = campaign(&evidence, "runs_complete");
    assert_eq!(found, Outcome::Fail);
    assert_eq!(detail, "5 of 6 runs accepted; not: a.c2");
    let none = CampaignEvidence::default();
    assert_eq!(campaign(&none, "runs_complete").0, Outcome::Fail);
}

#[test]
fn spread_and_drift_of_any_experiment_fail_the_campaign() {
    let mut evidence = good();
    evidence.experiments.push(experiment("c", &[1.0, 1.3, 1.0]));
    let (found, detail) = campaign(&evidence, "cycle_cv");
    assert_eq!(found, Outcome::Fail);
    assert!(
        detail.contains("15.7 % (c, joules_per_output_token)"),
        "{detail}"
    );
    let mut evidence = good();
    evidence
        .experiments
        .push(experiment("d", &[1.0, 0.98, 0.96, 0.94]));
    let (found, detail) = campaign(&evidence, "cycle_drift");
    assert_eq!(found, Outcome::Fail);
    assert!(detail.contains("-8.2 % (d"), "{detail}");
    assert_eq!(campaign(&evidence, "cycle_cv").0, Outcome::Pass);
}

#[test]
fn one_cycle_has_neither_spread_nor_drift() {
    let evidence = CampaignEvidence {
        experiments: vec![experiment("a", &[1.0]), experiment("b", &[])],
        ..good()
    };
    for rule in ["cycle_cv", "cycle_drift"] {
        assert_eq!(
            campaign(&evidence, rule).0,
            Outcome::NotApplicable,
            "{rule}"
        );
    }
}

#[test]
fn baselines_repeat_within_their_watts() {
    let with = |watts: Vec<f64>| CampaignEvidence {
        baselines: vec![BaselineRepeats {
            name: "GPU-a bare".to_owned(),
            watts,
        }],
        ..good()
    };
    for (watts, want) in [
        (vec![70.0, 80.0], Outcome::Pass),
        (vec![70.0, 80.1], Outcome::Fail),
        (vec![70.0], Outcome::NotApplicable),
        (vec![], Outcome::NotApplicable),
    ] {
        let (found, detail) = campaign(&with(watts.clone()), "baseline_repeats");
        assert_eq!(found, want, "{watts:?}: {detail}");
    }
}
