//! The worker's end: asked for, or with its stdin, wherever it is.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::time::Duration;

use lem_protocol::Event;
use serde_json::json;
use support::{Talk, engine, load, minima};

#[test]
fn shutdown_in_the_middle_ends_both() {
    let mut talk = Talk::loaded(1);
    let workload = talk.workload(&[(3, 40)]);
    let id = talk.measure("a", &workload, minima(1e6, 1));
    let shutdown = talk.say(None, json!({"type": "shutdown"}));
    assert_eq!(talk.end(id), Err("cancelled".to_owned()));
    assert!(talk.end(shutdown).is_ok());
    assert_eq!(talk.exit_code(), Some(0));
}

#[test]
fn the_end_of_stdin_ends_it_wherever_it_is() {
    // Idle before load, idle after it, in the middle of many short steps, in a prefill that outlasts the test's patience.
    let mut idle = Talk::start();
    assert!(matches!(
        idle.ask(None, json!({"type": "ping"})),
        Event::Done { .. }
    ));
    let loaded = Talk::loaded(1);
    let mut decoding = Talk::loaded(1);
    let workload = decoding.workload(&[(3, 40)]);
    decoding.measure("a", &workload, minima(1e6, 1));
    let mut prefilling = Talk::start();
    let mut parameters = engine(1);
    for (name, value) in [
        ("context_length", 16_384),
        ("hidden_size", 512),
        ("intermediate_size", 2048),
    ] {
        parameters[name] = json!(value);
    }
    let id = prefilling.say(None, load(parameters));
    assert!(prefilling.end(id).is_ok());
    let workload = prefilling.workload(&[(16_000, 2)]);
    prefilling.measure("a", &workload, minima(0.0, 1));
    std::thread::sleep(Duration::from_millis(50));
    for mut talk in [idle, loaded, decoding, prefilling] {
        talk.close();
        assert_eq!(talk.exit_code(), Some(0));
        assert!(!talk.outbox().join("a").join("record.json").exists());
    }
}

#[test]
fn a_reader_who_is_gone_or_slow_does_not_hold_it() {
    let mut talk = Talk::loaded(1);
    let workload = talk.workload(&[(3, 4)]);
    talk.measure("a", &workload, minima(1e6, 1));
    // More answers than the pipe holds, and nobody reads them.
    for _ in 0..2_000 {
        talk.say(None, json!({"type": "hello"}));
    }
    talk.close();
    assert_eq!(talk.exit_code(), Some(0));
}
