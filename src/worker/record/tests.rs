//! Honest records pass, and every lie is named.

use lem_protocol::{Mark, RequestRecord, TimingKind, UnfinishedRequest};

use super::*;

fn record() -> Record {
    Record {
        schema_version: RECORD_SCHEMA_VERSION,
        attempt: "e.c1.a1".into(),
        backend: "reference".into(),
        backend_version: "0.1.0".into(),
        device: "cpu".into(),
        weights: Weights::Random,
        requested: Parameters::new(),
        effective: Parameters::new(),
        workload: "aa".into(),
        arrival: Arrival::Batch {},
        marks: vec![
            Mark {
                name: MarkName::MeasureStart,
                monotonic_ns: 1_000,
            },
            Mark {
                name: MarkName::MeasureEnd,
                monotonic_ns: 2_000_001_000,
            },
        ],
        token_timing: TimingKind::Measured,
        tokens_sha256: None,
        chat_template_sha256: None,
        profile: None,
        requests: vec![RequestRecord {
            prompt: 0,
            input_tokens: 2,
            output_tokens: 3,
            queued_ns: 1_000,
            prefill_ns: 1_100,
            first_token_ns: 1_500,
            token_gaps_ns: vec![10, 20],
            ..RequestRecord::default()
        }],
        unfinished: vec![],
    }
}

/// The same in a closed loop of two, with one that has made two of three tokens.
fn closed_loop() -> Record {
    Record {
        arrival: Arrival::ClosedLoop { concurrency: 2 },
        unfinished: vec![UnfinishedRequest {
            prompt: 0,
            input_tokens: 2,
            queued_ns: 2_000,
            prefill_ns: Some(2_100),
            first_token_ns: Some(2_500),
            token_gaps_ns: vec![10],
            ..UnfinishedRequest::default()
        }],
        ..record()
    }
}

fn checked(record: &Record) -> Result<Record, String> {
    checked_as(record, Arrival::Batch {})
}

fn checked_as(record: &Record, arrival: Arrival) -> Result<Record, String> {
    let requested = Parameters::new();
    let expected = Expected {
        attempt: "e.c1.a1",
        backend: "reference",
        requested: &requested,
        workload: "aa",
        lengths: &[PromptLength {
            input_tokens: Some(2),
            output_tokens: 3,
            natural: false,
        }],
        arrivals_ns: &[],
        chat_template: None,
        weights: Weights::Random,
        arrival,
        measure: MeasureFor {
            min_seconds: 1.0,
            min_requests: 1,
        },
        go_ns: 900,
        done_ns: 2_000_002_000,
    };
    check(&serde_json::to_vec(record).expect("writes"), &expected)
}

#[test]
fn an_honest_record_passes() {
    assert_eq!(checked(&record()), Ok(record()));
}

#[test]
fn what_was_in_flight_is_checked_too() {
    let arrival = Arrival::ClosedLoop { concurrency: 2 };
    assert_eq!(checked_as(&closed_loop(), arrival), Ok(closed_loop()));
    let mut waiting = closed_loop();
    waiting.unfinished[0] = UnfinishedRequest {
        prefill_ns: None,
        first_token_ns: None,
        token_gaps_ns: vec![],
        ..waiting.unfinished[0].clone()
    };
    assert_eq!(checked_as(&waiting, arrival), Ok(waiting.clone()));
    type Lie = (&'static str, fn(&mut UnfinishedRequest));
    let lies: [Lie; 9] = [
        ("unfinished[0]: prompt 7", |r| r.prompt = 7),
        ("input_tokens", |r| r.input_tokens = 3),
        ("it is finished", |r| r.token_gaps_ns.push(1)),
        ("no first token", |r| r.first_token_ns = None),
        ("no prefill", |r| r.prefill_ns = None),
        ("queued", |r| r.queued_ns = 1),
        ("prefill", |r| r.prefill_ns = Some(1_500)),
        ("first token", |r| r.first_token_ns = Some(2_050)),
        ("measure_end", |r| r.token_gaps_ns[0] = u64::MAX),
    ];
    for (word, lie) in lies {
        let mut record = closed_loop();
        lie(&mut record.unfinished[0]);
        let error = checked_as(&record, arrival).expect_err(word);
        assert!(error.contains(word), "{word}: {error}");
    }
    let mut crowd = closed_loop();
    crowd.unfinished = vec![crowd.unfinished[0].clone(); 3];
    let error = checked_as(&crowd, arrival).expect_err("three of two");
    assert!(error.contains("at most 2 can be in flight"), "{error}");
    let mut batch = record();
    batch.unfinished = closed_loop().unfinished;
    let error = checked(&batch).expect_err("none of a batch");
    assert!(error.contains("at most 0"), "{error}");
}

#[test]
fn every_lie_is_named() {
    type Lie = (&'static str, fn(&mut Record));
    let lies: [Lie; 14] = [
        ("schema_version", |r| r.schema_version = 99),
        ("attempt", |r| r.attempt = "e.c1.a2".into()),
        ("backend", |r| r.backend = "vllm".into()),
        ("requested", |r| {
            r.requested.insert("threads".into(), 3.into());
        }),
        ("workload", |r| r.workload = "bb".into()),
        ("arrival", |r| {
            r.arrival = Arrival::ClosedLoop { concurrency: 1 }
        }),
        ("no mark", |r| r.marks.truncate(1)),
        ("two marks", |r| r.marks.push(r.marks[0])),
        ("go was sent", |r| r.marks[0].monotonic_ns = 1),
        ("asked for 1 s", |r| r.marks[1].monotonic_ns = 500_000_000),
        ("0 requests", |r| r.requests.clear()),
        ("prompt 7", |r| r.requests[0].prompt = 7),
        ("output_tokens", |r| r.requests[0].output_tokens = 4),
        ("last token", |r| r.requests[0].token_gaps_ns[1] = u64::MAX),
    ];
    for (word, lie) in lies {
        let mut record = record();
        lie(&mut record);
        let error = checked(&record).expect_err(word);
        assert!(
            error.contains(word) || word == "last token",
            "{word}: {error}"
        );
    }
}
