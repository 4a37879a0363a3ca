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

#[test]
fn a_warm_up_is_marked_whole_and_before_the_window() {
    let with = |marks: &[(MarkName, u64)]| {
        let mut record = record();
        let marks = marks.iter().map(|(name, at)| Mark {
            name: *name,
            monotonic_ns: *at,
        });
        record.marks.splice(0..0, marks);
        checked(&record)
    };
    use MarkName::{WarmupEnd, WarmupStart};
    assert!(with(&[(WarmupStart, 10), (WarmupEnd, 900)]).is_ok());
    for (marks, why) in [
        (&[(WarmupStart, 10)][..], "no mark WarmupEnd"),
        (&[(WarmupEnd, 10)], "no mark WarmupStart"),
        (&[(WarmupStart, 900), (WarmupEnd, 10)], "warmup_start"),
        (&[(WarmupStart, 10), (WarmupEnd, 1_001)], "warmup_end"),
        (
            &[(WarmupStart, 10), (WarmupEnd, 20), (WarmupEnd, 30)],
            "two marks",
        ),
    ] {
        let told = with(marks).unwrap_err();
        assert!(told.contains(why), "{marks:?}: {told}");
    }
}

fn checked(record: &Record) -> Result<Record, String> {
    checked_as(record, Arrival::Batch {})
}

fn checked_as(record: &Record, arrival: Arrival) -> Result<Record, String> {
    checked_with(record, arrival, |_| ())
}

/// Two prompts: one of exact length, of which all is known, and one whose input only a tokenizer knows and whose
/// output may end before five tokens.
const LENGTHS: [PromptLength; 2] = [
    PromptLength {
        input_tokens: Some(2),
        output_tokens: 3,
        natural: false,
    },
    PromptLength {
        input_tokens: None,
        output_tokens: 5,
        natural: true,
    },
];

static NONE: Parameters = Parameters::new();

fn checked_with<'a>(
    record: &Record,
    arrival: Arrival,
    change: impl FnOnce(&mut Expected<'a>),
) -> Result<Record, String> {
    let bytes = serde_json::to_vec(record).expect("writes");
    checked_bytes(&bytes, arrival, change)
}

fn checked_bytes<'a>(
    bytes: &[u8],
    arrival: Arrival,
    change: impl FnOnce(&mut Expected<'a>),
) -> Result<Record, String> {
    let mut expected = Expected {
        attempt: "e.c1.a1",
        backend: "reference",
        requested: &NONE,
        workload: "aa",
        lengths: &LENGTHS[..1],
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
    change(&mut expected);
    check(bytes, &expected)
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
    let lies: [Lie; 23] = [
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
        ("weights", |r| r.weights = Weights::Real),
        ("has due_ns", |r| r.requests[0].due_ns = Some(1_000)),
        ("out of a cache", |r| r.requests[0].cached_tokens = 3),
        ("length was fixed", |r| r.requests[0].ended_early = true),
        ("chunk_tokens", |r| r.requests[0].chunk_tokens = vec![1, 1]),
        ("chunk_tokens", |r| r.requests[0].chunk_tokens = vec![3, 0]),
        // In 32 bits their sum would be 3.
        ("chunk_tokens", |r| {
            r.requests[0].chunk_tokens = vec![u32::MAX, 4]
        }),
        ("token_timing", |r| r.requests[0].chunk_tokens = vec![1, 2]),
        ("gaps", |r| r.requests[0].token_gaps_ns.push(30)),
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

/// Numbers that no record can hold, or whose sums no integer holds, and texts that are none: an answer, and no panic.
#[test]
fn numbers_without_bounds_are_refused() {
    let text = serde_json::to_string(&record()).unwrap();
    let expect = |text: &str, words: &str| {
        let refused = checked_bytes(text.as_bytes(), Arrival::Batch {}, |_| ()).unwrap_err();
        assert!(refused.contains(words), "{words}: {refused}");
        assert!(
            !refused.contains(crate::diagnostics::is_obeyed),
            "{refused:?}"
        );
    };
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    for number in [
        "1e999",
        "-1",
        "1.5",
        "NaN",
        "Infinity",
        "18446744073709551616",
        "null",
        "\"\\u001b[2J\"",
    ] {
        expect(
            &with("\"queued_ns\":1000", &format!("\"queued_ns\":{number}")),
            "not a record",
        );
        expect(
            &with(
                "\"output_tokens\":3",
                &format!("\"output_tokens\":{number}"),
            ),
            "not a record",
        );
    }
    let most = u64::MAX.to_string();
    expect(&with("[10,20]", &format!("[{most},{most}]")), "last token");
    expect(
        &with(
            "\"first_token_ns\":1500",
            &format!("\"first_token_ns\":{most}"),
        ),
        "token",
    );
    expect(
        &with("\"prompt\":0", "\"prompt\":4294967295"),
        "prompt 4294967295 of 1",
    );
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    expect(
        &with(
            "\"effective\":{}",
            &format!("\"effective\":{{\"x\":{deep}}}"),
        ),
        "recursion",
    );
    expect(&with("{", "{\"schema_version\":1,"), "not a record");
    let mut bytes = text.into_bytes();
    bytes[5] = 0xff;
    assert!(checked_bytes(&bytes, Arrival::Batch {}, |_| ()).is_err());
}

#[test]
fn chunks_make_times_estimates() {
    let mut record = record();
    record.requests[0].chunk_tokens = vec![1, 2];
    record.token_timing = TimingKind::Estimated;
    assert_eq!(checked(&record), Ok(record.clone()));
}

/// Two requests of the second prompt: one that ended early and one at its cap.
fn natural() -> Record {
    let request = |output_tokens: u32, ended_early| RequestRecord {
        prompt: 1,
        input_tokens: 7,
        output_tokens,
        token_gaps_ns: vec![10; output_tokens as usize - 1],
        ended_early,
        ..record().requests[0].clone()
    };
    Record {
        requests: vec![request(2, true), request(5, false)],
        tokens_sha256: Some("ab".repeat(32)),
        ..record()
    }
}

fn checked_natural(record: &Record, template: Option<&str>) -> Result<Record, String> {
    checked_with(record, Arrival::Batch {}, |expected| {
        expected.lengths = &LENGTHS;
        expected.chat_template = template;
    })
}

#[test]
fn a_texts_length_is_what_it_always_is_and_an_output_ends_where_it_may() {
    assert_eq!(checked_natural(&natural(), None), Ok(natural()));
    type Lie = (&'static str, fn(&mut Record));
    let lies: [Lie; 7] = [
        ("input_tokens is 8, asked for 7", |r| {
            r.requests[1].input_tokens = 8
        }),
        ("no input", |r| r.requests[0].input_tokens = 0),
        ("asked for 1 to 5", |r| r.requests[1].output_tokens = 6),
        ("asked for 1 to 5", |r| r.requests[0].output_tokens = 0),
        ("did not end early", |r| r.requests[0].ended_early = false),
        ("tokens_sha256 is absent", |r| r.tokens_sha256 = None),
        ("no SHA-256", |r| r.tokens_sha256 = Some("x".into())),
    ];
    for (word, lie) in lies {
        let mut record = natural();
        lie(&mut record);
        let error = checked_natural(&record, None).expect_err(word);
        assert!(error.contains(word), "{word}: {error}");
    }
    let template = "cd".repeat(32);
    let error = checked_natural(&natural(), Some(&template)).expect_err("no template");
    assert!(error.contains("chat_template_sha256"), "{error}");
    let mut told = natural();
    told.chat_template_sha256 = Some(template.clone());
    assert!(checked_natural(&told, Some(&template)).is_ok());
}

/// The schedule of [`open_loop`], in ns from its origin.
const ARRIVALS: [u64; 3] = [100, 100, 1_500_000_000];

/// Three requests of two prompts, the last of which is late and does not finish.
fn open_loop() -> Record {
    let origin = 1_005;
    let request = |prompt, due: u64| RequestRecord {
        prompt,
        input_tokens: 2,
        due_ns: Some(origin + due),
        queued_ns: origin + due + 7,
        prefill_ns: origin + due + 8,
        first_token_ns: origin + due + 9,
        ..record().requests[0].clone()
    };
    Record {
        arrival: Arrival::OpenLoop { drain_seconds: 1 },
        requests: vec![request(1, 100), request(0, 100)],
        unfinished: vec![UnfinishedRequest {
            prompt: 0,
            input_tokens: 2,
            due_ns: Some(origin + ARRIVALS[2]),
            queued_ns: origin + ARRIVALS[2] + 50,
            ..UnfinishedRequest::default()
        }],
        marks: vec![
            record().marks[0],
            Mark {
                name: MarkName::MeasureEnd,
                monotonic_ns: 2_500_001_005,
            },
        ],
        ..record()
    }
}

fn checked_open(record: &Record) -> Result<Record, String> {
    let arrival = Arrival::OpenLoop { drain_seconds: 1 };
    checked_with(record, arrival, |expected| {
        expected.lengths = &[LENGTHS[0], LENGTHS[0]];
        expected.arrivals_ns = &ARRIVALS;
        expected.measure.min_requests = 3;
        expected.done_ns = 3_000_000_000;
    })
}

#[test]
fn an_open_loop_is_held_against_its_schedule() {
    // Fewer have finished than were planned: that is what it is measured for.
    assert_eq!(checked_open(&open_loop()), Ok(open_loop()));
    type Lie = (&'static str, fn(&mut Record));
    let lies: [Lie; 8] = [
        ("2 requests are in the record, 3", |r| r.unfinished.clear()),
        ("4 requests are in the record", |r| {
            r.requests.push(r.requests[0].clone())
        }),
        ("no due_ns", |r| r.requests[0].due_ns = None),
        ("before it was due", |r| r.requests[0].queued_ns = 1_050),
        ("prompt 1 is due 101 ns", |r| {
            r.requests[0].due_ns = Some(1_106);
        }),
        ("the schedule has prompt 1 at", |r| r.requests[0].prompt = 0),
        ("not due where", |r| {
            for request in &mut r.requests {
                request.due_ns = Some(1_050);
            }
        }),
        ("before the 1 s of drain", |r| {
            r.marks[1].monotonic_ns = 2_500_001_004
        }),
    ];
    for (word, lie) in lies {
        let mut record = open_loop();
        lie(&mut record);
        let error = checked_open(&record).expect_err(word);
        assert!(error.contains(word), "{word}: {error}");
    }
}
