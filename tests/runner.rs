//! The runner on fakes: what becomes of a campaign when everything works, and when something does not.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/campaigns.rs"]
mod campaigns;
#[path = "support/fake_engine.rs"]
mod fake_engine;
#[path = "support/fake_worker.rs"]
mod fake_worker;
#[path = "support/stage.rs"]
mod stage;

#[path = "runner/crash.rs"]
mod crash;
#[path = "runner/cycles.rs"]
mod cycles;
#[path = "runner/engine.rs"]
mod engine;
#[path = "runner/faults.rs"]
mod faults;
#[path = "runner/fetches.rs"]
mod fetches;
#[path = "runner/gaps.rs"]
mod gaps;
#[path = "runner/leftovers.rs"]
mod leftovers;
#[path = "runner/links.rs"]
mod links;
#[path = "runner/outside.rs"]
mod outside;
#[path = "runner/policy.rs"]
mod policy;
#[path = "runner/quality.rs"]
mod quality;
#[path = "runner/recheck.rs"]
mod recheck;
#[path = "runner/retries.rs"]
mod retries;
#[path = "runner/stop.rs"]
mod stop;
#[path = "runner/unasked.rs"]
mod unasked;

use stage::{EIGHT, Stage};

#[tokio::test(start_paused = true)]
async fn a_campaign_that_works_is_sealed_and_verified() {
    let stage = Stage::new(EIGHT);
    let ended = stage.up().await.unwrap();
    assert_eq!(ended.tally.accepted, 8);
    assert!(ended.manifest.is_some() && ended.stopped.is_none() && ended.breaker.is_none());
    stage.assert_complete();
    assert!(stage.times_accepted().values().all(|times| *times == 1));
    // One container, one worker per load, two warm-ups before each window.
    let creates = stage
        .engine
        .calls()
        .iter()
        .filter(|call| call.starts_with("create"))
        .count();
    let counts =
        ["hello", "load", "warmup", "measure", "shutdown"].map(|name| stage.worker.count(name));
    assert_eq!((creates, counts), (1, [4, 4, 16, 8, 4]));
    assert_eq!(stage.state().session(), 1);
}
