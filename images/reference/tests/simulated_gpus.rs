//! A worker that stands in for simulated GPUs: what it says of them, and the load log that a GPU simulator
//! follows.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::fs::{self, File};

use lem_protocol::{Event, MarkName, Outcome, Record};
use nix::fcntl::{Flock, FlockArg};
use serde_json::json;
use support::{Talk, engine, load, minima};

const GPUS: &str = "GPU-a,GPU-b";

fn onto(gpus: &[&str]) -> serde_json::Value {
    let mut request = load(engine(1));
    request["gpus"] = json!(gpus);
    request
}

#[test]
fn hello_names_them_and_load_takes_all_or_none() {
    let mut talk = Talk::start_with(&[("LEM_SIMULATED_GPUS", GPUS)]);
    let Event::Done {
        outcome: Outcome::Hello(hello),
    } = talk.ask(None, json!({"type": "hello"}))
    else {
        panic!("no hello");
    };
    assert_eq!(hello.gpus, ["GPU-a", "GPU-b"]);
    assert_eq!(hello.device, "cpu");
    for wrong in [&["GPU-a"][..], &["GPU-b", "GPU-a"], &["GPU-c"]] {
        assert_eq!(talk.refusal(None, onto(wrong)), "gpu_unavailable");
    }
    let id = talk.say(None, onto(&[]));
    assert_eq!(talk.end(id), Ok(()));
    assert!(!talk.outbox().join("gpu").exists(), "loaded onto none");
}

#[test]
fn without_the_variable_there_are_none() {
    let mut talk = Talk::start();
    assert_eq!(talk.refusal(None, onto(&["GPU-a"])), "gpu_unavailable");
    talk.load(1);
    assert!(!talk.outbox().join("gpu").exists());
}

#[test]
fn the_log_follows_the_work_and_is_locked_while_the_worker_lives() {
    let mut talk = Talk::start_with(&[("LEM_SIMULATED_GPUS", GPUS)]);
    let id = talk.say(None, onto(&["GPU-a", "GPU-b"]));
    assert_eq!(talk.end(id), Ok(()));
    let workload = talk.workload(&[(2, 4), (3, 5)]);
    let id = talk.measure("one", &workload, minima(0.05, 1));
    assert_eq!(talk.end(id), Ok(()));
    let log = talk
        .outbox()
        .join("gpu")
        .join(format!("{}.log", talk.pid()));
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<[u64; 3]> = text
        .lines()
        .map(|line| {
            let words: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
            words.try_into().unwrap()
        })
        .collect();
    let [loading, loaded, measuring, measured] = lines[..] else {
        panic!("{text}");
    };
    let busy = [loading[1], loaded[1], measuring[1], measured[1]];
    assert_eq!(busy, [1, 0, 1, 0]);
    assert_eq!(loading[2], 512 << 20);
    // float32 weights stay; two caches of 2 layers × 2 × 2 heads of 8, 8 tokens each, come and go.
    assert_eq!(loaded[2] - loading[2], 4 * 24_800);
    assert_eq!(measuring[2] - loaded[2], 2 * 8 * (2 * 2 * 16 * 4));
    assert_eq!(measured[2], loaded[2]);
    let record = fs::read(talk.outbox().join("one/record.json")).unwrap();
    let record: Record = serde_json::from_slice(&record).unwrap();
    let mark = |name| record.marks.iter().find(|mark| mark.name == name).unwrap();
    assert_eq!(measuring[0], mark(MarkName::MeasureStart).monotonic_ns);
    let end_ns = mark(MarkName::MeasureEnd).monotonic_ns;
    assert!(measured[0] >= end_ns && measured[0] - end_ns < 50_000_000);
    let is_held = || {
        let file = File::open(&log).unwrap();
        Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
    };
    assert!(is_held());
    // However it dies.
    talk.kill();
    assert!(!is_held());
}
