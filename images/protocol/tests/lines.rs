//! What crosses the pipe: every kind of line survives a round trip in the exact spelling that workers in
//! other languages rely on, and a line that is not of the protocol is refused.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use lem_protocol::{
    Arrival, Event, EventLine, Hello, Load, Loaded, Mark, MarkName, Measure, MeasureFor, Model,
    Outcome, Request, RequestLine, Work,
};
use serde_json::{Value, json};

fn requests() -> Vec<(Request, Value)> {
    let work = Work {
        workload: "ab".repeat(32),
        arrival: Arrival::ClosedLoop { concurrency: 3 },
        parameters: [
            ("batch_size".to_owned(), json!(4)),
            ("top_k".to_owned(), Value::Null),
        ]
        .into(),
    };
    let work_json = json!({
        "workload": "ab".repeat(32),
        "arrival": {"kind": "closed_loop", "concurrency": 3},
        "parameters": {"batch_size": 4, "top_k": null},
    });
    vec![
        (Request::Hello {}, json!({"type": "hello"})),
        (
            Request::Load(Load {
                parameters: [("dtype".to_owned(), json!("float32"))].into(),
                model: Model::Random {
                    seed: u64::MAX,
                    config: None,
                },
                gpus: vec!["GPU-1".to_owned()],
            }),
            json!({"type": "load", "parameters": {"dtype": "float32"},
                "model": {"source": "random", "seed": u64::MAX}, "gpus": ["GPU-1"]}),
        ),
        (Request::Warmup(work.clone()), {
            let mut line = work_json.clone();
            line["type"] = json!("warmup");
            line
        }),
        (
            Request::Measure(Measure {
                work,
                measure: MeasureFor {
                    min_seconds: 0.5,
                    min_requests: 8,
                },
                profile: false,
            }),
            json!({"type": "measure", "work": work_json, "measure": {"min_seconds": 0.5, "min_requests": 8}}),
        ),
        (Request::Go {}, json!({"type": "go"})),
        (Request::Ping {}, json!({"type": "ping"})),
        (Request::Cancel {}, json!({"type": "cancel"})),
        (Request::Shutdown {}, json!({"type": "shutdown"})),
    ]
}

fn events() -> Vec<(Event, Value)> {
    let mark = Mark {
        name: MarkName::LoadStart,
        monotonic_ns: u64::MAX,
    };
    let mark_json = json!({"name": "load_start", "monotonic_ns": u64::MAX});
    let done = |outcome| Event::Done { outcome };
    vec![
        (Event::Ready {}, json!({"type": "ready"})),
        (
            Event::Mark(mark),
            json!({"type": "mark", "name": "load_start", "monotonic_ns": u64::MAX}),
        ),
        (
            Event::Progress {
                completed_requests: 9,
            },
            json!({"type": "progress", "completed_requests": 9}),
        ),
        (
            Event::Error {
                code: "out_of_memory".into(),
                message: "m".into(),
                hint: None,
            },
            json!({"type": "error", "code": "out_of_memory", "message": "m"}),
        ),
        (
            Event::Error {
                code: "cancelled".into(),
                message: "m".into(),
                hint: Some("h".into()),
            },
            json!({"type": "error", "code": "cancelled", "message": "m", "hint": "h"}),
        ),
        (
            done(Outcome::Hello(Hello {
                protocol_version: 1,
                backend: "reference".into(),
                backend_version: "0.1.0".into(),
                packages: [("candle-core".to_owned(), "0.11.1".to_owned())].into(),
                gpus: vec![],
                device: "cpu".into(),
                monotonic_ns: 5,
            })),
            json!({"type": "done", "outcome": {"of": "hello", "protocol_version": 1, "backend": "reference",
                "backend_version": "0.1.0", "packages": {"candle-core": "0.11.1"}, "gpus": [], "device": "cpu",
                "monotonic_ns": 5}}),
        ),
        (
            done(Outcome::Load(Loaded {
                effective: [("threads".to_owned(), json!(2))].into(),
                model_parameters: 5,
                vocab_size: None,
                active_parameters: None,
                marks: vec![mark],
            })),
            json!({"type": "done", "outcome": {"of": "load", "effective": {"threads": 2}, "model_parameters": 5,
                "marks": [mark_json]}}),
        ),
        (
            done(Outcome::Warmup {
                output_tokens: 1,
                elapsed_ns: 2,
            }),
            json!({"type": "done", "outcome": {"of": "warmup", "output_tokens": 1, "elapsed_ns": 2}}),
        ),
        (
            done(Outcome::Measure {
                bytes: 1,
                sha256: "ff".into(),
            }),
            json!({"type": "done", "outcome": {"of": "measure", "bytes": 1, "sha256": "ff"}}),
        ),
        (
            done(Outcome::Ping { monotonic_ns: 1 }),
            json!({"type": "done", "outcome": {"of": "ping", "monotonic_ns": 1}}),
        ),
        (
            done(Outcome::Shutdown {}),
            json!({"type": "done", "outcome": {"of": "shutdown"}}),
        ),
    ]
}

#[test]
fn every_request_has_one_spelling() {
    for (request, body) in requests() {
        let line = RequestLine {
            id: 7,
            attempt: Some("a-1".into()),
            request,
        };
        let expected = json!({"id": 7, "attempt": "a-1", "request": body});
        assert_eq!(serde_json::to_value(&line).unwrap(), expected);
        // Through text, as on the pipe: 64-bit numbers must survive it.
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<RequestLine>(&text).unwrap(), line);
    }
}

#[test]
fn every_event_has_one_spelling() {
    for (event, body) in events() {
        let line = EventLine {
            id: 7,
            attempt: None,
            event,
        };
        assert_eq!(
            serde_json::to_value(&line).unwrap(),
            json!({"id": 7, "event": body})
        );
        let text = serde_json::to_string(&line).unwrap();
        assert!(!text.contains('\n'));
        assert_eq!(serde_json::from_str::<EventLine>(&text).unwrap(), line);
    }
}

/// Adds a field to an object, and to every object in it in turn: each must make the line refused,
/// except where the protocol holds free parameters.
fn with_one_field_too_many(
    value: &Value,
    inside: &mut Vec<String>,
    found: &mut Vec<(String, Value)>,
    root: &Value,
) {
    match value {
        Value::Object(map) => {
            let free = matches!(
                inside.last().map(String::as_str),
                Some("parameters" | "effective" | "packages")
            );
            if !free {
                let pointer = inside
                    .iter()
                    .map(|part| format!("/{part}"))
                    .collect::<String>();
                let mut copy = root.clone();
                copy.pointer_mut(&pointer).unwrap()["smuggled"] = json!(1);
                found.push((pointer, copy));
            }
            for (key, child) in map {
                inside.push(key.clone());
                with_one_field_too_many(child, inside, found, root);
                inside.pop();
            }
        }
        Value::Array(items) => {
            for (index, child) in items.iter().enumerate() {
                inside.push(index.to_string());
                with_one_field_too_many(child, inside, found, root);
                inside.pop();
            }
        }
        _ => {}
    }
}

#[test]
fn a_field_too_many_is_refused_at_every_depth() {
    for (_, body) in events() {
        let line = json!({"id": 7, "event": body});
        let mut found = Vec::new();
        with_one_field_too_many(&line, &mut Vec::new(), &mut found, &line);
        for (pointer, bad) in found {
            assert!(
                serde_json::from_value::<EventLine>(bad.clone()).is_err(),
                "{pointer} in {bad}"
            );
        }
    }
    for (_, body) in requests() {
        let line = json!({"id": 7, "request": body});
        let mut found = Vec::new();
        with_one_field_too_many(&line, &mut Vec::new(), &mut found, &line);
        for (pointer, bad) in found {
            assert!(
                serde_json::from_value::<RequestLine>(bad.clone()).is_err(),
                "{pointer} in {bad}"
            );
        }
    }
}

#[test]
fn what_is_not_a_line_is_refused() {
    for bad in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"id":1}"#,
        r#"{"id":-1,"event":{"type":"ready"}}"#,
        r#"{"id":1.5,"event":{"type":"ready"}}"#,
        r#"{"id":18446744073709551616,"event":{"type":"ready"}}"#,
        r#"{"id":1,"id":2,"event":{"type":"ready"}}"#,
        r#"{"id":1,"event":{"type":"accepted"}}"#,
        r#"{"id":1,"event":{"type":"ready"}} trailing"#,
        r#"{"id":1,"event":{"type":"mark","name":"coffee_break","monotonic_ns":1}}"#,
        r#"{"id":1,"event":{"type":"mark","name":"load_end","monotonic_ns":-1}}"#,
        r#"{"id":1,"event":{"type":"done","outcome":{"of":"measure","bytes":"many","sha256":""}}}"#,
    ] {
        assert!(serde_json::from_str::<EventLine>(bad).is_err(), "{bad}");
    }
    let deep = format!(r#"{{"id":1,"event":{}"#, "[".repeat(100_000));
    assert!(
        serde_json::from_str::<EventLine>(&deep).is_err(),
        "depth is bounded, not a stack overflow"
    );
}
