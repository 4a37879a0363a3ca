//! Checking a record against what was asked: a number that is not in a checked record does not exist.

mod requests;
mod schedule;
#[cfg(test)]
mod tests;

use lem_protocol::{
    Arrival, MarkName, MeasureFor, Parameters, RECORD_SCHEMA_VERSION, Record, Weights,
};

use super::printable;
use crate::campaign::PromptLength;

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
    /// Lengths of each of its prompts, as far as they are known beforehand.
    pub lengths: &'a [PromptLength],
    /// Open loop: when each request is due, in ns from the window's start.
    pub arrivals_ns: &'a [u64],
    /// SHA-256 (hex) of the chat template that the workload brings, if it does.
    pub chat_template: Option<&'a str>,
    /// What the weights are.
    pub weights: Weights,
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
    same("weights", &record.weights, &expected.weights)?;
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
    if record
        .marks
        .iter()
        .any(|mark| matches!(mark.name, MarkName::WarmupStart | MarkName::WarmupEnd))
    {
        in_order(
            "warm-up",
            &[
                ("warmup_start", mark(&record, MarkName::WarmupStart)?),
                ("warmup_end", mark(&record, MarkName::WarmupEnd)?),
                ("measure_start", start),
            ],
        )?;
    }
    let seconds = (end - start) as f64 / 1e9;
    if seconds < expected.measure.min_seconds {
        return Err(format!(
            "the window lasted {seconds} s, asked for {} s",
            expected.measure.min_seconds
        ));
    }
    requests::check(&record, expected.lengths, start, end)?;
    tokenised(&record, expected)?;
    let most = match expected.arrival {
        Arrival::OpenLoop { drain_seconds } => {
            return schedule::check(&record, expected, drain_seconds, (start, end))
                .map(|()| record);
        }
        // Whole batches: at their end nothing is in flight.
        Arrival::Batch {} => 0,
        Arrival::ClosedLoop { concurrency } => concurrency as usize,
    };
    schedule::has_none(&record)?;
    if (record.requests.len() as u64) < u64::from(expected.measure.min_requests) {
        return Err(format!(
            "{} requests finished, asked for {}",
            record.requests.len(),
            expected.measure.min_requests
        ));
    }
    if record.unfinished.len() > most {
        return Err(format!(
            "{} requests are unfinished, at most {most} can be in flight",
            record.unfinished.len()
        ));
    }
    Ok(record)
}

/// What a text became must be told, and a template that was brought must be the one that was used.
fn tokenised(record: &Record, expected: &Expected<'_>) -> Result<(), String> {
    let hex = |digest: &Option<String>| {
        digest.as_ref().is_none_or(|digest| {
            digest.len() == 64
                && digest
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    if !hex(&record.tokens_sha256) || !hex(&record.chat_template_sha256) {
        return Err("tokens_sha256 or chat_template_sha256 is no SHA-256 in hex".to_owned());
    }
    let texts = expected
        .lengths
        .iter()
        .any(|length| length.input_tokens.is_none());
    if texts && record.tokens_sha256.is_none() {
        return Err("tokens_sha256 is absent, and the prompts are texts".to_owned());
    }
    match expected.chat_template {
        Some(template) => same(
            "chat_template_sha256",
            record.chat_template_sha256.as_deref().unwrap_or("absent"),
            template,
        ),
        None => Ok(()),
    }
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
