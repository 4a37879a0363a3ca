//! `cycles: auto` through the whole runner: cycles are added while intervals are too wide, and an interruption
//! in between changes nothing.

use lem_protocol::Record;
use lemctl::execution::{Event, RunStatus};
use lemctl::runner::{Changes, reopen};

use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};

/// 2 experiments of one engine key, 10 requests each.
fn stage(auto: &str) -> Stage {
    let text = EIGHT
        .replace("num_layers: [1, 2]", "num_layers: 1")
        .replace("min_requests: 2", "min_requests: 10")
        .replace(
            "cycles: 2",
            &format!("cycles: auto, auto_cycles: {{{auto}}}"),
        );
    assert!(text.contains("cycles: auto") && text.contains("min_requests: 10"));
    Stage::new(&text)
}

/// The cycle that a record is of: `<experiment>.c<cycle>.a<attempt>`.
fn cycle(record: &Record) -> u32 {
    let run = record.attempt.rsplit_once(".a").unwrap().0;
    run.rsplit_once(".c").unwrap().1.parse().unwrap()
}

/// Every second cycle has 4 requests more in the same time.
fn uneven(record: &mut Record) {
    if cycle(record).is_multiple_of(2) {
        let more = record.requests[..4].to_vec();
        record.requests.extend(more);
    }
}

/// The same, but only for seven cycles.
fn settling(record: &mut Record) {
    if cycle(record) <= 7 {
        uneven(record);
    } else {
        let more = record.requests[..2].to_vec();
        record.requests.extend(more);
    }
}

fn added(stage: &Stage) -> Vec<u32> {
    let events = stage.events().into_iter();
    let cycles = events.filter_map(|event| match event {
        Event::CycleAdded { cycle, reason, .. } => {
            assert!(reason.contains("output_tokens_per_second"), "{reason}");
            Some(cycle)
        }
        _ => None,
    });
    cycles.collect()
}

#[tokio::test(start_paused = true)]
async fn steady_runs_need_the_first_cycles_only() {
    let stage = stage("max: 12");
    stage.up().await.unwrap();
    assert_eq!(added(&stage), [0u32; 0]);
    assert_eq!(stage.state().plan().runs.len(), 2 * 7);
    stage.assert_complete();
}

#[tokio::test(start_paused = true)]
async fn cycles_are_added_until_the_intervals_are_narrow() {
    let stage = stage("max: 100, target_half_width: 0.12");
    stage.worker.at("measure", 0, Act::Lie(settling));
    let ended = stage.up().await.unwrap();
    let cycles = added(&stage);
    assert!((1..10).contains(&cycles.len()), "{cycles:?}");
    let most = 7 + u32::try_from(cycles.len()).unwrap();
    assert_eq!(cycles, (8..=most).collect::<Vec<_>>());
    assert_eq!(ended.tally.accepted, 2 * most as usize);
    // One worker, one load: adding a cycle takes nothing down.
    assert_eq!(stage.worker.count("load"), 1);
    stage.assert_complete();
    let manifest = ended.manifest.unwrap();
    assert_eq!(manifest.runs.len(), 2 * most as usize);
    // Cycles that were added are no change of the campaign.
    let opened = reopen(stage.folders()).unwrap();
    let changes = Changes::between(&opened, &stage.planned);
    assert!(changes.is_empty(), "{changes}");
    drop(opened);
    // Sealed: it stays as it is.
    assert_eq!(
        stage.resume().await.unwrap().tally.accepted,
        2 * most as usize
    );
    assert_eq!(added(&stage), cycles);
}

#[tokio::test(start_paused = true)]
async fn the_most_cycles_end_it() {
    let stage = stage("max: 9");
    stage.worker.at("measure", 0, Act::Lie(uneven));
    let ended = stage.up().await.unwrap();
    assert_eq!(added(&stage), [8, 9]);
    assert_eq!(ended.tally.accepted, 2 * 9);
    stage.assert_complete();
}

#[tokio::test(start_paused = true)]
async fn a_death_in_the_middle_of_a_growing_campaign_is_made_good() {
    let whole = stage("max: 9");
    whole.worker.at("measure", 0, Act::Lie(uneven));
    whole.up().await.unwrap();
    let journal = std::fs::read_to_string(whole.journal()).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    let at = lines.iter().position(|line| line.contains("cycle_added"));
    let at = at.expect("a cycle was added");
    // Before the event, right after it, and within the runs of the added cycle.
    for keep in [at, at + 1, at + 3, at + 7] {
        let stage = stage("max: 9");
        stage.worker.at("measure", 0, Act::Lie(uneven));
        crate::crash::copy(&whole.root().join("results"), &stage.root().join("results"));
        std::fs::write(stage.journal(), lines[..keep].join("\n") + "\n").unwrap();
        let before = stage.state();
        let ended = |state: &lemctl::execution::State| {
            let runs = 0..state.plan().runs.len();
            runs.filter(|run| matches!(state.status(*run), RunStatus::Ended { .. }))
                .count()
        };
        let kept = ended(&before);
        stage.resume().await.unwrap();
        assert_eq!(added(&stage), [8, 9], "{keep}");
        assert_eq!(stage.state().tally().accepted, 2 * 9, "{keep}");
        assert_eq!(stage.worker.count("measure"), 2 * 9 - kept, "{keep}");
        stage.assert_complete();
    }
}
