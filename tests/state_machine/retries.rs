//! What is tried again without being asked: heat and failures of the environment, as often as the campaign allows,
//! at once, on an engine that fits, and told in every attempt. Wherever the journal is cut it comes out the same.

use std::collections::HashMap;
use std::sync::Arc;

use lemctl::execution::{
    Attempt, Because, Blame, Cause, Decision, Event, RunStatus, State, Verdict, decide,
};
use lemctl::plan::Plan;
use lemctl::units::Digest;
use proptest::prelude::*;

use crate::machine::{HOT, World, act, created, drive, planned, session, shape};

fn begun(plan: &Arc<Plan>) -> State {
    let mut state = State::new(plan.clone());
    state.apply(&created(plan)).unwrap();
    state.apply(&session(1)).unwrap();
    state
}

/// A session in which the measurements with these numbers, from 1, end with this luck.
pub fn unlucky(state: &mut State, which: &[u32], luck: u8) -> Vec<Event> {
    let mut world = World::default();
    let mut measured = 0;
    let mut journal = Vec::new();
    for _ in 0..10_000 {
        let decision = decide(state);
        let measure = matches!(
            &decision,
            Decision::Step(lemctl::plan::Step::Measure { .. })
        );
        measured += u32::from(measure);
        let hit = measure && which.contains(&measured);
        for event in act(state, &mut world, &decision, &mut || {
            if hit { luck } else { 0 }
        }) {
            state.apply(&event).unwrap();
            let ended = event == Event::SessionEnded {};
            journal.push(event);
            if ended {
                return journal;
            }
        }
    }
    panic!("the session does not end");
}

pub fn retried(journal: &[Event]) -> Vec<(String, u32, Option<f64>)> {
    let retries = journal.iter().filter_map(|event| match event {
        Event::RunRetried {
            run,
            attempt,
            gap_seconds,
            ..
        } => Some((run.clone(), *attempt, *gap_seconds)),
        _ => None,
    });
    retries.collect()
}

fn history(state: &State, run: usize) -> Vec<Attempt> {
    state.history(run).collect()
}

#[test]
fn heat_is_waited_for_once_and_both_attempts_stay() {
    let plan = planned("cycles: 1, retries: {thermal_gap_seconds: 77}");
    let mut state = begun(&plan);
    let journal = unlucky(&mut state, &[1], HOT);
    let first = plan.runs[0].id.clone();
    assert_eq!(retried(&journal), [(first.clone(), 1, Some(77.0))]);
    // At once: the next measurement is of the same run, on the same load.
    let started: Vec<&str> = journal
        .iter()
        .filter_map(|event| match event {
            Event::AttemptStarted { run, .. } => Some(run.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(started[..2], [&*first, &*first]);
    let loads = journal.iter().filter(
        |event| matches!(event, Event::StepDone { step, .. } if step.starts_with("load-engine")),
    );
    assert_eq!(loads.count(), plan.loads.len(), "no further load");
    let attempts = history(&state, 0);
    assert!(matches!(
        attempts[0].verdict,
        Some(Verdict::Rejected { .. })
    ));
    assert!(attempts[0].result.is_some() && attempts[0].because.is_none());
    assert_eq!(attempts[1].verdict, Some(Verdict::Accepted));
    let Some(Because::Retried { reason }) = &attempts[1].because else {
        panic!("{attempts:?}")
    };
    assert_eq!(reason.code, "thermal_throttling_detected");
    assert_eq!(state.tally().accepted, plan.runs.len());
    let tries = state.tries();
    let runs = u32::try_from(plan.runs.len()).unwrap();
    assert_eq!((tries.attempts, tries.retried), (runs + 1, 1));
}

#[test]
fn heat_that_comes_again_is_a_rejection_and_the_campaign_goes_on() {
    let plan = planned("cycles: 1");
    let mut state = begun(&plan);
    let journal = unlucky(&mut state, &[1, 2], HOT);
    assert_eq!(retried(&journal).len(), 1);
    assert_eq!(
        (state.tally().rejected, state.tally().accepted),
        (1, plan.runs.len() - 1)
    );
    assert_eq!(state.attempts(0), 2);
}

#[test]
fn the_bound_is_the_campaigns() {
    for (max, tries) in [(0, 1), (1, 2), (3, 4)] {
        let plan = planned(&format!("cycles: 1, retries: {{max: {max}}}"));
        for luck in [HOT, 3] {
            let mut state = begun(&plan);
            unlucky(&mut state, &[1, 2, 3, 4, 5], luck);
            assert_eq!(state.attempts(0), tries, "max {max}, luck {luck}");
        }
    }
}

#[test]
fn what_a_worker_or_a_config_does_is_not_repeated() {
    let plan = planned("cycles: 1");
    for luck in [1, 2] {
        let mut state = begun(&plan);
        let journal = unlucky(&mut state, &[1], luck);
        assert_eq!(retried(&journal), []);
        assert_eq!((state.tally().failed, state.attempts(0)), (1, 1));
    }
}

#[test]
fn a_cold_start_stays_cold_when_it_is_tried_again() {
    let plan = planned("cycles: 1, force_cold_start: true");
    let mut state = begun(&plan);
    let journal = unlucky(&mut state, &[1], HOT);
    let mut fresh = false;
    for event in &journal {
        match event {
            Event::StepDone { step, .. } if step.starts_with("load-engine") => fresh = true,
            Event::AttemptStarted { run, attempt } => {
                assert!(
                    fresh,
                    "attempt {attempt} at {run} on a worker that measured"
                );
                fresh = false;
            }
            _ => {}
        }
    }
    assert_eq!(state.tally().accepted, plan.runs.len());
}

#[test]
fn what_the_user_reopens_may_be_tried_again_by_itself_once_more() {
    let plan = planned("cycles: 1");
    let mut state = begun(&plan);
    unlucky(&mut state, &[1, 2], HOT);
    let run = plan.runs[0].id.clone();
    state
        .apply(&Event::RunsReopened { runs: vec![run] })
        .unwrap();
    state.apply(&session(2)).unwrap();
    let journal = unlucky(&mut state, &[1], HOT);
    assert_eq!(retried(&journal).len(), 1);
    let because: Vec<Option<Because>> = history(&state, 0)
        .into_iter()
        .map(|attempt| attempt.because)
        .collect();
    assert!(
        matches!(
            &because[..],
            [
                None,
                Some(Because::Retried { .. }),
                Some(Because::Reopened),
                Some(Because::Retried { .. })
            ]
        ),
        "{because:?}"
    );
}

#[test]
fn what_was_sealed_stands_until_somebody_asks() {
    let plan = planned("cycles: 1");
    // A lemctl that did not know of retries sealed a hot run.
    let mut state = begun(&plan);
    let mut world = World::default();
    while state.tally().due > 0 {
        let decision = decide(&mut state);
        let hot = matches!(
            &decision,
            Decision::Step(lemctl::plan::Step::Measure { run: 0 })
        );
        for event in act(&state, &mut world, &decision, &mut || {
            if hot { HOT } else { 0 }
        }) {
            state.apply(&event).unwrap();
        }
        if let Decision::Retry { .. } = decide(&mut state) {
            break;
        }
    }
    assert_eq!(state.attempts(0), 1);
    for run in plan.runs.iter().skip(1) {
        let cause = Cause::new(Blame::Worker, "worker_gone", "x");
        let run = run.id.clone();
        state.apply(&Event::RunSkipped { run, cause }).unwrap();
    }
    state.apply(&Event::SessionEnded {}).unwrap();
    let manifest_sha256 = Digest::ZERO;
    state.apply(&Event::Sealed { manifest_sha256 }).unwrap();
    let runs = vec![plan.runs[1].id.clone()];
    state.apply(&Event::RunsReopened { runs }).unwrap();
    state.apply(&session(2)).unwrap();
    drive(&mut state, &mut World::default(), &mut || 0);
    assert_eq!(state.attempts(0), 1, "nobody asked for it");
    assert_eq!(state.attempts(1), 1);
}

#[test]
fn a_retry_that_cannot_be_is_refused_and_changes_nothing() {
    let plan = planned("cycles: 1");
    let mut state = begun(&plan);
    let run = plan.runs[0].id.clone();
    let retry = |attempt| Event::RunRetried {
        run: run.clone(),
        attempt,
        reason: lemctl::execution::Reason {
            code: "x".into(),
            message: "x".into(),
        },
        gap_seconds: None,
    };
    assert!(state.apply(&retry(0)).is_err(), "it was never tried");
    let journal = unlucky(&mut state, &[1], 2);
    assert!(
        journal
            .iter()
            .any(|event| matches!(event, Event::AttemptEnded { run: ended, .. } if *ended == run))
    );
    assert!(state.apply(&retry(1)).is_err(), "no session is open");
    state.apply(&session(2)).unwrap();
    assert!(state.apply(&retry(2)).is_err(), "another attempt's");
    let before = shape(&state);
    let accepted = plan.runs[1].id.clone();
    let of_accepted = Event::RunRetried {
        run: accepted,
        attempt: 1,
        reason: lemctl::execution::Reason {
            code: "x".into(),
            message: "x".into(),
        },
        gap_seconds: None,
    };
    assert!(state.apply(&of_accepted).is_err(), "accepted runs stand");
    assert_eq!(shape(&state), before);
    assert!(state.apply(&retry(1)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Cut the journal of an unlucky session anywhere: the next session makes of every run what the bound allows and
    /// no more, no accepted run is tried again, each further attempt says why, and a replay gives the same.
    #[test]
    fn a_cut_anywhere_keeps_the_bound_and_the_reasons(
        max in 0u32..3,
        cold: bool,
        luck in prop::collection::vec(prop::sample::select(vec![0u8, 0, 0, 0, 0, HOT, HOT, 3, 2]), 1..120),
        cut in 0.0f64..1.0,
    ) {
        let plan = planned(&format!("cycles: 2, force_cold_start: {cold}, retries: {{max: {max}}}"));
        let mut state = begun(&plan);
        let mut journal = vec![created(&plan), session(1)];
        let mut rolls = luck.into_iter();
        journal.extend(drive(&mut state, &mut World::default(), &mut || rolls.next().unwrap_or(0)));
        let keep = 2 + ((journal.len() - 2) as f64 * cut) as usize;
        journal.truncate(keep);
        let mut resumed = State::new(plan.clone());
        for event in &journal {
            resumed.apply(event).unwrap();
        }
        let accepted: Vec<usize> = (0..plan.runs.len())
            .filter(|run| matches!(resumed.status(*run), RunStatus::Ended { verdict: Verdict::Accepted, .. }))
            .collect();
        resumed.apply(&session(2)).unwrap();
        journal.push(session(2));
        let attempts: Vec<u32> = accepted.iter().map(|run| resumed.attempts(*run)).collect();
        journal.extend(drive(&mut resumed, &mut World::default(), &mut || 0));
        prop_assert_eq!(attempts, accepted.iter().map(|run| resumed.attempts(*run)).collect::<Vec<_>>());
        let mut by_run: HashMap<&str, u32> = HashMap::new();
        for event in &journal {
            if let Event::RunRetried { run, .. } = event {
                *by_run.entry(run).or_default() += 1;
            }
        }
        prop_assert!(by_run.values().all(|times| *times <= max), "{:?}", by_run);
        let mut told = 0;
        for run in 0..plan.runs.len() {
            for (number, attempt) in history(&resumed, run).iter().enumerate() {
                prop_assert_eq!(number > 0, attempt.because.is_some(), "attempt {} at {}", number + 1, run);
                told += u32::from(matches!(attempt.because, Some(Because::Retried { .. })));
            }
        }
        // One that was cut off after its retry is interrupted: its successor tells of that.
        prop_assert!(told <= by_run.values().sum::<u32>());
        let mut replayed = State::new(plan);
        for event in &journal {
            replayed.apply(event).unwrap();
        }
        prop_assert_eq!(shape(&replayed), shape(&resumed));
        prop_assert_eq!(replayed.tries(), resumed.tries());
    }
}
