//! `cycles: auto`: the plan grows while it is executed, by the intervals seen, and a replay grows it alike.

use std::collections::HashSet;
use std::sync::Arc;

use lemctl::execution::{Decision, Event, State, decide};
use lemctl::plan::Plan;
use lemctl::units::Digest;
use proptest::prelude::*;

use crate::campaigns;
use crate::machine::{TWO_BACKENDS, World, act, created, drive, planned, session, shape};

/// Two backends, 5 experiments.
const EXPERIMENTS: usize = 5;

/// The same rate in every cycle.
fn steady(_: u32) -> f64 {
    100.0
}

/// 100 and 120 in turn, cycle by cycle: ±9.8 % after 7 cycles, below ±5 % from the 18th on.
fn wide(nth: u32) -> f64 {
    100.0 + 20.0 * f64::from((nth / 5) % 2)
}

/// Wide at first, then steady.
fn settles(nth: u32) -> f64 {
    if nth < 35 { wide(nth) } else { 110.0 }
}

fn begun(plan: &Arc<Plan>) -> (State, Vec<Event>) {
    let mut state = State::new(plan.clone());
    let journal = vec![created(plan), session(1)];
    for event in &journal {
        state.apply(event).unwrap();
    }
    (state, journal)
}

fn world(rate: fn(u32) -> f64) -> World {
    World {
        rate: Some(rate),
        ..World::default()
    }
}

/// Cycles in the end, when every run is measured at this rate.
fn cycles(keys: &str, rate: fn(u32) -> f64) -> u32 {
    let (mut state, _) = begun(&planned(&format!("cycles: auto, {keys}")));
    drive(&mut state, &mut world(rate), &mut || 0);
    assert_eq!(state.tally().accepted, state.plan().runs.len());
    assert_eq!(
        state.plan().runs.len(),
        EXPERIMENTS * state.plan().cycles() as usize
    );
    state.plan().cycles()
}

#[test]
fn it_stops_by_the_interval_seen_or_at_the_most() {
    for structure in ["grouped", "interleaved", "shuffled", "latin_square"] {
        let keys = |auto: &str| format!("structure: {structure}, auto_cycles: {{{auto}}}");
        assert_eq!(cycles(&keys("max: 20"), steady), 7, "{structure}");
        if structure == "grouped" {
            // Cycles of one experiment follow each other: the rates above go by passes over all.
            continue;
        }
        assert_eq!(cycles(&keys("max: 10"), wide), 10, "{structure}");
        assert_eq!(cycles(&keys("max: 7"), wide), 7, "{structure}");
        let by_interval = cycles(&keys("max: 100"), wide);
        assert!(
            (16..=19).contains(&by_interval),
            "{structure}: {by_interval}"
        );
        let coarse = cycles(&keys("max: 100, target_half_width: 0.1"), wide);
        assert_eq!(coarse, 7, "{structure}: ±9.8 % is below ±10 %");
        let settled = cycles(&keys("max: 100"), settles);
        assert!(
            (8..by_interval).contains(&settled),
            "{structure}: {settled}"
        );
    }
}

/// Cycles in the end, of at most 9, when throughput and energy are these.
fn with_energy(rate: fn(u32) -> f64, energy: fn(u32) -> Option<f64>) -> u32 {
    let (mut state, _) = begun(&planned("cycles: auto, auto_cycles: {max: 9}"));
    let mut world = World {
        energy: Some(energy),
        ..world(rate)
    };
    drive(&mut state, &mut world, &mut || 0);
    state.plan().cycles()
}

#[test]
fn energy_decides_where_most_runs_have_it() {
    assert_eq!(with_energy(steady, |nth| Some(wide(nth))), 9);
    assert_eq!(with_energy(wide, |nth| Some(steady(nth))), 7);
    // One run in 7 without energy changes nothing; one in 7 with it decides nothing.
    let most = |nth: u32| (nth / 5 != 3).then(|| steady(nth));
    assert_eq!(with_energy(wide, most), 7);
    let few = |nth: u32| (nth / 5 == 3).then(|| steady(nth));
    assert_eq!((with_energy(wide, few), with_energy(steady, few)), (9, 7));
}

#[test]
fn simulated_and_real_runs_together_ask_for_nothing() {
    let (mut state, _) = begun(&planned("cycles: auto, auto_cycles: {max: 9}"));
    let mut world = World {
        simulated: Some(|nth| nth <= 5),
        ..world(wide)
    };
    drive(&mut state, &mut world, &mut || 0);
    assert_eq!(state.plan().cycles(), 7);
}

#[test]
fn a_number_of_cycles_never_grows() {
    let (mut state, _) = begun(&planned("cycles: 3"));
    drive(&mut state, &mut world(wide), &mut || 0);
    assert_eq!(state.plan().cycles(), 3);
}

#[test]
fn experiments_without_a_result_do_not_keep_it_going() {
    let (mut state, _) = begun(&planned("cycles: auto"));
    drive(&mut state, &mut world(wide), &mut || 1);
    assert_eq!(state.plan().cycles(), 7);
    assert_eq!(state.tally().accepted, 0);
}

#[test]
fn a_grown_plan_begins_with_what_it_was() {
    for structure in ["grouped", "interleaved", "shuffled", "latin_square"] {
        for cold in [false, true] {
            let plan = planned(&format!(
                "cycles: auto, structure: {structure}, force_cold_start: {cold}, config_gap_seconds: 3, cycle_gap_seconds: 9"
            ));
            let grown = plan.grown().grown();
            assert_eq!(grown.cycles(), 9);
            assert_eq!(grown.begun_hash(), plan.hash());
            assert_ne!(grown.hash(), plan.hash());
            for (before, after) in plan.runs.iter().zip(&grown.runs) {
                assert_eq!(
                    (&before.id, before.load, before.gap_seconds),
                    (&after.id, after.load, after.gap_seconds)
                );
            }
            for (before, after) in plan.loads.iter().zip(&grown.loads) {
                assert_eq!(
                    (before.engine_key, before.experiment),
                    (after.engine_key, after.experiment)
                );
            }
            // Loads follow the changes of the engine key in added cycles, too.
            for pair in grown.runs.windows(2) {
                let key = |run: usize| grown.loads[run].engine_key;
                let same = !cold && key(pair[0].load) == key(pair[1].load);
                assert_eq!(
                    pair[1].load - pair[0].load,
                    usize::from(!same),
                    "{structure}"
                );
            }
            let first = &grown.runs[7 * EXPERIMENTS];
            assert_eq!((first.cycle, first.gap_seconds), (8, 9.0), "{structure}");
        }
    }
}

#[test]
fn a_cycle_that_cannot_be_added_is_refused_and_changes_nothing() {
    let plan = planned("cycles: auto, auto_cycles: {max: 8}");
    let added = |cycle, plan_hash| Event::CycleAdded {
        cycle,
        plan_hash,
        reason: String::new(),
    };
    let right = plan.grown().hash();
    let (mut state, _) = begun(&plan);
    assert!(state.apply(&added(8, right)).is_err(), "runs are due");
    let mut world = world(wide);
    loop {
        let decision = decide(&mut state);
        if matches!(decision, Decision::AddCycle { .. }) {
            break;
        }
        for event in act(&state, &mut world, &decision, &mut || 0) {
            state.apply(&event).unwrap();
        }
    }
    let before = (shape(&state), state.tally());
    for (cycle, hash, why) in [
        (7, right, "it is there"),
        (9, right, "it skips one"),
        (8, Digest::ZERO, "another plan"),
        (8, plan.hash(), "the same plan"),
    ] {
        assert!(state.apply(&added(cycle, hash)).is_err(), "{why}");
        assert_eq!((shape(&state), state.tally()), before, "{why}");
    }
    state.apply(&added(8, right)).unwrap();
    assert_eq!(state.tally().due, EXPERIMENTS);
    drive(&mut state, &mut world, &mut || 0);
    let next = added(9, state.plan().grown().hash());
    assert!(state.apply(&next).is_err(), "no session");
    state.apply(&session(2)).unwrap();
    assert!(state.apply(&next).is_err(), "8 are the most");
}

#[test]
fn an_edit_keeps_added_cycles_and_a_lower_most_retires_them() {
    let text = |most: u32| {
        format!("{TWO_BACKENDS}execution: {{cycles: auto, auto_cycles: {{max: {most}}}}}\n")
    };
    let plan_of = |most| {
        let campaign = campaigns::load_text(&text(most));
        Arc::new(Plan::new(&campaign, campaign.expand().experiments))
    };
    let accepted = |state: State, plan: &Arc<Plan>| {
        let mut state = state.migrate(plan.clone());
        let Event::CampaignCreated(fingerprint) = created(plan) else {
            unreachable!()
        };
        state.apply(&Event::ChangesAccepted(fingerprint)).unwrap();
        state
    };
    let (mut state, _) = begun(&plan_of(10));
    drive(&mut state, &mut world(wide), &mut || 0);
    assert_eq!(state.tally().accepted, 10 * EXPERIMENTS);
    // More are allowed: nothing is lost, nothing is due until it is decided.
    let mut state = accepted(state, &plan_of(12));
    assert_eq!((state.tally().accepted, state.tally().due), (50, 0));
    assert_eq!(state.retired().len(), 0);
    // Fewer: what is too much is retired, and comes back with its attempts once it is wanted again.
    state = accepted(state, &plan_of(8));
    assert_eq!((state.tally().accepted, state.plan().cycles()), (40, 8));
    assert_eq!(state.retired().len(), 2 * EXPERIMENTS);
    state = accepted(state, &plan_of(11));
    assert_eq!((state.tally().accepted, state.plan().cycles()), (40, 8));
    state.apply(&session(2)).unwrap();
    let mut world = world(wide);
    drive(&mut state, &mut world, &mut || 0);
    assert_eq!((state.plan().cycles(), state.tally().accepted), (11, 55));
    assert_eq!(state.retired().len(), 0);
    assert_eq!(
        world.measured.len(),
        EXPERIMENTS,
        "only the eleventh cycle is measured"
    );
}

#[test]
fn results_know_their_load_and_session() {
    let (mut state, _) = begun(&planned("cycles: 2, structure: interleaved"));
    drive(&mut state, &mut World::default(), &mut || 0);
    let made: Vec<u32> = (0..state.plan().runs.len())
        .map(|run| state.made(run).unwrap().engine_load)
        .collect();
    let want: Vec<u32> = state
        .plan()
        .runs
        .iter()
        .map(|run| u32::try_from(run.load).unwrap() + 1)
        .collect();
    assert_eq!(made, want, "every load of the plan was made once");
    // A session later the same load of the plan is another load of an engine.
    let run = state.plan().runs[0].id.clone();
    state.apply(&session(2)).unwrap();
    state
        .apply(&Event::RunsReopened { runs: vec![run] })
        .unwrap();
    assert_eq!(state.made(0), None);
    drive(&mut state, &mut World::default(), &mut || 0);
    let made = state.made(0).unwrap();
    assert_eq!(made.session, 2);
    assert_eq!(made.engine_load as usize, state.plan().loads.len() + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Random failures while the plan grows: every session ends in order, and a replay gives the same plan
    /// and the same state.
    #[test]
    fn whatever_fails_a_growing_plan_replays_to_itself(
        structure in prop::sample::select(vec!["grouped", "interleaved", "shuffled", "latin_square"]),
        cold: bool,
        luck in prop::collection::vec(prop::sample::select(vec![0u8, 0, 0, 0, 0, 0, 0, 1, 2, 3]), 1..200),
    ) {
        let plan = planned(&format!(
            "cycles: auto, structure: {structure}, force_cold_start: {cold}, auto_cycles: {{max: 11}}"
        ));
        let (mut state, mut journal) = begun(&plan);
        let mut rolls = luck.into_iter();
        let mut world = world(wide);
        journal.extend(drive(&mut state, &mut world, &mut || rolls.next().unwrap_or(0)));
        prop_assert!(world.measured.values().all(|times| *times == 1));
        prop_assert!(state.breaker().is_some() || state.tally().due == 0);
        prop_assert!(state.plan().cycles() <= 11);
        let mut replayed = State::new(plan);
        for event in &journal {
            replayed.apply(event).unwrap();
        }
        prop_assert_eq!(replayed.plan().hash(), state.plan().hash());
        prop_assert_eq!(shape(&replayed), shape(&state));
        prop_assert_eq!(replayed.tally(), state.tally());
    }

    /// Cut the journal anywhere, so between the cycle and its runs as well: the next session measures what is
    /// left and comes to the same plan.
    #[test]
    fn a_cut_journal_grows_to_the_same_plan(
        structure in prop::sample::select(vec!["interleaved", "shuffled", "latin_square"]),
        cut in 0.0f64..1.0,
    ) {
        let plan = planned(&format!(
            "cycles: auto, structure: {structure}, auto_cycles: {{max: 9}}"
        ));
        let (mut state, mut journal) = begun(&plan);
        journal.extend(drive(&mut state, &mut world(wide), &mut || 0));
        let keep = 2 + ((journal.len() - 2) as f64 * cut) as usize;
        let added: Vec<usize> = (0..journal.len())
            .filter(|at| matches!(journal[*at], Event::CycleAdded { .. }))
            .collect();
        prop_assert_eq!(added.len(), 2);
        for keep in [keep, added[0], added[0] + 1, added[1] + 1] {
            let mut resumed = State::new(plan.clone());
            for event in &journal[..keep] {
                resumed.apply(event).unwrap();
            }
            let before: HashSet<String> = journal[..keep].iter().filter_map(|event| match event {
                Event::AttemptEnded { run, .. } => Some(run.clone()),
                _ => None,
            }).collect();
            resumed.apply(&session(2)).unwrap();
            // The rates go on where they were cut.
            let mut world = World { measured: before.iter().map(|run| (run.clone(), 1)).collect(), ..world(wide) };
            drive(&mut resumed, &mut world, &mut || 0);
            prop_assert_eq!(resumed.plan().hash(), state.plan().hash());
            prop_assert_eq!(resumed.tally(), state.tally());
            prop_assert!(world.measured.values().all(|times| *times == 1));
        }
    }
}
