//! Parameters that are taken as they are, and every way in which they are refused.

use lem_protocol::Parameters;
use serde_json::{Value, json};

use super::*;
use crate::fault::Code;

fn engine() -> Parameters {
    let json = json!({"threads": 2, "dtype": "float32", "hidden_size": 32, "num_layers": 2, "num_heads": 4,
        "num_kv_heads": 2, "intermediate_size": 48, "vocab_size": 97, "context_length": 64});
    serde_json::from_value(json).unwrap()
}

fn request() -> Parameters {
    serde_json::from_value(
        json!({"batch_size": 3, "temperature": 0.5, "top_k": 4, "sampling_seed": 1}),
    )
    .unwrap()
}

fn changed(mut parameters: Parameters, name: &str, value: Value) -> Parameters {
    parameters.insert(name.to_owned(), value);
    parameters
}

#[test]
fn what_was_asked_is_what_is_effective() {
    let read = Engine::read(&engine()).unwrap();
    assert_eq!(read.effective(2), engine());
    assert_eq!(
        Request::read(&request(), 97).unwrap().effective(),
        request()
    );
}

#[test]
fn every_engine_parameter_is_required_and_no_other_is_taken() {
    for name in engine().keys() {
        let mut fewer = engine();
        fewer.remove(name);
        let fault = Engine::read(&fewer).unwrap_err();
        assert!(
            fault.code == Code::BadParameter && fault.message.contains(name),
            "{fault:?}"
        );
    }
    let fault = Engine::read(&changed(engine(), "thread", json!(1))).unwrap_err();
    assert!(
        fault.message.starts_with("\"thread\" is not a parameter"),
        "{fault:?}"
    );
}

#[test]
fn wrong_types_and_ranges_are_refused() {
    for (name, value) in [
        ("threads", json!(0)),
        ("threads", json!(-1)),
        ("threads", json!(1.5)),
        ("threads", json!("2")),
        ("threads", json!(null)),
        ("threads", json!(u64::MAX)),
        ("dtype", json!("int8")),
        ("dtype", json!(32)),
        ("hidden_size", json!(34)),
        ("num_heads", json!(32)),
        ("num_kv_heads", json!(3)),
        ("vocab_size", json!(1 << 21)),
    ] {
        let fault = Engine::read(&changed(engine(), name, value.clone())).unwrap_err();
        assert_eq!(fault.code, Code::BadParameter, "{name} {value}");
    }
    for (name, value) in [
        ("batch_size", json!(0)),
        ("temperature", json!(-0.1)),
        ("temperature", json!("0")),
        ("top_k", json!(0)),
        ("top_k", json!(98)),
        ("sampling_seed", json!(1u64 << 53)),
        ("sampling_seed", json!(null)),
        ("top_p", json!(1)),
    ] {
        let fault = Request::read(&changed(request(), name, value.clone()), 97).unwrap_err();
        assert_eq!(fault.code, Code::BadParameter, "{name} {value}");
    }
}

#[test]
fn greedy_needs_no_seed_and_says_what_it_ignores() {
    let parameters =
        serde_json::from_value(json!({"batch_size": 1, "temperature": 0.0, "top_k": 5})).unwrap();
    let read = Request::read(&parameters, 97).unwrap();
    assert_eq!(read.sampling, Sampling::Greedy);
    assert_eq!(read.effective()["top_k"], Value::Null);
}

#[test]
fn a_huge_value_does_not_make_a_huge_message() {
    let fault = Engine::read(&changed(engine(), "dtype", json!("x".repeat(100_000)))).unwrap_err();
    assert!(fault.message.len() < 200);
}
