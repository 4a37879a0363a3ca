//! The longer gap after heat is waited before the next attempt, and never shortens the plan's. The clock of these
//! tests stands still but for what is waited.

use lemctl::execution::{Event, Reason, RunStatus};
use lemctl::runner::{StopSignal, reopen};
use serde_json::Value;

use crate::engine::four;
use crate::fake_worker::Act;
use crate::retries::losing;
use crate::stage::Stage;

/// The gaps before the second run, which was to be tried again after 300 s at least, and before the third, where the
/// plan wants `planned` seconds. The fakes have no sensor that could be hot: what heat asks for is journaled by hand.
async fn gaps_after_heat(planned: u32) -> [Value; 2] {
    let keys = format!("cycles: 2, retries: {{max: 0}}, config_gap_seconds: {planned}");
    let text = four().replace("cycles: 2, config_gap_seconds: 0", &keys);
    assert!(text.contains(&keys));
    let mut stage = losing(&text, &[2]);
    let stopper = stage.stop.0.clone();
    let stop = Act::Also(std::sync::Arc::new(move || stopper.stop("Ctrl-C")));
    stage.worker.at("measure", 3, stop);
    stage.up().await.unwrap();
    assert_eq!(stage.codes()[1], "container_lost");
    let mut opened = reopen(stage.folders()).unwrap();
    let mut events = stage.events().into_iter();
    let mut session = events.find(|event| matches!(event, Event::SessionStarted { .. }));
    if let Some(Event::SessionStarted { session, .. }) = &mut session {
        *session = 2;
    }
    let retried = Event::RunRetried {
        run: opened.planned.plan.runs[1].id.clone(),
        attempt: 1,
        reason: Reason {
            code: "thermal_throttling_detected".into(),
            message: "hot".into(),
        },
        gap_seconds: Some(300.0),
    };
    for event in [session.unwrap(), retried] {
        opened.record(&event, &*stage.worker.clock).unwrap();
    }
    stage.stop = StopSignal::new();
    stage.run(opened).await.unwrap();
    stage.assert_complete();
    [1, 2].map(|run| gap(&stage, run))
}

/// The gap that stands in a run's result.
fn gap(stage: &Stage, run: usize) -> Value {
    let state = stage.state();
    let RunStatus::Ended { result, .. } = state.status(run) else {
        panic!("{:?}", stage.codes())
    };
    let path = &result.as_ref().unwrap().path;
    let bytes = std::fs::read(stage.folders().results().join(path)).unwrap();
    let mut result: Value = serde_json::from_slice(&bytes).unwrap();
    result["gap"].take()
}

fn waited(gap: &Value) -> (f64, bool) {
    let floor = gap["floor_seconds"].as_f64().unwrap();
    (floor, gap["seconds"].as_f64().unwrap() >= floor)
}

#[tokio::test(start_paused = true)]
async fn the_gap_after_heat_is_waited_before_that_run_alone() {
    for planned in [0, 10] {
        let [hot, next] = gaps_after_heat(planned).await;
        assert_eq!(waited(&hot), (300.0, true), "planned {planned}");
        assert!(waited(&next).0 < 300.0, "planned {planned}: {next}");
    }
}

#[tokio::test(start_paused = true)]
async fn heat_never_shortens_a_gap() {
    let [hot, _] = gaps_after_heat(600).await;
    assert_eq!(waited(&hot), (600.0, true));
}
