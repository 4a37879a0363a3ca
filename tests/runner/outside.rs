//! What somebody else does to a container, on fakes: which runs it costs, and that the campaign goes on.

use std::sync::Arc;

use lemctl::clock::Clock;
use lemctl::containers::EngineError;
use lemctl::execution::{Event, Verdict};

use crate::fake_engine::FakeEngine;
use crate::fake_worker::{Act, TestClock};
use crate::stage::{EIGHT, Stage};

/// A campaign of eight runs; when the first worker is first asked that, `deed` is done to its container.
async fn disturbed(
    at: &'static str,
    deed: impl Fn(&FakeEngine, &str) + Send + Sync + 'static,
) -> Stage {
    // What is judged is the attempt: it is not to be tried again.
    let stage = Stage::new(&EIGHT.replace("cycles: 2,", "cycles: 2, retries: {max: 0},"));
    let engine = stage.engine.clone();
    let act = move || {
        let name = engine.names().pop_first().expect("a container runs");
        deed(&engine, &name);
    };
    stage.worker.at(at, 1, Act::Also(Arc::new(act)));
    stage.up().await.unwrap();
    stage.assert_nothing_left();
    stage
}

/// When everything happens.
fn wall() -> chrono::DateTime<chrono::Utc> {
    TestClock::default().wall()
}

fn containers(stage: &Stage) -> usize {
    let calls = stage.engine.calls();
    calls
        .iter()
        .filter(|call| call.starts_with("create"))
        .count()
}

#[tokio::test(start_paused = true)]
async fn what_was_done_to_a_container_rejects_its_run_by_name_and_makes_it_anew() {
    for action in ["pause", "update", "exec_start: sh", "kill", "oom"] {
        let stage = disturbed("go", move |engine, name| {
            engine.befall(name, wall(), action);
        })
        .await;
        let Some((_, Some(Verdict::Rejected { reasons }), 1)) = stage.verdicts().into_iter().next()
        else {
            panic!("{action}: {:?}", stage.verdicts())
        };
        let word = action.split(':').next().unwrap();
        assert_eq!(reasons[0].code, "container_disturbed");
        assert!(reasons[0].message.contains(word), "{reasons:?}");
        assert_eq!(stage.times_accepted().len(), 7, "{action}: the others");
        assert_eq!(containers(&stage), 2, "{action}");
        let lost = |event: &Event| matches!(event, Event::ContainerLost { reason, .. } if reason.contains(word));
        assert!(stage.events().iter().any(lost), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_looks_or_lies_before_the_run_costs_nothing() {
    for (action, seconds_ago) in [("rename", 0), ("top", 0), ("exec_die", 0), ("pause", 3600)] {
        let stage = disturbed("go", move |engine, name| {
            let at = wall() - chrono::TimeDelta::seconds(seconds_ago);
            engine.befall(name, at, action);
        })
        .await;
        stage.assert_complete();
        assert_eq!(containers(&stage), 1, "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_restarted_is_another() {
    let stage = disturbed("measure", |engine, name| engine.restart(name)).await;
    assert_eq!(stage.codes()[0], "container_lost", "{:?}", stage.verdicts());
    assert_eq!((stage.times_accepted().len(), containers(&stage)), (7, 2));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_say_what_happened_costs_nothing() {
    let stage = Stage::new(EIGHT);
    let error = EngineError::Broken {
        what: "asking".to_owned(),
        message: "no".to_owned(),
    };
    stage.engine.fail("happened", 0, error);
    stage.up().await.unwrap();
    stage.assert_complete();
}
