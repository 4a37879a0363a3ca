//! A failure that is the environment's is tried again once by itself, on a new container; wherever lemctl dies
//! meanwhile, the next session finishes it and every attempt says why it was made.

use lemctl::execution::{Because, Event, Verdict};
use lemctl::manifest::Manifest;

use crate::crash::died_at;
use crate::engine::four;
use crate::fake_worker::Act;
use crate::stage::Stage;

/// A campaign of four runs whose container is lost in these measurements, counted from 1.
pub fn losing(text: &str, which: &[usize]) -> Stage {
    let stage = Stage::new(text);
    for nth in which {
        let engine = stage.engine.clone();
        let kill = move || {
            for name in engine.names() {
                engine.kill(&name, 137);
            }
        };
        stage
            .worker
            .at("measure", *nth, Act::Also(std::sync::Arc::new(kill)));
    }
    stage
}

fn manifest(stage: &Stage) -> Manifest {
    let path = stage.folders().manifests().join("manifest.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lost_container_costs_an_attempt_and_no_run() {
    let stage = losing(&four(), &[1]);
    stage.up().await.unwrap();
    stage.assert_complete();
    let manifest = manifest(&stage);
    let attempts = &manifest.runs[0].attempts;
    let Some(Verdict::Failed { cause }) = &attempts[0].verdict else {
        panic!("{attempts:?}")
    };
    assert_eq!(cause.code, "container_lost");
    let Some(Because::Retried { reason }) = &attempts[1].because else {
        panic!("{attempts:?}")
    };
    assert_eq!((&*reason.code, attempts.len()), ("container_lost", 2));
    let tries = manifest.tries.unwrap();
    assert_eq!((tries.attempts, tries.retried), (5, 1));
    assert!(manifest.runs[1..].iter().all(|run| run.attempts.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_again_is_a_failed_run() {
    let stage = losing(&four(), &[1, 2]);
    let ended = stage.up().await.unwrap();
    assert_eq!((ended.tally.failed, ended.tally.accepted), (1, 3));
    let (_, verdict, attempts) = stage.verdicts().swap_remove(0);
    assert!(
        matches!(verdict, Some(Verdict::Failed { .. })),
        "{verdict:?}"
    );
    assert_eq!(attempts, 2);
    stage.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn a_campaign_that_wants_no_retries_has_none() {
    let text = four().replace("cycles: 2,", "cycles: 2, retries: {max: 0},");
    let stage = losing(&text, &[1]);
    let ended = stage.up().await.unwrap();
    assert_eq!((ended.tally.failed, ended.tally.accepted), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn the_breaker_counts_retries_too_and_nothing_is_sealed_away() {
    let text = four().replace(
        "cycles: 2,",
        "cycles: 2, retries: {max: 10}, breaker: {consecutive_failures: 2},",
    );
    let mut stage = losing(&text, &[1, 2]);
    let ended = stage.up().await.unwrap();
    assert!(ended.breaker.is_some() && ended.manifest.is_none());
    assert_eq!(ended.tally.due, 4, "the run is due, not failed");
    stage.assert_nothing_left();
    stage.stop = lemctl::runner::StopSignal::new();
    stage.resume().await.unwrap();
    stage.assert_complete();
    assert_eq!(stage.verdicts()[0].2, 3);
}

#[tokio::test(start_paused = true)]
async fn a_stop_right_after_the_last_run_was_lost_leaves_it_due() {
    let mut stage = losing(&four(), &[4]);
    let stopper = stage.stop.0.clone();
    let worker = stage.worker.clone();
    // The stop comes while the lost container is cleared away.
    tokio::spawn(async move {
        while worker.count("measure") < 4 {
            tokio::task::yield_now().await;
        }
        stopper.stop("Ctrl-C");
    });
    let ended = stage.up().await.unwrap();
    assert!(ended.manifest.is_none(), "{:?}", stage.verdicts());
    assert_eq!(ended.tally.due, 1);
    stage.stop = lemctl::runner::StopSignal::new();
    stage.resume().await.unwrap();
    stage.assert_complete();
}

/// Every point at which lemctl can die around a retry.
#[tokio::test(start_paused = true)]
async fn a_session_that_died_around_a_retry_is_finished_by_the_next() {
    let whole = losing(&four(), &[2]);
    whole.up().await.unwrap();
    let journal = std::fs::read(whole.journal()).unwrap();
    let ends = (0..journal.len()).filter(|at| journal[*at] == b'\n');
    let ends: Vec<usize> = ends.map(|at| at + 1).collect();
    for end in &ends[..ends.len() - 1] {
        let stage = died_at(&whole, *end, false);
        // Files that the whole session wrote later are not there yet.
        let state = stage.state();
        for run in 0..state.plan().runs.len() {
            for later in state.attempts(run) + 1..4 {
                let folder = stage.folders().results().join(&state.plan().runs[run].id);
                let _ = std::fs::remove_dir_all(folder.join(format!("a{later}")));
            }
        }
        stage
            .resume()
            .await
            .unwrap_or_else(|error| panic!("{end}: {error}"));
        stage.assert_complete();
        assert!(stage.times_accepted().values().all(|times| *times == 1));
        let retries = stage.events().into_iter();
        let retries = retries.filter(|event| matches!(event, Event::RunRetried { .. }));
        assert!(retries.count() <= 1, "{end}");
        for run in manifest(&stage).runs {
            let told = run.attempts.iter().skip(1);
            assert!(told.into_iter().all(|attempt| attempt.because.is_some()));
        }
    }
}
