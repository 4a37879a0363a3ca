//! Checking a record against what was asked: a number that is not in a checked record does not exist.

use super::printable;
use lem_protocol::{
    Arrival, MarkName, MeasureFor, Parameters, RECORD_SCHEMA_VERSION, Record, RequestRecord,
    UnfinishedRequest,
};

/// What a record must say.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The attempt.
    pub attempt: &'a str,
    /// The backend.
    pub backend: &'a str,
    /// All parameters as asked, engine and request level together.
    pub requested: &'a Parameters,
    /// SHA-256 (hex) of the workload file.
    pub workload: &'a str,
    /// Input and output tokens of each of its prompts.
    pub lengths: &'a [(u32, u32)],
    /// How requests arrive.
    pub arrival: Arrival,
    /// How long the window must be.
    pub measure: MeasureFor,
    /// The host's CLOCK_MONOTONIC just before `go` was sent.
    pub go_ns: u64,
    /// The same just after `done` was read.
    pub done_ns: u64,
}

/// Parses and checks a record.
///
/// # Errors
/// One sentence that names the first thing that is wrong.
pub fn check(bytes: &[u8], expected: &Expected<'_>) -> Result<Record, String> {
    let record: Record = serde_json::from_slice(bytes)
        .map_err(|error| format!("not a record: {}", printable(error.to_string().as_bytes())))?;
    same(
        "schema_version",
        &record.schema_version,
        &RECORD_SCHEMA_VERSION,
    )?;
    same("attempt", record.attempt.as_str(), expected.attempt)?;
    same("backend", record.backend.as_str(), expected.backend)?;
    same("requested", &record.requested, expected.requested)?;
    same("workload", record.workload.as_str(), expected.workload)?;
    same("arrival", &record.arrival, &expected.arrival)?;
    let start = mark(&record, MarkName::MeasureStart)?;
    let end = mark(&record, MarkName::MeasureEnd)?;
    in_order(
        "window",
        &[
            ("go was sent", expected.go_ns),
            ("measure_start", start),
            ("measure_end", end),
            ("done was read", expected.done_ns),
        ],
    )?;
    let seconds = (end - start) as f64 / 1e9;
    if seconds < expected.measure.min_seconds {
        return Err(format!(
            "the window lasted {seconds} s, asked for {} s",
            expected.measure.min_seconds
        ));
    }
    if (record.requests.len() as u64) < u64::from(expected.measure.min_requests) {
        return Err(format!(
            "{} requests finished, asked for {}",
            record.requests.len(),
            expected.measure.min_requests
        ));
    }
    for (index, request) in record.requests.iter().enumerate() {
        check_request(request, expected.lengths, start, end)
            .map_err(|what| format!("requests[{index}]: {what}"))?;
    }
    let in_flight = match expected.arrival {
        // Whole batches: at their end nothing is in flight.
        Arrival::Batch {} => 0,
        Arrival::ClosedLoop { concurrency } => concurrency as usize,
        // The schedule bounds them: lemctl made it.
        Arrival::OpenLoop { .. } => usize::MAX,
    };
    if record.unfinished.len() > in_flight {
        return Err(format!(
            "{} requests are unfinished, at most {in_flight} can be in flight",
            record.unfinished.len()
        ));
    }
    for (index, request) in record.unfinished.iter().enumerate() {
        check_unfinished(request, expected.lengths, start, end)
            .map_err(|what| format!("unfinished[{index}]: {what}"))?;
    }
    Ok(record)
}

/// Output tokens asked for a prompt, once its input is what was sent.
fn asked(prompt: u32, input_tokens: u32, lengths: &[(u32, u32)]) -> Result<u32, String> {
    let (input, output) = lengths
        .get(prompt as usize)
        .ok_or_else(|| format!("prompt {prompt} of {}", lengths.len()))?;
    same("input_tokens", &input_tokens, input)?;
    Ok(*output)
}

fn check_request(
    request: &RequestRecord,
    lengths: &[(u32, u32)],
    start: u64,
    end: u64,
) -> Result<(), String> {
    let output = asked(request.prompt, request.input_tokens, lengths)?;
    same("output_tokens", &request.output_tokens, &output)?;
    same(
        "gaps",
        &request.token_gaps_ns.len(),
        &(request.output_tokens as usize).saturating_sub(1),
    )?;
    in_order(
        "request",
        &[
            ("measure_start", start),
            ("queued", request.queued_ns),
            ("prefill", request.prefill_ns),
            ("first token", request.first_token_ns),
            ("last token", request.last_token_ns()),
            ("measure_end", end),
        ],
    )
}

fn check_unfinished(
    request: &UnfinishedRequest,
    lengths: &[(u32, u32)],
    start: u64,
    end: u64,
) -> Result<(), String> {
    let output = asked(request.prompt, request.input_tokens, lengths)?;
    if request.output_tokens() >= u64::from(output) {
        let made = request.output_tokens();
        return Err(format!(
            "it has {made} of {output} output tokens: it is finished"
        ));
    }
    if request.first_token_ns.is_none() && !request.token_gaps_ns.is_empty() {
        return Err("it has gaps between tokens and no first token".to_owned());
    }
    if request.prefill_ns.is_none() && request.first_token_ns.is_some() {
        return Err("it has a first token and no prefill".to_owned());
    }
    let times = [
        ("measure_start", Some(start)),
        ("queued", Some(request.queued_ns)),
        ("prefill", request.prefill_ns),
        ("first token", request.first_token_ns),
        ("last token", request.last_token_ns()),
        ("measure_end", Some(end)),
    ];
    let known: Vec<(&str, u64)> = times
        .into_iter()
        .filter_map(|(name, at)| Some((name, at?)))
        .collect();
    in_order("request", &known)
}

fn mark(record: &Record, name: MarkName) -> Result<u64, String> {
    let mut marks = record.marks.iter().filter(|mark| mark.name == name);
    match (marks.next(), marks.next()) {
        (Some(mark), None) => Ok(mark.monotonic_ns),
        (None, _) => Err(format!("no mark {name:?}")),
        (Some(_), Some(_)) => Err(format!("two marks {name:?}")),
    }
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    found: &T,
    want: &T,
) -> Result<(), String> {
    if found == want {
        return Ok(());
    }
    let short = |value: &T| {
        let text = format!("{value:?}");
        printable(text.chars().take(200).collect::<String>().as_bytes())
    };
    Err(format!(
        "{what} is {}, asked for {}",
        short(found),
        short(want)
    ))
}

fn in_order(what: &str, times: &[(&str, u64)]) -> Result<(), String> {
    for pair in times.windows(2) {
        let ((before, earlier), (after, later)) = (pair[0], pair[1]);
        if earlier > later {
            return Err(format!(
                "{what}: {after} ({later} ns) lies before {before} ({earlier} ns)"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use lem_protocol::{Mark, TimingKind, Weights};

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
            lengths: &[(2, 3)],
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
}
