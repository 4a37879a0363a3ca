//! `lemctl results` on campaigns that a session on fakes left on disk: what is listed, shown and judged, sealed
//! or not, and what becomes of files that somebody changed.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[path = "support/campaigns.rs"]
mod campaigns;
#[path = "support/fake_engine.rs"]
mod fake_engine;
#[path = "support/fake_worker.rs"]
mod fake_worker;
#[path = "support/said.rs"]
mod said;
#[path = "support/stage.rs"]
mod stage;

#[path = "results/forger.rs"]
mod forger;
#[path = "results/judging.rs"]
mod judging;
#[path = "results/listing.rs"]
mod listing;
#[path = "results/scores.rs"]
mod scores;
#[path = "results/sealed.rs"]
mod sealed;
#[path = "results/tampering.rs"]
mod tampering;

use std::process::{Command, Stdio};

use fake_worker::Act;
use said::{Said, said};
use serde_json::Value;
use stage::{EIGHT, Stage};

/// Runs lemctl in a stage's project.
fn lemctl(stage: &Stage, arguments: &[&str]) -> Said {
    for folder in ["compose", "catalogues"] {
        std::fs::create_dir_all(stage.root().join(folder)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_lemctl"));
    command.env_clear().current_dir(stage.root());
    said(command.args(arguments).stdout(Stdio::piped()))
}

fn json(stage: &Stage, code: i32, arguments: &[&str]) -> Value {
    let said = lemctl(stage, &[arguments, &["--format", "json"]].concat());
    assert_eq!(said.code, Some(code), "{said:#?}");
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
}

fn text(stage: &Stage, code: i32, arguments: &[&str]) -> String {
    let said = lemctl(stage, arguments);
    assert_eq!(said.code, Some(code), "{said:#?}");
    said.stdout + &said.stderr
}

/// Three cycles of four experiments, two engine keys; one measurement fails.
async fn measured() -> Stage {
    let stage = Stage::new(&EIGHT.replace("cycles: 2", "cycles: 3"));
    stage.worker.at("measure", 8, Act::Refuse("out_of_memory"));
    stage.up().await.unwrap();
    stage
}
