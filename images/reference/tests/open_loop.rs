//! A whole conversation about an open loop: the schedule is in the workload, and the record keeps to it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::fs;

use lem_protocol::{Arrival, Event, MarkName, Record};
use serde_json::{Value, json};
use support::{Talk, minima};

const MS: u64 = 1_000_000;

fn work(workload: &str) -> Value {
    json!({"workload": workload, "arrival": {"kind": "open_loop", "drain_seconds": 60},
        "parameters": {"batch_size": 2, "temperature": 0}})
}

#[test]
fn requests_are_sent_when_they_are_due() {
    let mut talk = Talk::loaded(1);
    let arrivals: Vec<u64> = [0, 0, 10, 60, 61].map(|at| at * MS).into();
    let workload = talk.scheduled(&[(3, 4), (9, 6)], &arrivals);
    let mut warm = work(&workload);
    warm["type"] = json!("warmup");
    let warmed = talk.warm_up(None, warm);
    assert!(matches!(warmed, Event::Done { .. }), "{warmed:?}");

    let request = json!({"type": "measure", "work": work(&workload), "measure": minima(0.05, 5)});
    let id = talk.say(Some("a-1"), request);
    assert_eq!(talk.event(id), Event::Ready {});
    talk.say(Some("a-1"), json!({"type": "go"}));
    assert_eq!(talk.end(id), Ok(()));

    let text = fs::read(talk.outbox().join("a-1/record.json")).unwrap();
    let record: Record = serde_json::from_slice(&text).unwrap();
    assert_eq!(record.arrival, Arrival::OpenLoop { drain_seconds: 60 });
    let start = record
        .marks
        .iter()
        .find(|mark| mark.name == MarkName::MeasureStart);
    let start = start.unwrap().monotonic_ns;
    assert_eq!(record.unfinished, []);
    let due: Vec<_> = record
        .requests
        .iter()
        .map(|one| one.due_ns.unwrap())
        .collect();
    assert_eq!(
        due,
        arrivals.iter().map(|at| start + at).collect::<Vec<_>>()
    );
    for (place, request) in record.requests.iter().enumerate() {
        assert!(request.queued_ns >= request.due_ns.unwrap());
        assert_eq!(request.prompt as usize, place % 2);
    }
}

#[test]
fn a_loop_without_a_schedule_is_refused_before_it_says_ready() {
    let mut talk = Talk::loaded(1);
    let workload = talk.workload(&[(3, 4)]);
    let request = json!({"type": "measure", "work": work(&workload), "measure": minima(0.0, 1)});
    assert_eq!(talk.refusal(Some("a-1"), request), "workload_invalid");
}
