//! What becomes of tries over an edit, a seal and the user's wish: none comes back unasked, and what is asked for is
//! tried. The longer gap after heat is one attempt's.

use lemctl::execution::{Blame, Cause, Decision, Event, Reason, RunStatus, State, Verdict, decide};
use lemctl::units::Digest;

use crate::machine::{HOT, World, act, created, drive, planned, session};
use crate::refusals::{begun, ended, started};
use crate::retries::{retried, unlucky};

/// A campaign whose first run was hot. Its session goes on until lemctl has made the run due again (`retried`), or
/// is about to.
fn hot(execution: &str, retried: bool) -> State {
    let mut state = begun(&planned(execution));
    let mut world = World::default();
    loop {
        let decision = decide(&mut state);
        let retry = matches!(decision, Decision::Retry { .. });
        if retry && !retried {
            return state;
        }
        let luck = match &decision {
            Decision::Step(lemctl::plan::Step::Measure { .. }) => HOT,
            _ => 0,
        };
        for event in act(&state, &mut world, &decision, &mut || luck) {
            state.apply(&event).unwrap();
        }
        if retry {
            return state;
        }
    }
}

/// The campaign under a plan with these keys of `execution`.
fn edited(state: State, execution: &str) -> State {
    let plan = planned(execution);
    let mut state = state.migrate(plan.clone());
    let Event::CampaignCreated(fingerprint) = created(&plan) else {
        unreachable!("created() creates")
    };
    state.apply(&Event::ChangesAccepted(fingerprint)).unwrap();
    state
}

#[test]
fn an_edit_gives_no_tries_anew() {
    let mut state = edited(hot("cycles: 1", true), "cycles: 2");
    assert_eq!((state.attempts(0), state.status(0)), (1, &RunStatus::Due));
    state.apply(&session(2)).unwrap();
    let journal = unlucky(&mut state, &[1], HOT);
    assert_eq!(retried(&journal), [], "it was tried again before the edit");
    assert_eq!((state.attempts(0), state.tally().rejected), (2, 1));
}

#[test]
fn an_edit_after_a_seal_brings_no_wish_back() {
    // A lemctl that did not know of retries sealed a hot run.
    let mut state = hot("cycles: 1", false);
    let plan = state.plan().clone();
    for run in &plan.runs[1..] {
        let cause = Cause::new(Blame::Worker, "worker_gone", "x");
        let run = run.id.clone();
        state.apply(&Event::RunSkipped { run, cause }).unwrap();
    }
    state.apply(&Event::SessionEnded {}).unwrap();
    let manifest_sha256 = Digest::ZERO;
    state.apply(&Event::Sealed { manifest_sha256 }).unwrap();
    let mut state = edited(state, "cycles: 2");
    state.apply(&session(2)).unwrap();
    let journal = drive(&mut state, &mut World::default(), &mut || 0);
    assert_eq!(retried(&journal), [], "nobody asked for it");
    assert_eq!(state.attempts(0), 1);
}

#[test]
fn a_config_that_was_refused_in_a_window_is_tried_when_the_user_asks() {
    let plan = planned("cycles: 2");
    let mut state = begun(&plan);
    unlucky(&mut state, &[1], 1);
    assert_eq!((state.tally().failed, state.tally().skipped), (1, 1));
    let accepted = |run: &usize| {
        let verdict = state.status(*run);
        matches!(
            verdict,
            RunStatus::Ended {
                verdict: Verdict::Accepted,
                ..
            }
        )
    };
    let others = (0..plan.runs.len()).filter(|run| !accepted(run));
    let runs = others.map(|run| plan.runs[run].id.clone()).collect();
    state.apply(&Event::RunsReopened { runs }).unwrap();
    state.apply(&session(2)).unwrap();
    drive(&mut state, &mut World::default(), &mut || 0);
    assert_eq!(state.tally().accepted, plan.runs.len());
    assert_eq!(state.attempts(0), 2);
}

#[test]
fn the_longer_gap_ends_with_its_attempt() {
    let mut state = hot("cycles: 1, retries: {thermal_gap_seconds: 77}", true);
    assert_eq!(state.longer_gap(0), Some(77.0));
    state.apply(&session(2)).unwrap();
    assert_eq!(state.longer_gap(0), Some(77.0), "it was not tried yet");
    drive(&mut state, &mut World::default(), &mut || 0);
    assert_eq!(state.longer_gap(0), None);
    // What is reopened later waits as planned.
    let runs = vec![state.plan().runs[0].id.clone()];
    state.apply(&Event::RunsReopened { runs }).unwrap();
    assert_eq!(state.longer_gap(0), None);
}

#[test]
fn an_edit_keeps_the_longer_gap() {
    let heat = "retries: {thermal_gap_seconds: 77}";
    let state = hot(&format!("cycles: 1, {heat}"), true);
    let mut state = edited(state, &format!("cycles: 2, {heat}"));
    assert_eq!(state.longer_gap(0), Some(77.0));
    state.apply(&session(2)).unwrap();
    assert_eq!(state.longer_gap(0), Some(77.0));
}

/// The reasons of a rejection are in the order in which they were found: heat counts wherever it stands.
#[test]
fn heat_is_waited_for_wherever_it_stands_among_the_reasons() {
    let mut state = begun(&planned("cycles: 1, retries: {thermal_gap_seconds: 77}"));
    let reason = |code: &str| Reason {
        code: code.into(),
        message: "x".into(),
    };
    let reasons = vec![
        reason("container_disturbed"),
        reason("thermal_throttling_detected"),
    ];
    let start = started(&state, 0, 1);
    state.apply(&start).unwrap();
    let end = ended(&state, 0, 1, Verdict::Rejected { reasons }, true);
    state.apply(&end).unwrap();
    let Decision::Retry { gap_seconds, .. } = decide(&mut state) else {
        panic!("{:?}", state.tally())
    };
    assert_eq!(gap_seconds, Some(77.0));
}

/// An Engine that does not answer and a disk that takes no more say nothing of the step.
#[test]
fn a_step_that_an_outage_failed_is_due_again() {
    let plan = planned("cycles: 1");
    let outages = [
        "engine_unreachable",
        "engine_timed_out",
        "connection_broken",
        "disk",
    ];
    for step in ["ensure-image", "start-container", "probe-container"] {
        for (code, due) in outages
            .map(|code| (code, true))
            .into_iter()
            .chain([("x", false)])
        {
            let mut state = begun(&plan);
            let step = format!("{step}:gadget");
            let cause = Cause::new(Blame::Environment, code, "x");
            for event in [
                Event::StepStarted { step: step.clone() },
                Event::StepFailed { step, cause },
            ] {
                state.apply(&event).unwrap();
            }
            drive(&mut state, &mut World::default(), &mut || 0);
            assert_eq!(state.tally().skipped == 0, due, "{code}");
        }
    }
}
