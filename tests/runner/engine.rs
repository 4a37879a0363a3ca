//! An engine error at every call in turn: no panic, nothing accepted without its files, no container left,
//! and the next session completes.

use std::collections::BTreeMap;

use lemctl::containers::EngineError;
use lemctl::execution::{Event, RunStatus, Verdict};
use lemctl::manifest::check_result;
use lemctl::runner::{remove_left_over, reopen};

use crate::stage::{EIGHT, Stage};

/// Two loads, four runs.
pub fn four() -> String {
    EIGHT.replace(
        "num_layers: [1, 2], batch_size: [1, 2]",
        "num_layers: [1, 2]",
    )
}

pub fn unreachable() -> EngineError {
    EngineError::Unreachable {
        socket: "/var/run/docker.sock".into(),
        reason: "connection refused".into(),
        fix: "start it".into(),
    }
}

/// Every accepted or rejected run has the files that the journal cites.
pub fn assert_backed(stage: &Stage) {
    let state = stage.state();
    for run in 0..state.plan().runs.len() {
        if let RunStatus::Ended {
            result: Some(result),
            ..
        } = state.status(run)
        {
            check_result(&stage.folders(), result).unwrap();
        }
    }
}

/// Reopens what failed or was skipped, then runs another session.
async fn retry(stage: &Stage) {
    let mut opened = reopen(stage.folders()).unwrap();
    let runs: Vec<String> = stage
        .verdicts()
        .into_iter()
        .filter(|(_, verdict, _)| {
            matches!(
                verdict,
                Some(Verdict::Failed { .. } | Verdict::Skipped { .. })
            )
        })
        .map(|(run, ..)| run)
        .collect();
    if !runs.is_empty() {
        opened
            .record(&Event::RunsReopened { runs }, &*stage.worker.clock)
            .unwrap();
    }
    if opened.state.sealed().is_none() {
        stage.run(opened).await.unwrap();
    }
}

/// Where a campaign was sealed though the Engine did not say, or not in time, that no container was left, `down` has that
/// left to do.
async fn take_down(stage: &Stage) {
    let state = stage.state();
    let first = state.sealed().is_some() && state.previous_seal().is_none();
    if first && stage.folders().live().exists() {
        remove_left_over(&stage.engine, &stage.folders())
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_error_at_any_call_leaves_a_campaign_that_can_be_finished() {
    for after in 0.. {
        let stage = Stage::new(&four());
        stage.engine.fail("", after, unreachable());
        let calls = stage.engine.calls().len();
        let ended = stage.up().await;
        let fired = stage.engine.calls().len() - calls > after;
        let at = stage
            .engine
            .calls()
            .get(calls + after)
            .cloned()
            .unwrap_or_default();
        if ended.is_err() {
            assert_eq!(
                at, "list",
                "only what is asked before the first step ends the session"
            );
        }
        assert_backed(&stage);
        assert_eq!(
            stage.engine.names(),
            [].into(),
            "{at}: {:?}",
            stage.engine.calls()
        );
        retry(&stage).await;
        take_down(&stage).await;
        let tally = stage.state().tally();
        assert_eq!(tally.accepted, 4, "{at}: {:?}", stage.verdicts());
        stage.assert_complete();
        assert!(
            stage.times_accepted().values().all(|times| *times == 1),
            "{at}"
        );
        if !fired {
            assert!(after > 15, "the fault fired at {after} calls");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_killed_at_any_call_is_made_anew() {
    for after in 0.. {
        let stage = Stage::new(&four());
        let engine = stage.engine.clone();
        stage.engine.before_call(after, move || {
            for name in engine.names() {
                engine.kill(&name, 137);
            }
        });
        stage.up().await.unwrap();
        let at = stage.engine.calls().get(after).cloned().unwrap_or_default();
        let codes: BTreeMap<String, usize> =
            stage
                .codes()
                .into_iter()
                .fold(BTreeMap::new(), |mut codes, code| {
                    *codes.entry(code).or_default() += 1;
                    codes
                });
        let lost = 4 - codes.get("accepted").copied().unwrap_or(0);
        // Before it was probed it is a failed step, on which everything depends; later it costs an attempt, and the run
        // is tried again.
        let early = codes.contains_key("needs:probe-container:reference");
        assert!(lost == 0 || early && lost == 4, "{at}: {codes:?}");
        assert_backed(&stage);
        stage.assert_nothing_left();
        retry(&stage).await;
        stage.assert_complete();
        if stage.engine.calls().len() <= after {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_dies_at_any_call_opens_the_breaker_and_its_containers_are_found_again() {
    for after in 0.. {
        let stage = Stage::new(&four());
        let engine = stage.engine.clone();
        stage
            .engine
            .before_call(after, move || engine.set_down(Some(unreachable())));
        let ended = stage.up().await;
        let at = stage.engine.calls().get(after).cloned().unwrap_or_default();
        assert_backed(&stage);
        if stage.engine.calls().len() <= after {
            return;
        }
        // Before the first step it is an error; later the breaker opens, unless nothing was left to do.
        if let Ok(ended) = &ended {
            assert!(
                ended.breaker.is_some() || ended.tally.due == 0,
                "{at}: {ended:?}"
            );
        }
        stage.engine.set_down(None);
        retry(&stage).await;
        take_down(&stage).await;
        stage.assert_complete();
        assert!(
            stage.times_accepted().values().all(|times| *times == 1),
            "{at}"
        );
    }
}
