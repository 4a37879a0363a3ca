//! Every key of `execution`, `warmup` and `baseline` at work: each test fails if its key is ignored.

use std::time::Duration;

use lemctl::execution::{Event, Verdict};
use tokio::time::Instant;

use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};

/// The campaign of eight with other lines for `execution`, `warmup` or `baseline`.
fn with(from: &str, to: &str) -> Stage {
    assert!(EIGHT.contains(from));
    Stage::new(&EIGHT.replace(from, to))
}

fn execution(keys: &str) -> Stage {
    with(
        "execution: {cycles: 2, config_gap_seconds: 0, cycle_gap_seconds: 0}",
        &format!("execution: {{{keys}}}"),
    )
}

async fn took(stage: &Stage) -> u64 {
    let start = Instant::now();
    stage.up().await.unwrap();
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_those_of_the_campaign() {
    let gaps = "cycles: 1, config_gap_seconds: 0, cycle_gap_seconds: 0";
    for (at, key, seconds) in [
        ("hello", "start_seconds: 17", 17),
        ("load", "load_seconds: 31", 31),
        ("warmup", "warmup_seconds: 23", 23),
        ("measure", "measure_seconds: 41", 41),
        ("go", "measure_seconds: 41", 41),
    ] {
        let stage = execution(&format!("{gaps}, timeouts: {{{key}}}"));
        stage.worker.at(at, 1, Act::Hang);
        let took = took(&stage).await;
        assert!(
            (seconds..seconds + 2).contains(&took),
            "{at}: {took} s, asked for {seconds}"
        );
        assert!(stage.codes().iter().any(|code| code != "accepted"));
    }
}

#[tokio::test(start_paused = true)]
async fn gaps_are_waited_between_configs_and_cycles() {
    // Interleaved: 3 changes of config in each of 2 cycles, 1 change of cycle.
    for (keys, want) in [
        ("cycles: 2, config_gap_seconds: 0, cycle_gap_seconds: 0", 0),
        (
            "cycles: 2, config_gap_seconds: 10, cycle_gap_seconds: 0",
            7 * 10,
        ),
        (
            "cycles: 2, config_gap_seconds: 0, cycle_gap_seconds: 30",
            30,
        ),
        (
            "cycles: 2, config_gap_seconds: 10, cycle_gap_seconds: 30",
            6 * 10 + 30,
        ),
    ] {
        let stage = execution(keys);
        assert_eq!(took(&stage).await, want, "{keys}");
        stage.assert_complete();
    }
}

#[tokio::test(start_paused = true)]
async fn cold_starts_give_every_run_a_worker_of_its_own() {
    let stage =
        execution("cycles: 2, config_gap_seconds: 0, cycle_gap_seconds: 0, force_cold_start: true");
    stage.up().await.unwrap();
    assert_eq!(stage.worker.count("hello"), 8);
    let heard = stage.worker.heard();
    let mut measured: Vec<_> = heard
        .iter()
        .filter(|heard| matches!(heard.request, lem_protocol::Request::Measure(_)))
        .map(|heard| &heard.worker)
        .collect();
    measured.dedup();
    assert_eq!(measured.len(), 8, "no worker measured twice");
    stage.assert_complete();
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_after_as_many_failures_as_the_campaign_allows() {
    for limit in [1, 2, 5] {
        let stage = execution(&format!(
            "cycles: 2, breaker: {{consecutive_failures: {limit}}}"
        ));
        stage
            .worker
            .at("hello", 0, Act::Hello(|hello| hello.protocol_version = 0));
        let ended = stage.up().await.unwrap();
        assert!(ended.breaker.is_some() && ended.manifest.is_none());
        let events = stage.events();
        let failed = events.iter().filter(
            |event| matches!(event, Event::StepFailed { step, .. } if step.starts_with("load")),
        );
        assert_eq!(failed.count(), limit);
        let opened = events
            .iter()
            .filter(|event| matches!(event, Event::BreakerOpened { .. }));
        assert_eq!(opened.count(), 1, "once");
        assert_eq!(ended.tally.due, 8, "nothing is given up");
    }
}

#[tokio::test(start_paused = true)]
async fn warm_ups_follow_their_rule() {
    // Steady: the least number of iterations. Never steady: until the time is up. Off: none.
    for (keys, act, want) in [
        ("min_iterations: 2", None, 2),
        ("min_iterations: 5", None, 5),
        ("enabled: false", None, 0),
        (
            "min_iterations: 3, max_seconds: 8",
            Some(Act::Warmup(|nth| {
                (if nth % 2 == 0 { 10 } else { 99 }, 1_000_000_000)
            })),
            8,
        ),
        (
            "min_iterations: 3, max_seconds: 5",
            Some(Act::Warmup(|nth| {
                (if nth % 2 == 0 { 10 } else { 99 }, 1_000_000_000)
            })),
            5,
        ),
        (
            "min_iterations: 2, throughput_cv: 0.9",
            Some(Act::Warmup(|nth| {
                (if nth % 2 == 0 { 50 } else { 99 }, 1_000_000_000)
            })),
            2,
        ),
        (
            "min_iterations: 2, max_seconds: 4, throughput_cv: 0.01",
            Some(Act::Warmup(|nth| {
                (if nth % 2 == 0 { 90 } else { 99 }, 1_000_000_000)
            })),
            4,
        ),
    ] {
        let stage = with(
            "warmup: {min_iterations: 2, max_seconds: 5}",
            &format!("warmup: {{{keys}}}"),
        );
        if let Some(act) = act {
            stage.worker.at("warmup", 0, act);
        }
        stage.up().await.unwrap();
        assert_eq!(stage.worker.count("warmup"), 8 * want, "{keys}");
        stage.assert_complete();
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_ends_though_the_worker_says_that_no_time_passed() {
    // Each takes a second of the host's time and none of the worker's; the rates never agree.
    let stage = Stage::new(EIGHT);
    stage.worker.at(
        "warmup",
        0,
        Act::SlowWarmup(1, |nth| (nth as u64 * nth as u64, 1)),
    );
    let start = Instant::now();
    stage.up().await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(8 * 6),
        "5 s are the most: {:?}",
        start.elapsed()
    );
    stage.assert_complete();
    // Neither the host's: the number of iterations is bounded, too.
    let stage = execution("cycles: 1, config_gap_seconds: 0");
    stage
        .worker
        .at("warmup", 0, Act::Warmup(|nth| (1 << (nth % 40), 1)));
    stage.up().await.unwrap();
    stage.assert_complete();
}

#[tokio::test(start_paused = true)]
async fn a_baseline_is_left_out_tried_or_required() {
    let baselines = |stage: &Stage| {
        let events = stage.events();
        events.iter().filter(|event| matches!(event, Event::StepDone { step, .. } if step.starts_with("baseline"))).count()
    };
    for (word, steps, accepted) in [
        ("off", 0, true),
        ("optional", 1 + 4, true),
        ("required", 1 + 4, false),
    ] {
        let stage = with("baseline: off", &format!("baseline: {word}"));
        stage.up().await.unwrap();
        assert_eq!(baselines(&stage), steps, "{word}");
        for (run, verdict, _) in stage.verdicts() {
            match verdict.unwrap() {
                Verdict::Accepted => assert!(accepted, "{word}: {run}"),
                Verdict::Rejected { reasons } => {
                    assert!(!accepted, "{word}: {run}");
                    assert_eq!(reasons[0].code, "baseline_missing");
                }
                other => panic!("{word}: {run}: {other:?}"),
            }
        }
        stage.assert_nothing_left();
    }
}
