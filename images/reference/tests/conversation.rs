//! The whole worker through its pipes, as lemctl speaks with it.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::fs;

use lem_protocol::{
    Event, MAX_LINE_BYTES, Mark, MarkName, Outcome, PROTOCOL_VERSION, RECORD_SCHEMA_VERSION,
    Record, TimingKind, Weights,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use support::{Talk, engine, load, minima, work};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_campaigns_worth_of_requests() {
    let mut talk = Talk::start();
    let workload = talk.workload(&[(3, 4), (9, 6), (1, 2)]);

    let Event::Done {
        outcome: Outcome::Hello(hello),
    } = talk.ask(None, json!({"type": "hello"}))
    else {
        panic!()
    };
    assert_eq!(
        (
            hello.protocol_version,
            hello.backend.as_str(),
            hello.device.as_str()
        ),
        (PROTOCOL_VERSION, "reference", "cpu")
    );
    assert!(hello.gpus.is_empty() && hello.monotonic_ns > 0);

    let id = talk.say(None, load(engine(2)));
    let marks: Vec<Mark> = (0..2)
        .map(|_| match talk.event(id) {
            Event::Mark(mark) => mark,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        [marks[0].name, marks[1].name],
        [MarkName::LoadStart, MarkName::LoadEnd]
    );
    let Event::Done {
        outcome: Outcome::Load(loaded),
    } = talk.event(id)
    else {
        panic!()
    };
    assert_eq!(loaded.marks, marks);
    assert_eq!(serde_json::to_value(&loaded.effective).unwrap(), engine(2));
    assert!(loaded.model_parameters > 10_000);

    let warm = talk.warm_up(
        Some("a-1"),
        json!({"type": "warmup", "workload": workload, "arrival": {"kind": "batch"},
        "parameters": {"batch_size": 3, "temperature": 0}}),
    );
    let Event::Done {
        outcome: Outcome::Warmup {
            output_tokens,
            elapsed_ns,
        },
    } = warm
    else {
        panic!("{warm:?}")
    };
    assert!(output_tokens == 12 && elapsed_ns > 0);

    for (attempt, arrival) in [
        ("a-1", json!({"kind": "batch"})),
        ("a-2", json!({"kind": "closed_loop", "concurrency": 4})),
    ] {
        let mut work = work(&workload, 3);
        work["arrival"] = arrival;
        let id = talk.say(
            Some(attempt),
            json!({"type": "measure", "work": work, "measure": minima(0.0, 6)}),
        );
        assert_eq!(talk.event(id), Event::Ready {});
        talk.say(Some(attempt), json!({"type": "go"}));
        let (mut marks, mut end) = (Vec::new(), None);
        while end.is_none() {
            match talk.event(id) {
                Event::Mark(mark) => marks.push(mark),
                Event::Progress { .. } => {}
                Event::Done {
                    outcome: Outcome::Measure { bytes, sha256 },
                } => end = Some((bytes, sha256)),
                other => panic!("{other:?}"),
            }
        }
        let folder = talk.outbox().join(attempt);
        let text = fs::read(folder.join("record.json")).unwrap();
        assert_eq!(end, Some((text.len() as u64, sha256(&text))));
        assert_eq!(
            fs::read_dir(folder).unwrap().count(),
            1,
            "the temporary name is gone"
        );
        check_record(
            &serde_json::from_slice(&text).unwrap(),
            attempt,
            &workload,
            &marks,
        );
    }

    let Event::Done {
        outcome: Outcome::Ping { monotonic_ns },
    } = talk.ask(None, json!({"type": "ping"}))
    else {
        panic!()
    };
    assert!(monotonic_ns > hello.monotonic_ns);
    assert_eq!(
        talk.ask(None, json!({"type": "shutdown"})),
        Event::Done {
            outcome: Outcome::Shutdown {}
        }
    );
    assert_eq!(talk.exit_code(), Some(0));
    assert_eq!(talk.rest(), "", "stdout ends with the last answer");
}

fn check_record(record: &Record, attempt: &str, workload: &str, marks: &[Mark]) {
    assert_eq!(
        (record.schema_version, record.attempt.as_str()),
        (RECORD_SCHEMA_VERSION, attempt)
    );
    assert_eq!(
        (
            record.workload.as_str(),
            record.weights,
            record.token_timing
        ),
        (workload, Weights::Random, TimingKind::Measured)
    );
    // The warm-up belongs to the first attempt, and comes before its window.
    let warm = if attempt == "a-1" { 2 } else { 0 };
    assert_eq!(record.marks[warm..], *marks);
    let names: Vec<MarkName> = record.marks[..warm].iter().map(|mark| mark.name).collect();
    assert!(names.is_empty() || names == [MarkName::WarmupStart, MarkName::WarmupEnd]);
    assert_eq!(
        [marks[0].name, marks[1].name],
        [MarkName::MeasureStart, MarkName::MeasureEnd]
    );
    let (start, end) = (marks[0].monotonic_ns, marks[1].monotonic_ns);
    let mut all = engine(2);
    all.as_object_mut().unwrap().extend(
        json!({"batch_size": 3, "temperature": 0, "top_k": null, "sampling_seed": null})
            .as_object()
            .unwrap()
            .clone(),
    );
    assert_eq!(serde_json::to_value(&record.effective).unwrap(), all);
    assert!(record.requests.len() >= 6);
    for request in &record.requests {
        let (input, output) = [(3, 4), (9, 6), (1, 2)][request.prompt as usize];
        assert_eq!(
            (request.input_tokens, request.output_tokens),
            (input, output)
        );
        assert_eq!(request.token_gaps_ns.len() as u32 + 1, output);
        assert!(start <= request.queued_ns && request.queued_ns <= request.prefill_ns);
        assert!(request.prefill_ns < request.first_token_ns && request.last_token_ns() <= end);
    }
}

#[test]
fn threads_are_as_many_as_asked() {
    for threads in [1, 3] {
        let mut talk = Talk::loaded(threads);
        let workload = talk.workload(&[(8, 4)]);
        talk.ask(
            None,
            json!({"type": "warmup", "workload": workload, "arrival": {"kind": "batch"},
            "parameters": {"batch_size": 4, "temperature": 0}}),
        );
        // Beside the pool: main, the reader and the writer.
        assert_eq!(talk.threads(), threads + 3);
    }
}

#[test]
fn what_comes_before_load_or_twice() {
    let mut talk = Talk::start();
    let work = work(&"0".repeat(64), 1);
    let mut warmup = work.clone();
    warmup["type"] = json!("warmup");
    assert_eq!(talk.refusal(None, warmup), "not_loaded");
    assert_eq!(
        talk.refusal(
            Some("a"),
            json!({"type": "measure", "work": work, "measure": minima(0.0, 1)})
        ),
        "not_loaded"
    );
    // Late ones are dropped: the next answer is the ping's.
    talk.say(None, json!({"type": "go"}));
    talk.say(None, json!({"type": "cancel"}));
    assert!(matches!(
        talk.ask(None, json!({"type": "ping"})),
        Event::Done { .. }
    ));
    talk.load(1);
    talk.say(None, json!({"type": "go"}));
    talk.say(Some("a"), json!({"type": "cancel"}));
    assert_eq!(talk.refusal(None, load(engine(1))), "already_loaded");
}

#[test]
fn a_load_that_cannot_be_is_refused_and_a_better_one_taken() {
    let mut talk = Talk::start();
    let with = |name: &str, value: Value| {
        let mut parameters = engine(1);
        parameters[name] = value;
        load(parameters)
    };
    assert_eq!(
        talk.refusal(None, with("treads", json!(1))),
        "bad_parameter"
    );
    assert_eq!(
        talk.refusal(None, with("num_heads", json!(5))),
        "bad_parameter"
    );
    let mut huge = engine(1);
    for (name, value) in [
        ("hidden_size", 65536),
        ("num_layers", 1024),
        ("intermediate_size", 262_144),
    ] {
        huge[name] = json!(value);
    }
    assert_eq!(talk.refusal(None, load(huge)), "out_of_memory");
    let mut gpu = load(engine(1));
    gpu["gpus"] = json!(["GPU-0"]);
    assert_eq!(talk.refusal(None, gpu), "gpu_unavailable");
    talk.load(1);
}

#[test]
fn work_that_cannot_be_is_refused_before_it_says_ready() {
    let mut talk = Talk::loaded(1);
    let good = talk.workload(&[(3, 4)]);
    let long = talk.workload(&[(60, 5)]);
    let measure = |workload: &str, change: &dyn Fn(&mut Value)| {
        let mut work = work(workload, 2);
        change(&mut work);
        json!({"type": "measure", "work": work, "measure": minima(0.0, 1)})
    };
    let keep = |_: &mut Value| {};
    assert_eq!(
        talk.refusal(Some("a"), measure(&"0".repeat(64), &keep)),
        "workload_missing"
    );
    assert_eq!(
        talk.refusal(Some("a"), measure("../../etc/passwd", &keep)),
        "bad_request"
    );
    assert_eq!(
        talk.refusal(Some("a"), measure(&long, &keep)),
        "context_exceeded"
    );
    assert_eq!(
        talk.refusal(
            Some("a"),
            measure(&good, &|work| work["parameters"]["top_p"] = json!(1))
        ),
        "bad_parameter"
    );
    let none_in_flight =
        |work: &mut Value| work["arrival"] = json!({"kind": "closed_loop", "concurrency": 0});
    assert_eq!(
        talk.refusal(Some("a"), measure(&good, &none_in_flight)),
        "bad_parameter"
    );
    assert_eq!(talk.refusal(None, measure(&good, &keep)), "bad_request");
    assert_eq!(
        talk.refusal(Some("../a"), measure(&good, &keep)),
        "bad_request"
    );
    assert_eq!(fs::read_dir(talk.outbox()).unwrap().count(), 0);
    fs::write(talk.workloads().join(format!("{good}.json")), "{}").unwrap();
    assert_eq!(
        talk.refusal(Some("a"), measure(&good, &keep)),
        "workload_mismatch"
    );
}

#[test]
fn what_is_refused_takes_the_warm_up_before_it_with_it() {
    let mut talk = Talk::loaded(1);
    let workload = talk.workload(&[(2, 2)]);
    let work = work(&workload, 2);
    let warm_up = |mut work: Value| {
        work["type"] = json!("warmup");
        work
    };
    let mut unknown = work.clone();
    unknown["parameters"]["top_p"] = json!(1);
    let window = json!({"type": "measure", "work": unknown, "measure": minima(0.0, 1)});
    for (attempt, refused) in [("a", window), ("b", warm_up(unknown))] {
        let warm = talk.warm_up(Some(attempt), warm_up(work.clone()));
        assert!(matches!(warm, Event::Done { .. }), "{warm:?}");
        assert_eq!(talk.refusal(Some(attempt), refused), "bad_parameter");
        let id = talk.measure(attempt, &workload, minima(0.0, 1));
        assert!(talk.end(id).is_ok());
        let text = fs::read(talk.outbox().join(attempt).join("record.json")).unwrap();
        let record: Record = serde_json::from_slice(&text).unwrap();
        let names: Vec<MarkName> = record.marks.iter().map(|mark| mark.name).collect();
        assert_eq!(names, [MarkName::MeasureStart, MarkName::MeasureEnd]);
    }
}

#[test]
fn an_outbox_that_cannot_be_written_fails_the_attempt_only() {
    let mut talk = Talk::loaded(1);
    let workload = talk.workload(&[(2, 2)]);
    fs::write(talk.outbox().join("a"), "a file where the folder should be").unwrap();
    let id = talk.measure("a", &workload, minima(0.0, 1));
    assert_eq!(talk.end(id), Err("record_failed".to_owned()));
    let id = talk.measure("b", &workload, minima(0.0, 1));
    assert!(talk.end(id).is_ok());
}

#[test]
fn a_measurement_can_be_cancelled_and_the_next_one_works() {
    let mut talk = Talk::loaded(1);
    let workload = talk.workload(&[(3, 40)]);
    // Before go.
    let id = talk.say(
        Some("a"),
        json!({"type": "measure", "work": work(&workload, 2), "measure": minima(1e6, 1)}),
    );
    assert_eq!(talk.event(id), Event::Ready {});
    talk.say(Some("a"), json!({"type": "cancel"}));
    assert_eq!(talk.end(id), Err("cancelled".to_owned()));
    // While it runs; what another attempt's cancel says does not count, and other work must wait.
    let id = talk.measure("b", &workload, minima(1e6, 1));
    talk.say(Some("a"), json!({"type": "cancel"}));
    let ping = talk.say(None, json!({"type": "ping"}));
    let busy = talk.say(
        Some("c"),
        json!({"type": "warmup", "workload": workload, "arrival": {"kind": "batch"},
        "parameters": {"batch_size": 1, "temperature": 0}}),
    );
    assert!(talk.end(ping).is_ok());
    assert_eq!(talk.end(busy), Err("busy".to_owned()));
    talk.say(Some("b"), json!({"type": "cancel"}));
    assert_eq!(talk.end(id), Err("cancelled".to_owned()));
    assert!(
        !talk.outbox().join("b").exists(),
        "a cancelled attempt leaves no record"
    );
    let id = talk.measure("c", &workload, minima(0.0, 1));
    assert!(talk.end(id).is_ok());
}

#[test]
fn hostile_lines_are_answered_and_the_next_one_works() {
    for loaded in [false, true] {
        let mut talk = if loaded {
            Talk::loaded(1)
        } else {
            Talk::start()
        };
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        let deep = "[".repeat(10_000);
        for bad in [
            &b"hello"[..],
            b"",
            b"\xff\xfe",
            b"null",
            &long,
            deep.as_bytes(),
            br#"{"id":0,"request":{"type":"hello","x":1}}"#,
        ] {
            talk.raw(bad);
            assert_eq!(talk.end(0), Err("bad_request".to_owned()));
        }
        assert!(matches!(
            talk.ask(None, json!({"type": "ping"})),
            Event::Done { .. }
        ));
    }
}
