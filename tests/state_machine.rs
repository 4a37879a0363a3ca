//! The state machine: whatever fails and wherever it is cut, replay gives the same state, conditions hold
//! before a measurement, and every run ends with one verdict.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/campaigns.rs"]
mod campaigns;
#[path = "support/machine.rs"]
mod machine;

#[path = "state_machine/again.rs"]
mod again;
#[path = "state_machine/asking.rs"]
mod asking;
#[path = "state_machine/growth.rs"]
mod growth;
#[path = "state_machine/refusals.rs"]
mod refusals;
#[path = "state_machine/retries.rs"]
mod retries;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use lemctl::execution::{
    Blame, Cause, Decision, Event, ResultFile, RunStatus, State, Verdict, decide,
};
use lemctl::plan::{Plan, Step};
use lemctl::units::Digest;
use machine::{HOT, TWO_BACKENDS, World, act, created, drive, plan, session, shape};
use proptest::prelude::*;

#[test]
fn without_failures_the_order_of_the_plan_is_what_happens() {
    for structure in ["grouped", "interleaved", "shuffled", "latin_square"] {
        for cold in [false, true] {
            let plan = plan(structure, 2, cold);
            let mut state = State::new(plan.clone());
            state.apply(&created(&plan)).unwrap();
            state.apply(&session(1)).unwrap();
            let journal = drive(&mut state, &mut World::default(), &mut || 0);
            let runs: Vec<&str> = journal
                .iter()
                .filter_map(|event| match event {
                    Event::AttemptStarted { run, .. } => Some(run.as_str()),
                    _ => None,
                })
                .collect();
            let want: Vec<&str> = plan.runs.iter().map(|run| run.id.as_str()).collect();
            assert_eq!(runs, want);
            let loads = journal.iter().filter(
                |event| matches!(event, Event::StepDone { step, .. } if step.starts_with("load-engine")),
            );
            assert_eq!(loads.count(), plan.loads.len());
            assert_eq!(state.tally().accepted, plan.runs.len());
        }
    }
}

#[test]
fn the_graph_is_acyclic_and_its_order_topological() {
    for structure in ["grouped", "interleaved", "shuffled", "latin_square"] {
        let plan = plan(structure, 3, false);
        for edge in plan.graph.edge_indices() {
            let (from, to) = plan.graph.edge_endpoints(edge).unwrap();
            assert!(from < to);
        }
        for run in &plan.runs {
            let load = plan.loads[run.load].node;
            assert!(
                plan.graph.contains_edge(load, run.node),
                "a run needs its load"
            );
        }
    }
}

/// A session in which the first step of a kind fails by its config and everything else works.
fn refused_once(plan: &Arc<Plan>, kind: impl Fn(&Step) -> bool) -> State {
    let mut state = State::new(plan.clone());
    state.apply(&created(plan)).unwrap();
    state.apply(&session(1)).unwrap();
    let mut first = true;
    let mut world = World::default();
    for _ in 0..1000 {
        let decision = decide(&mut state);
        let fails = first && matches!(&decision, Decision::Step(step) if kind(step));
        first &= !fails;
        let events = act(&state, &mut world, &decision, &mut || u8::from(fails));
        for event in &events {
            state.apply(event).unwrap();
        }
        if events.last() == Some(&Event::SessionEnded {}) {
            return state;
        }
    }
    panic!("the session does not end");
}

#[test]
fn a_refused_config_is_not_tried_again() {
    let plan = plan("interleaved", 3, false);
    // The first measurement fails by its config; everything else works.
    let state = refused_once(&plan, |step| matches!(step, Step::Measure { .. }));
    let tally = state.tally();
    assert_eq!(
        (tally.failed, tally.skipped),
        (1, 2),
        "two later cycles are skipped"
    );
    let skipped = skipped(&state);
    assert_eq!(skipped.len(), 2);
    for cause in skipped {
        assert_eq!(cause.code, format!("same_as:{}", plan.runs[0].id));
        assert_eq!(cause.origin(), "bad_parameter", "what it goes back to");
    }
}

/// Causes of the skipped runs.
fn skipped(state: &State) -> Vec<Cause> {
    let runs = shape(state).into_iter();
    runs.filter_map(|(_, status, _)| match status {
        RunStatus::Ended {
            verdict: Verdict::Skipped { cause },
            ..
        } => Some(cause),
        _ => None,
    })
    .collect()
}

/// However often a cause is passed on, the code that all began with stays: a retry finds the runs by it.
#[test]
fn a_refused_load_names_its_code_in_every_run_it_takes_along() {
    let plan = plan("interleaved", 3, false);
    let state = refused_once(&plan, |step| matches!(step, Step::LoadEngine { .. }));
    let key = |run: &lemctl::plan::Run| plan.loads[run.load].engine_key;
    let of_key = plan
        .runs
        .iter()
        .filter(|run| key(run) == key(&plan.runs[0]));
    let skipped = skipped(&state);
    assert_eq!(skipped.len(), of_key.count());
    for cause in &skipped {
        assert_eq!(cause.origin(), "bad_parameter", "{cause}");
    }
}

/// Two rules stand between a refused load and its endless repetition: what is known of the engine key,
/// and that a load which failed is over for the session, whatever becomes of the first.
#[test]
fn a_refused_load_is_started_once_in_a_session() {
    let plan = plan("interleaved", 2, false);
    let mut state = State::new(plan.clone());
    state.apply(&created(&plan)).unwrap();
    state.apply(&session(1)).unwrap();
    let mut world = World::default();
    for _ in 0..100 {
        let decision = decide(&mut state);
        let refuse = match &decision {
            Decision::Step(step) => matches!(step, Step::LoadEngine { .. }),
            Decision::Skip { run, cause } => {
                assert_eq!((*run, cause.code.as_str()), (0, "needs:load-engine:0"));
                return;
            }
            _ => panic!("{:?}", state.tally()),
        };
        for event in act(&state, &mut world, &decision, &mut || u8::from(refuse)) {
            state.apply(&event).unwrap();
        }
        if refuse {
            let run = plan.runs[0].id.clone();
            let cause = Cause::new(Blame::Config, "same_as", "refused");
            let skipped = Event::RunSkipped {
                run: run.clone(),
                cause,
            };
            state.apply(&skipped).unwrap();
            state
                .apply(&Event::RunsReopened { runs: vec![run] })
                .unwrap();
        }
    }
    panic!("the load is started again and again");
}

#[test]
fn a_failed_image_skips_its_backend_and_no_other() {
    let plan = plan("interleaved", 2, false);
    let mut state = State::new(plan.clone());
    state.apply(&created(&plan)).unwrap();
    state.apply(&session(1)).unwrap();
    let step = "ensure-image:gadget".to_owned();
    state
        .apply(&Event::StepStarted { step: step.clone() })
        .unwrap();
    let cause = Cause::new(Blame::Environment, "image_missing", "not here");
    state.apply(&Event::StepFailed { step, cause }).unwrap();
    drive(&mut state, &mut World::default(), &mut || 0);
    for (id, status, _) in shape(&state) {
        let RunStatus::Ended { verdict, .. } = status else {
            panic!("{id} did not end")
        };
        match (id.starts_with("gadget"), verdict) {
            (true, Verdict::Skipped { cause }) => {
                assert_eq!(cause.code, "needs:ensure-image:gadget")
            }
            (false, Verdict::Accepted) => {}
            (_, verdict) => panic!("{id}: {verdict:?}"),
        }
    }
}

/// A first session begins before its model is known; from the step that has it the environment's hash holds it.
#[test]
fn the_model_enters_the_environments_hash_when_it_is_known() {
    let text = TWO_BACKENDS
        .replace("{random: {seed: 1}}", "{local: {path: m}}")
        .replace("[reference, gadget]", "[widget]")
        .replace(
            "reference: {num_layers: [1, 2], batch_size: [1, 2]}",
            "widget: {load_quantised: [true]}",
        )
        .replace("arrival: batch", "arrival: {closed_loop: {concurrency: 1}}");
    let campaign = campaigns::load_text(&text);
    let plan = Arc::new(Plan::new(&campaign, campaign.expand().experiments));
    let mut state = State::new(plan.clone());
    state.apply(&created(&plan)).unwrap();
    state.apply(&session(1)).unwrap();
    let hash = Digest::of(b"with the model");
    let done = |detail| Event::StepDone {
        step: "ensure-model:widget".into(),
        detail,
    };
    state
        .apply(&done(serde_json::json!({ "id": "m" })))
        .unwrap();
    assert_eq!(
        state.environment().unwrap().0,
        Digest::ZERO,
        "of an older lemctl"
    );
    let detail = serde_json::json!({ "id": "m", "environment_hash": hash });
    state.apply(&done(detail)).unwrap();
    assert_eq!(state.environment().unwrap().0, hash);
}

#[test]
fn an_illegal_event_is_refused_and_changes_nothing() {
    let plan = plan("interleaved", 1, false);
    let run = plan.runs[0].id.clone();
    let result = Some(ResultFile {
        path: "x".into(),
        sha256: Digest::ZERO,
    });
    let ended = |verdict, result| Event::AttemptEnded {
        run: run.clone(),
        attempt: 1,
        verdict,
        result,
        figures: BTreeMap::new(),
        simulated: false,
    };
    let started = Event::AttemptStarted {
        run: run.clone(),
        attempt: 1,
    };
    let mut state = State::new(plan.clone());
    assert!(state.apply(&session(1)).is_err(), "no campaign");
    state.apply(&created(&plan)).unwrap();
    assert!(state.apply(&created(&plan)).is_err(), "created twice");
    assert!(state.apply(&started).is_err(), "no session");
    assert!(
        state.apply(&session(2)).is_err(),
        "session numbers skip none"
    );
    state.apply(&session(1)).unwrap();
    assert!(
        state
            .apply(&ended(Verdict::Accepted, result.clone()))
            .is_err(),
        "never started"
    );
    assert!(
        state
            .apply(&Event::AttemptStarted {
                run: run.clone(),
                attempt: 2
            })
            .is_err()
    );
    assert!(
        state
            .apply(&Event::StepDone {
                step: "no-such".into(),
                detail: ().into()
            })
            .is_err()
    );
    state.apply(&started).unwrap();
    assert!(state.apply(&started).is_err(), "it runs already");
    assert!(
        state.apply(&Event::SessionEnded {}).is_err(),
        "an attempt runs"
    );
    assert!(
        state.apply(&ended(Verdict::Accepted, None)).is_err(),
        "accepted without a result"
    );
    state
        .apply(&ended(Verdict::Accepted, result.clone()))
        .unwrap();
    assert!(
        state.apply(&ended(Verdict::Accepted, result)).is_err(),
        "it ended already"
    );
    assert!(
        state
            .apply(&Event::AttemptStarted { run, attempt: 2 })
            .is_err(),
        "accepted runs never run again"
    );
    state.apply(&Event::SessionEnded {}).unwrap();
    assert!(
        state
            .apply(&Event::Sealed {
                manifest_sha256: Digest::ZERO
            })
            .is_err(),
        "runs are due"
    );
}

#[test]
fn an_edited_campaign_keeps_what_is_the_same() {
    let old = plan("interleaved", 2, false);
    let mut state = State::new(old.clone());
    state.apply(&created(&old)).unwrap();
    state.apply(&session(1)).unwrap();
    drive(&mut state, &mut World::default(), &mut || 0);
    let text = TWO_BACKENDS.replace("num_layers: [1, 2]", "num_layers: [2, 3]");
    let campaign = campaigns::load_text(&format!("{text}execution: {{cycles: 3}}\n"));
    let new = Arc::new(Plan::new(&campaign, campaign.expand().experiments));
    let mut state = state.migrate(new.clone());
    let Event::CampaignCreated(fingerprint) = created(&new) else {
        unreachable!()
    };
    state.apply(&Event::ChangesAccepted(fingerprint)).unwrap();
    // 5 experiments x 2 cycles were accepted; the 2 of one layer (x 2 cycles) are gone.
    assert_eq!(state.tally().accepted, 6);
    assert_eq!(state.retired().len(), 4);
    assert_eq!(state.tally().due, 5 * 3 - 6);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Random failures: the session ends, nothing is left standing, no run is measured twice after it was
    /// accepted, and a replay of the events gives the same state.
    #[test]
    fn whatever_fails_every_session_ends_in_order(
        structure in prop::sample::select(vec!["grouped", "interleaved", "shuffled", "latin_square"]),
        cold: bool,
        luck in prop::collection::vec(prop::sample::select(vec![0u8, 0, 0, 0, 0, 1, 2, 3, HOT]), 1..80),
    ) {
        let plan = plan(structure, 2, cold);
        let mut state = State::new(plan.clone());
        let mut world = World::default();
        let mut journal = vec![created(&plan), session(1)];
        for event in &journal {
            state.apply(event).unwrap();
        }
        let mut rolls = luck.into_iter();
        journal.extend(drive(&mut state, &mut world, &mut || rolls.next().unwrap_or(0)));
        prop_assert!(world.loaded.is_none() || state.breaker().is_some() || state.loaded().is_none());
        prop_assert!(world.measured.values().all(|times| *times == 1));
        if state.breaker().is_none() {
            prop_assert_eq!(state.tally().due, 0);
        }
        let mut replayed = State::new(plan);
        for event in &journal {
            replayed.apply(event).unwrap();
        }
        prop_assert_eq!(shape(&replayed), shape(&state));
        prop_assert_eq!(replayed.tally(), state.tally());
    }

    /// Cut the journal after any event: the next session ends with every run accepted exactly once, and
    /// none of those that were accepted before the cut is touched again.
    #[test]
    fn a_cut_journal_resumes_to_the_same_verdicts(
        structure in prop::sample::select(vec!["grouped", "interleaved", "shuffled"]),
        cut in 0.0f64..1.0,
    ) {
        let plan = plan(structure, 2, false);
        let mut state = State::new(plan.clone());
        let mut journal = vec![created(&plan), session(1)];
        for event in &journal {
            state.apply(event).unwrap();
        }
        journal.extend(drive(&mut state, &mut World::default(), &mut || 0));
        let keep = 2 + ((journal.len() - 2) as f64 * cut) as usize;
        let mut resumed = State::new(plan.clone());
        for event in &journal[..keep] {
            resumed.apply(event).unwrap();
        }
        let before: HashSet<String> = journal[..keep].iter().filter_map(|event| match event {
            Event::AttemptEnded { run, .. } => Some(run.clone()),
            _ => None,
        }).collect();
        resumed.apply(&session(2)).unwrap();
        let mut world = World::default();
        drive(&mut resumed, &mut world, &mut || 0);
        prop_assert_eq!(resumed.tally().accepted, plan.runs.len());
        prop_assert!(world.measured.keys().all(|run| !before.contains(run)));
        prop_assert_eq!(world.measured.len() + before.len(), plan.runs.len());
    }
}
