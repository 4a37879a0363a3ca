//! One test a rule: the smallest evidence that trips it, and evidence that does not.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::*;
use crate::energy::aliasing::Coherence;
use crate::energy::baseline::BaselineSource;
use crate::energy::{GpuEnergy, IdleState, ReasonSample, ThrottleEvidence, total};

fn ruling(evidence: &RunEvidence<'_>) -> (Vec<String>, Vec<String>) {
    with(evidence, &VerdictRules::default())
}

fn with(evidence: &RunEvidence<'_>, rules: &VerdictRules) -> (Vec<String>, Vec<String>) {
    let ruling = judge_run(evidence, rules);
    let codes = ruling.reasons.into_iter().map(|reason| reason.code);
    (ruling.flags, codes.collect())
}

fn flags(codes: &[&str]) -> (Vec<String>, Vec<String>) {
    (
        codes.iter().map(|code| (*code).to_owned()).collect(),
        vec![],
    )
}

#[test]
fn nothing_seen_nothing_said() {
    assert_eq!(ruling(&RunEvidence::default()), flags(&[]));
}

#[test]
fn warm_ups_at_their_cap_are_flagged_and_rejected_under_strict_only() {
    let capped = |strict| RunEvidence {
        warmup: Some(Convergence::Capped),
        strict,
        ..RunEvidence::default()
    };
    assert_eq!(ruling(&capped(false)), flags(&[codes::WARMUP_CAPPED]));
    let (_, reasons) = ruling(&capped(true));
    assert_eq!(reasons, [codes::WARMUP_CAPPED]);
    let converged = RunEvidence {
        warmup: Some(Convergence::Converged),
        strict: true,
        ..RunEvidence::default()
    };
    assert_eq!(ruling(&converged), flags(&[]));
}

#[test]
fn a_gap_at_its_cap_is_a_flag_and_never_a_failure() {
    let gap = |state| RunEvidence {
        gap: Some(state),
        ..RunEvidence::default()
    };
    assert_eq!(ruling(&gap(GapState::Capped)), flags(&[codes::GAP_CAPPED]));
    assert_eq!(ruling(&gap(GapState::Settled)), flags(&[]));
}

#[test]
fn what_is_simulated_short_drifted_or_of_a_whole_gpu_says_so() {
    let drift = ["driver".to_owned()];
    let xids = [("GPU-a".to_owned(), 63)];
    let evidence = RunEvidence {
        simulated: true,
        parent_gpu: true,
        window_too_short: true,
        saturated: true,
        latencies_incomplete: true,
        slo_missed: true,
        environment_drift: &drift,
        xids: &xids,
        ..RunEvidence::default()
    };
    assert_eq!(
        ruling(&evidence),
        flags(&[
            codes::SIMULATED,
            codes::PARENT_GPU_ENERGY,
            codes::WINDOW_TOO_SHORT,
            codes::SATURATED,
            codes::LATENCIES_INCOMPLETE,
            codes::SLO_MISSED,
            codes::ENVIRONMENT_DRIFTED,
            codes::XID_REPORTED
        ])
    );
}

fn baseline(watts: f64) -> Baseline {
    Baseline {
        gpu: "GPU-a".to_owned(),
        state: IdleState::Resident,
        watts,
        half_width_watts: 0.5,
        seconds: 10.0,
        temperature_celsius: None,
        sm_clock_mhz: None,
        source: BaselineSource::Counter,
    }
}

#[test]
fn baselines_are_missed_where_required_and_must_be_stable() {
    let missing = |required| RunEvidence {
        baseline: BaselineEvidence {
            required,
            missing: Some("no GPU"),
            around: &[],
        },
        ..RunEvidence::default()
    };
    assert_eq!(ruling(&missing(true)).1, [codes::BASELINE_MISSING]);
    assert_eq!(ruling(&missing(false)), flags(&[]));
    let around = |after: f64| {
        vec![
            (baseline(118.0), baseline(118.0)),
            (baseline(118.0), baseline(after)),
        ]
    };
    for (after, want) in [
        (123.0, flags(&[])),
        (123.1, flags(&[codes::BASELINE_UNSTABLE])),
        (112.9, flags(&[codes::BASELINE_UNSTABLE])),
    ] {
        let around = around(after);
        let evidence = RunEvidence {
            baseline: BaselineEvidence {
                required: true,
                missing: None,
                around: &around,
            },
            ..RunEvidence::default()
        };
        assert_eq!(ruling(&evidence), want, "{after}");
    }
}

fn energy(joules: Option<f64>, coherent: bool) -> TotalEnergy {
    let mut part = GpuEnergy::missing("GPU-a", 30.0, "counter_missing: it was not read");
    part.joules = joules;
    part.flags = vec![codes::ENERGY_SOURCES_DISAGREE.to_owned()];
    part.coherence = Some(Coherence {
        load_period_ns: 1e8,
        update_period_ns: 1e8,
        harmonic: 1,
        phase_sweep: 0.0,
        coherent,
        term: 0.036,
    });
    total(&[part])
}

#[test]
fn energy_that_is_missing_disagrees_or_is_coherent() {
    let total = energy(None, false);
    let evidence = RunEvidence {
        energy: Some(&total),
        ..RunEvidence::default()
    };
    assert_eq!(
        ruling(&evidence),
        flags(&[codes::ENERGY_MISSING, codes::ENERGY_SOURCES_DISAGREE])
    );
    let total = energy(Some(1.0), true);
    let evidence = RunEvidence {
        energy: Some(&total),
        ..RunEvidence::default()
    };
    let wanted = flags(&[codes::ENERGY_SOURCES_DISAGREE, codes::LOAD_COHERENT]);
    assert_eq!(ruling(&evidence), wanted);
    let strict = VerdictRules {
        coherent: Coherent::Reject,
        ..VerdictRules::default()
    };
    assert_eq!(
        with(&evidence, &strict),
        (wanted.0, vec![codes::LOAD_COHERENT.to_owned()])
    );
}

#[test]
fn heat_lost_gpus_and_broken_identities_reject_together() {
    let samples = [ReasonSample {
        at_ns: 5,
        reasons: 0x40,
    }];
    let hot = Throttle::of(&ThrottleEvidence {
        gpu: "GPU-a",
        start_ns: 0,
        end_ns: 10,
        samples: &samples,
        counters: None,
    });
    let lost = ["GPU-b".to_owned()];
    let evidence = RunEvidence {
        throttles: std::slice::from_ref(&hot),
        lost_gpus: &lost,
        figures: Identities {
            joules: Some(1.0),
            seconds: Some(1.0),
            watts: Some(2.0),
            ..Identities::default()
        },
        ..RunEvidence::default()
    };
    assert_eq!(
        ruling(&evidence).1,
        [
            codes::THERMAL_THROTTLING,
            codes::GPU_LOST,
            codes::IDENTITY_VIOLATED
        ]
    );
}
