//! Asking for quality: once an experiment, after an accepted run, on an engine of its key; what a session had no more
//! time for is asked by the next, wherever the journal was cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use lemctl::execution::{Decision, Event, State, decide};
use lemctl::plan::Plan;
use lemctl::units::Digest;

use crate::campaigns;
use crate::machine::{World, act, created, drive, session};

/// Two experiments of real weights on two engines, two cycles.
fn plan() -> Arc<Plan> {
    let text = "
campaign_name: asked
model: {local: {path: m}}
workload:
  synthetic: {input_tokens: 8, output_tokens: 4}
  arrival: {closed_loop: {concurrency: 1}}
  measure: {min_seconds: 0, min_requests: 1}
grid:
  backends: [widget]
  shared: {load_quantised: [false, true]}
execution: {cycles: 2}
";
    let campaign = campaigns::load_text(text);
    Arc::new(Plan::new(&campaign, campaign.expand().experiments))
}

fn asked(journal: &[Event]) -> BTreeMap<Digest, usize> {
    let mut times = BTreeMap::new();
    for event in journal {
        if let Event::QualityAssessed { experiment, .. } = event {
            *times.entry(*experiment).or_default() += 1;
        }
    }
    times
}

fn begun(plan: &Arc<Plan>) -> (State, Vec<Event>) {
    let mut state = State::new(plan.clone());
    let journal = vec![created(plan), session(1)];
    for event in &journal {
        state.apply(event).unwrap();
    }
    (state, journal)
}

#[test]
fn each_experiment_is_asked_once_right_after_its_first_accepted_run() {
    let plan = plan();
    let (mut state, mut journal) = begun(&plan);
    journal.extend(drive(&mut state, &mut World::default(), &mut || 0));
    assert_eq!(asked(&journal).values().collect::<Vec<_>>(), [&1, &1]);
    for (place, event) in journal.iter().enumerate() {
        if matches!(event, Event::QualityAssessed { .. }) {
            assert!(matches!(journal[place - 1], Event::AttemptEnded { .. }));
        }
    }
    assert_eq!(state.unasked(), 0);
}

#[test]
fn wherever_a_session_is_cut_each_experiment_is_asked_once() {
    let plan = plan();
    let (mut state, mut journal) = begun(&plan);
    journal.extend(drive(&mut state, &mut World::default(), &mut || 0));
    for keep in 2..=journal.len() {
        let mut resumed = State::new(plan.clone());
        for event in &journal[..keep] {
            resumed.apply(event).unwrap();
        }
        resumed.apply(&session(2)).unwrap();
        let mut all = journal[..keep].to_vec();
        all.extend(drive(&mut resumed, &mut World::default(), &mut || 0));
        assert_eq!(asked(&all).values().collect::<Vec<_>>(), [&1, &1], "{keep}");
        assert_eq!(resumed.tally().accepted, 4, "{keep}");
    }
}

/// A campaign whose runs are all accepted, as if lemctl had died each time before an answer was journaled.
fn unanswered() -> State {
    let plan = plan();
    let (mut state, mut journal) = begun(&plan);
    journal.extend(drive(&mut state, &mut World::default(), &mut || 0));
    let mut resumed = State::new(plan);
    let answered = |event: &&Event| matches!(event, Event::QualityAssessed { .. });
    for event in journal.iter().filter(|event| !answered(event)) {
        resumed.apply(event).unwrap();
    }
    resumed
}

#[test]
fn what_has_no_measurement_left_is_loaded_again_only_to_be_asked() {
    let mut resumed = unanswered();
    assert_eq!((resumed.tally().due, resumed.unasked()), (0, 2));
    resumed.apply(&session(2)).unwrap();
    let again = drive(&mut resumed, &mut World::default(), &mut || 0);
    assert_eq!(asked(&again).values().collect::<Vec<_>>(), [&1, &1]);
    let none = |event: &Event| !matches!(event, Event::AttemptStarted { .. });
    assert!(again.iter().all(none), "nothing is measured for it");
    let idle = |event: &Event| !matches!(event, Event::StepStarted { step } if step.starts_with("baseline"));
    assert!(again.iter().all(idle), "nor is idle power");
}

#[test]
fn an_engine_that_does_not_load_is_not_asked_for_ever() {
    let mut resumed = unanswered();
    resumed.apply(&session(2)).unwrap();
    let mut world = World::default();
    for _ in 0..100 {
        let decision = decide(&mut resumed);
        let load = matches!(
            &decision,
            Decision::Step(lemctl::plan::Step::LoadEngine { .. })
        );
        let events = act(&resumed, &mut world, &decision, &mut || {
            if load { 2 } else { 0 }
        });
        for event in &events {
            resumed.apply(event).unwrap();
        }
        if events.last() == Some(&Event::SessionEnded {}) {
            assert_eq!(resumed.unasked(), 2, "nobody answered");
            return;
        }
    }
    panic!("it is loaded again and again");
}

#[test]
fn in_another_environment_a_refusal_is_no_last_word() {
    let plan = plan();
    let (mut state, _) = begun(&plan);
    // Both experiments refuse to be asked.
    let mut world = World::default();
    loop {
        let decision = decide(&mut state);
        let ask = matches!(decision, Decision::Assess { .. });
        for event in act(&state, &mut world, &decision, &mut || u8::from(ask)) {
            state.apply(&event).unwrap();
        }
        if decision == Decision::Finished {
            break;
        }
    }
    assert_eq!(
        state.unasked(),
        0,
        "a refusal is final where nothing changed"
    );
    let differences = vec!["images.widget.id".to_owned()];
    state
        .apply(&Event::OverrideAccepted { differences })
        .unwrap();
    assert_eq!(state.unasked(), 2);
    state.apply(&session(2)).unwrap();
    let again = drive(&mut state, &mut World::default(), &mut || 0);
    assert_eq!(asked(&again).len(), 2);
}

/// Asks for everything; the environment costs the first `lost` answers.
fn losing(state: &mut State, lost: usize) -> Vec<Event> {
    let mut asked = 0;
    let mut journal = Vec::new();
    let mut world = World::default();
    for _ in 0..100 {
        let decision = decide(state);
        if decision == Decision::Finished {
            return journal;
        }
        let ask = matches!(decision, Decision::Assess { .. });
        asked += usize::from(ask);
        let luck = if ask && asked <= lost { 3 } else { 0 };
        for event in act(state, &mut world, &decision, &mut || luck) {
            state.apply(&event).unwrap();
            journal.push(event);
        }
    }
    panic!("it is asked again and again");
}

#[test]
fn what_the_environment_cost_is_asked_again_and_counted() {
    let mut state = unanswered();
    state.apply(&session(2)).unwrap();
    let journal = losing(&mut state, 1);
    let mut times: Vec<usize> = asked(&journal).into_values().collect();
    times.sort_unstable();
    assert_eq!((times, state.unasked()), (vec![1, 2], 0));
    assert_eq!(state.environment_failures(), 0, "an answer ends the row");

    let mut state = unanswered();
    state.apply(&session(2)).unwrap();
    let journal = losing(&mut state, 4);
    assert_eq!(asked(&journal).values().collect::<Vec<_>>(), [&2, &2]);
    assert_eq!((state.unasked(), state.environment_failures()), (0, 4));
}

#[test]
fn an_edit_forgets_no_answer_that_is_still_to_be_had() {
    let mut state = unanswered();
    state.apply(&session(2)).unwrap();
    let mut world = World::default();
    loop {
        let decision = decide(&mut state);
        let ask = matches!(decision, Decision::Assess { .. });
        let luck = if ask { 3 } else { 0 };
        for event in act(&state, &mut world, &decision, &mut || luck) {
            state.apply(&event).unwrap();
        }
        if ask {
            break;
        }
    }
    let state = state.migrate(plan());
    assert_eq!(state.unasked(), 2);
}
