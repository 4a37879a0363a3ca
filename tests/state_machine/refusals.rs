//! What cannot have happened is refused, each by a guard of its own, and changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use lemctl::execution::{
    Assessed, Blame, Cause, Decision, Event, ResultFile, State, Verdict, decide,
};
use lemctl::plan::Plan;
use lemctl::quality::{Quality, codes};
use lemctl::units::Digest;

use crate::machine::{HOT, World, act, created, plan, planned, session, shape};

/// A first session in which nothing was begun yet.
pub fn begun(plan: &Arc<Plan>) -> State {
    let mut state = State::new(plan.clone());
    state.apply(&created(plan)).unwrap();
    state.apply(&session(1)).unwrap();
    state
}

pub fn started(state: &State, run: usize, attempt: u32) -> Event {
    let run = state.plan().runs[run].id.clone();
    Event::AttemptStarted { run, attempt }
}

/// The end of an attempt, with a result or without.
pub fn ended(state: &State, run: usize, attempt: u32, verdict: Verdict, backed: bool) -> Event {
    let run = state.plan().runs[run].id.clone();
    let result = backed.then(|| ResultFile {
        path: format!("{run}/a{attempt}"),
        sha256: Digest::ZERO,
    });
    Event::AttemptEnded {
        run,
        attempt,
        verdict,
        result,
        figures: BTreeMap::new(),
        simulated: false,
    }
}

fn cause() -> Cause {
    Cause::new(Blame::Worker, "worker_gone", "x")
}

fn skipped(state: &State, run: usize) -> Event {
    let run = state.plan().runs[run].id.clone();
    Event::RunSkipped {
        run,
        cause: cause(),
    }
}

fn reopened(state: &State, runs: &[usize]) -> Event {
    let id = |run: &usize| state.plan().runs[*run].id.clone();
    Event::RunsReopened {
        runs: runs.iter().map(id).collect(),
    }
}

fn changes(plan: &Plan) -> Event {
    let Event::CampaignCreated(fingerprint) = created(plan) else {
        unreachable!("created() creates")
    };
    Event::ChangesAccepted(fingerprint)
}

#[track_caller]
fn refused(state: &mut State, event: &Event) {
    let before = (shape(state), state.tally(), state.sealed());
    assert!(state.apply(event).is_err(), "{event:?}");
    assert_eq!((shape(state), state.tally(), state.sealed()), before);
}

#[track_caller]
fn applied(state: &mut State, event: &Event) {
    state.apply(event).unwrap();
}

#[test]
fn no_other_run_is_started_while_one_is_open() {
    let mut state = begun(&plan("interleaved", 1, false));
    let (first, other) = (started(&state, 0, 1), started(&state, 1, 1));
    applied(&mut state, &first);
    refused(&mut state, &other);
    let end = ended(&state, 0, 1, Verdict::Accepted, true);
    applied(&mut state, &end);
    applied(&mut state, &other);
}

#[test]
fn an_attempt_ends_by_its_own_number() {
    let mut state = begun(&plan("interleaved", 1, false));
    let start = started(&state, 0, 1);
    applied(&mut state, &start);
    for attempt in [0, 2] {
        let end = ended(&state, 0, attempt, Verdict::Accepted, true);
        refused(&mut state, &end);
        let run = state.plan().runs[0].id.clone();
        refused(&mut state, &Event::AttemptInterrupted { run, attempt });
    }
    let of_another = ended(&state, 1, 1, Verdict::Accepted, true);
    refused(&mut state, &of_another);
}

#[test]
fn what_failed_has_no_result() {
    let mut state = begun(&plan("interleaved", 1, false));
    let start = started(&state, 0, 1);
    applied(&mut state, &start);
    let failed = Verdict::Failed { cause: cause() };
    let backed = ended(&state, 0, 1, failed.clone(), true);
    refused(&mut state, &backed);
    let end = ended(&state, 0, 1, failed, false);
    applied(&mut state, &end);
}

#[test]
fn what_was_begun_does_not_end_as_skipped() {
    let mut state = begun(&plan("interleaved", 1, false));
    let start = started(&state, 0, 1);
    applied(&mut state, &start);
    for backed in [false, true] {
        let verdict = Verdict::Skipped { cause: cause() };
        let end = ended(&state, 0, 1, verdict, backed);
        refused(&mut state, &end);
    }
}

#[test]
fn only_what_is_due_is_skipped() {
    let mut state = begun(&plan("interleaved", 1, false));
    let (start, skip) = (started(&state, 0, 1), skipped(&state, 0));
    applied(&mut state, &start);
    refused(&mut state, &skip);
    let end = ended(&state, 0, 1, Verdict::Accepted, true);
    applied(&mut state, &end);
    refused(&mut state, &skip);
    let other = skipped(&state, 1);
    applied(&mut state, &other);
    refused(&mut state, &other);
}

#[test]
fn no_result_is_lost_while_its_run_is_measured() {
    let mut state = begun(&planned("cycles: 1"));
    let mut world = World::default();
    // Hot at first: the second attempt is open beside the result of the first.
    loop {
        let decision = decide(&mut state);
        if state.attempts(0) == 1 && !matches!(decision, Decision::Retry { .. }) {
            break;
        }
        for event in act(&state, &mut world, &decision, &mut || match &decision {
            Decision::Step(lemctl::plan::Step::Measure { .. }) => HOT,
            _ => 0,
        }) {
            state.apply(&event).unwrap();
        }
    }
    let start = started(&state, 0, 2);
    applied(&mut state, &start);
    let lost = Event::ResultLost {
        run: state.plan().runs[0].id.clone(),
        attempt: 1,
        reason: "altered".into(),
    };
    refused(&mut state, &lost);
    let end = ended(&state, 0, 2, Verdict::Accepted, true);
    applied(&mut state, &end);
    applied(&mut state, &lost);
}

#[test]
fn only_what_has_a_verdict_is_reopened() {
    let mut state = begun(&plan("interleaved", 1, false));
    let skip = skipped(&state, 1);
    applied(&mut state, &skip);
    let start = started(&state, 0, 1);
    applied(&mut state, &start);
    for runs in [&[0][..], &[2], &[1, 0], &[1, 2]] {
        let reopen = reopened(&state, runs);
        refused(&mut state, &reopen);
    }
    let reopen = reopened(&state, &[1]);
    applied(&mut state, &reopen);
}

#[test]
fn nothing_is_sealed_while_its_session_is_open() {
    let mut state = begun(&plan("interleaved", 1, false));
    for run in 0..state.plan().runs.len() {
        let skip = skipped(&state, run);
        applied(&mut state, &skip);
    }
    let sealed = Event::Sealed {
        manifest_sha256: Digest::ZERO,
    };
    refused(&mut state, &sealed);
    applied(&mut state, &Event::SessionEnded {});
    applied(&mut state, &sealed);
}

#[test]
fn no_changes_are_accepted_while_a_run_is_measured() {
    let plan = plan("interleaved", 1, false);
    let mut state = begun(&plan);
    let start = started(&state, 0, 1);
    applied(&mut state, &start);
    refused(&mut state, &changes(&plan));
    let end = ended(&state, 0, 1, Verdict::Accepted, true);
    applied(&mut state, &end);
    applied(&mut state, &changes(&plan));
}

#[test]
fn changes_are_of_the_plan_that_the_state_was_moved_to() {
    let mut state = begun(&plan("interleaved", 1, false));
    let edited = plan("interleaved", 2, false);
    refused(&mut state, &changes(&edited));
    let mut state = state.migrate(edited.clone());
    refused(&mut state, &changes(&plan("interleaved", 1, false)));
    applied(&mut state, &changes(&edited));
}

#[test]
fn quality_is_of_an_experiment_that_the_plan_has() {
    let mut state = begun(&plan("interleaved", 1, false));
    let assessed = Assessed {
        run: state.plan().runs[0].id.clone(),
        attempt: 1,
        prompts: Digest::ZERO,
        file: None,
        quality: Quality::not_assessed(codes::ASSESS_FAILED, "x"),
    };
    let of = |experiment| Event::QualityAssessed {
        experiment,
        assessed: assessed.clone(),
    };
    let other = Digest::of(b"of another campaign");
    refused(&mut state, &of(other));
    assert!(state.quality(&other).is_none());
    let planned = state.plan().experiments[0].hash;
    applied(&mut state, &of(planned));
}
