//! The attempts at a run, each with why it was made: a result that was chosen among several says so.

use serde::Serialize;

use super::state::why_not;
use super::tree::printable;
use crate::execution::{Because, State, Verdict};

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptLine {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its verdict; `interrupted` for one without: it may be open.
    pub verdict: &'static str,
    /// Why it was not accepted.
    pub why: Option<String>,
    /// Why it was made, if another one came before.
    pub because: Option<Because>,
}

/// Every attempt at a run, in order.
#[must_use]
pub fn attempt_lines(state: &State, run: usize) -> Vec<AttemptLine> {
    let lines = state
        .history(run)
        .zip(1..)
        .map(|(attempt, number)| AttemptLine {
            attempt: number,
            verdict: attempt
                .verdict
                .as_ref()
                .map_or("interrupted", Verdict::word),
            why: attempt.verdict.as_ref().and_then(why_not),
            because: attempt.because,
        });
    lines.collect()
}

impl AttemptLine {
    /// The attempt in one line.
    pub(super) fn text(&self) -> String {
        let Self {
            attempt,
            verdict,
            why,
            because,
        } = self;
        let made = because
            .as_ref()
            .map(|because| format!(" ({})", made(because)));
        let why = why.as_ref().map(|why| format!(": {}", printable(why)));
        let verdict = match *verdict {
            "interrupted" => "interrupted, or still open",
            verdict => verdict,
        };
        format!(
            "attempt {attempt}{}: {verdict}{}",
            made.unwrap_or_default(),
            why.unwrap_or_default()
        )
    }
}

/// What stands beside a run that was tried more than once.
pub(super) fn mark(lines: &[AttemptLine]) -> Option<String> {
    let last = lines.last().filter(|last| last.attempt > 1)?;
    let retried = lines.iter().find_map(|line| match &line.because {
        Some(Because::Retried { reason }) => {
            Some(format!(", one after {}", printable(&reason.code)))
        }
        _ => None,
    });
    Some(format!(
        "{} attempts{}",
        last.attempt,
        retried.unwrap_or_default()
    ))
}

fn made(because: &Because) -> String {
    match because {
        Because::Interrupted => "after an interruption".to_owned(),
        Because::Retried { reason } => {
            format!("made by lemctl itself after {}", printable(&reason.code))
        }
        Because::Reopened => "made by --retry".to_owned(),
        Because::ResultLost => "made since a result was lost".to_owned(),
    }
}
