//! A stop in every phase, and a disk that says no: the journal is resumable and nothing is left standing.

use std::sync::Arc;

use lemctl::diagnostics::{Exit, Fault};
use lemctl::execution::Event;
use lemctl::runner::StopSignal;

use crate::engine::unreachable;
use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};

/// Whoever comes next goes on from there.
async fn assert_resumable(mut stage: Stage, what: &str) {
    stage.assert_nothing_left();
    stage.stop = StopSignal::new();
    stage
        .resume()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    stage.assert_complete();
    assert!(
        stage.times_accepted().values().all(|times| *times == 1),
        "{what}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_worker_is_asked_anything_ends_in_order() {
    for at in [
        "hello", "load", "warmup", "measure", "go", "shutdown", "probe", "sweep",
    ] {
        for nth in 1..=3 {
            if at == "probe" && nth > 1 {
                continue;
            }
            let stage = Stage::new(EIGHT);
            let stopper = stage.stop.0.clone();
            stage
                .worker
                .at(at, nth, Act::Also(Arc::new(move || stopper.stop("Ctrl-C"))));
            let ended = stage.up().await.unwrap();
            assert_eq!(ended.stopped.as_deref(), Some("Ctrl-C"), "{at} {nth}");
            assert!(ended.manifest.is_none() && ended.breaker.is_none());
            assert!(
                ended.tally.due > 0 && ended.tally.failed + ended.tally.skipped == 0,
                "{at} {nth}: {:?}",
                ended.tally
            );
            let events = stage.events();
            assert_eq!(events.last(), Some(&Event::SessionEnded {}));
            assert_resumable(stage, at).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_at_any_engine_call_ends_in_order() {
    for after in 0.. {
        let stage = Stage::new(EIGHT);
        let stopper = stage.stop.0.clone();
        stage
            .engine
            .before_call(after, move || stopper.stop("SIGTERM"));
        let ended = stage.up().await.unwrap();
        if ended.manifest.is_some() {
            return;
        }
        assert!(
            ended.tally.failed + ended.tally.skipped == 0,
            "{after}: {:?}",
            ended.tally
        );
        assert_resumable(stage, "engine call").await;
    }
}

/// A breaker that allows no failure, and an Engine that fails while the stop is asked for: the stop explains it.
#[tokio::test(start_paused = true)]
async fn a_stop_and_a_failure_in_one_step_open_no_breaker() {
    let text = EIGHT.replace(
        "cycles: 2,",
        "cycles: 2, breaker: {consecutive_failures: 1},",
    );
    for after in 0.. {
        let stage = Stage::new(&text);
        let (stopper, engine) = (stage.stop.0.clone(), stage.engine.clone());
        stage.engine.before_call(after, move || {
            stopper.stop("Ctrl-C");
            engine.fail("", 0, unreachable());
        });
        let ended = stage.up().await;
        let calls = stage.engine.calls();
        let Some(at) = calls.get(after) else {
            assert!(after > 15, "the Engine failed at {after} calls");
            return;
        };
        // What is asked before the first step ends the session with an error.
        if let Ok(ended) = ended {
            assert_eq!(ended.breaker, None, "{at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_a_gap_does_not_wait_for_its_end() {
    let stage = Stage::new(&EIGHT.replace("config_gap_seconds: 0", "config_gap_seconds: 3600"));
    let stopper = stage.stop.0.clone();
    let start = tokio::time::Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(100)).await;
        stopper.stop("Ctrl-C");
    });
    let ended = stage.up().await.unwrap();
    assert_eq!((ended.tally.accepted, start.elapsed().as_secs()), (1, 100));
    assert_resumable(stage, "gap").await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_wins_over_a_worker_that_hangs() {
    for at in ["hello", "load", "warmup", "measure", "go"] {
        let stage = Stage::new(EIGHT);
        stage.worker.at(at, 1, Act::Hang);
        let stopper = stage.stop.0.clone();
        let start = tokio::time::Instant::now();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            stopper.stop("Ctrl-C");
        });
        let ended = stage.up().await.unwrap();
        assert_eq!(
            (ended.tally.accepted, start.elapsed().as_secs()),
            (0, 5),
            "{at}"
        );
        assert_resumable(stage, at).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_results_folder_that_cannot_be_written_ends_the_session_in_order() {
    let stage = Stage::new(EIGHT);
    let opened = stage.create();
    let run = opened
        .folders
        .results()
        .join(&opened.planned.plan.runs[2].id);
    // A file stands where the third run's folder belongs.
    std::fs::write(&run, "").unwrap();
    let ended = stage.run(opened).await.unwrap();
    let cause = ended.breaker.expect("the disk opens the breaker");
    assert!(cause.is_of_disk(), "{cause}");
    assert!(cause.message.contains(run.as_str()), "{cause}");
    assert_eq!((ended.tally.due, ended.tally.failed), (6, 0));
    // In order: the attempt has no verdict, and the session has an end.
    let events = stage.events();
    assert_eq!(events.last(), Some(&Event::SessionEnded {}));
    let interrupted = |event: &&Event| matches!(event, Event::AttemptInterrupted { .. });
    assert_eq!(events.iter().filter(interrupted).count(), 1);
    assert_eq!(stage.state().tally().accepted, 2);
    std::fs::remove_file(&run).unwrap();
    assert_resumable(stage, "disk").await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_opened_again_is_left_alone() {
    let stage = Stage::new(EIGHT);
    stage.worker.at(
        "measure",
        3,
        Act::Also(Arc::new({
            let stopper = stage.stop.0.clone();
            move || stopper.stop("Ctrl-C")
        })),
    );
    stage.up().await.unwrap();
    let _held = lemctl::journal::Lock::take(&stage.folders().results()).unwrap();
    let error = stage.resume().await.unwrap_err();
    assert_eq!(error.exit(), Exit::ResumeConflict, "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_accepted_difference_has_the_image_looked_at_again() {
    let mut stage = Stage::new(EIGHT);
    let stopper = stage.stop.0.clone();
    let act = Act::Also(Arc::new(move || stopper.stop("Ctrl-C")));
    stage.worker.at("measure", 3, act);
    stage.up().await.unwrap();
    stage.stop = StopSignal::new();
    let mut opened = lemctl::runner::reopen(stage.folders()).unwrap();
    let differences = vec!["images.reference.id".to_owned()];
    opened
        .record(
            &Event::OverrideAccepted { differences },
            &*stage.worker.clock,
        )
        .unwrap();
    stage.run(opened).await.unwrap();
    let events = stage.events();
    let looked = events.iter().filter(
        |event| matches!(event, Event::StepDone { step, .. } if step == "ensure-image:reference"),
    );
    assert_eq!(looked.count(), 2);
    stage.assert_complete();
}
