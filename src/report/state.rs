//! Where a campaign stands, told.

use std::fmt::Write as _;

use serde::Serialize;

use super::attempts::attempt_lines;
use super::experiments::{ExperimentLine, experiment_lines, experiments_table};
use super::table;
use crate::execution::{RunStatus, State, Tally, Verdict};
use crate::manifest::ExperimentCycles;

/// What `campaign status --format json` prints.
#[derive(Debug, Serialize)]
pub struct StatusView {
    /// Name of the campaign.
    pub campaign: String,
    /// Its id.
    pub id: String,
    /// Whether a manifest seals it.
    pub sealed: bool,
    /// Sessions so far.
    pub sessions: u32,
    /// Whether the last session ended in order.
    pub ended_in_order: bool,
    /// How many runs stand where.
    pub tally: Tally,
    /// The runs in order.
    pub runs: Vec<RunLine>,
    /// The experiments over their cycles so far.
    pub experiments: Vec<ExperimentLine>,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct RunLine {
    /// Its id.
    pub run: String,
    /// `due`, `running`, or its verdict.
    pub status: &'static str,
    /// Attempts so far.
    pub attempts: u32,
    /// Why it is not accepted, if it ended otherwise.
    pub why: Option<String>,
    /// Its result file.
    pub result: Option<String>,
}

/// Gathers a state for printing. `live` says whether a lemctl holds the campaign now: only then a run
/// is running.
#[must_use]
pub fn status_view(state: &State, cycles: Vec<ExperimentCycles>, live: bool) -> StatusView {
    let plan = state.plan();
    let runs = (0..plan.runs.len()).map(|run| {
        let (status, why) = standing(state, run, live);
        let result = match state.status(run) {
            RunStatus::Ended { result, .. } => result.as_ref().map(|file| file.path.clone()),
            RunStatus::Due | RunStatus::Running => None,
        };
        RunLine {
            run: plan.runs[run].id.clone(),
            status,
            attempts: state.attempts(run),
            why,
            result,
        }
    });
    let fingerprint = state.fingerprint();
    StatusView {
        campaign: fingerprint
            .map(|found| found.campaign.clone())
            .unwrap_or_default(),
        id: fingerprint
            .map(|found| found.id.clone())
            .unwrap_or_default(),
        sealed: state.sealed().is_some(),
        sessions: state.session(),
        ended_in_order: !state.session_open(),
        tally: state.tally(),
        runs: runs.collect(),
        experiments: experiment_lines(state, cycles),
    }
}

/// Where a run stands in a word, and why it is not accepted, if it ended otherwise. `live` as for
/// [`status_view`].
#[must_use]
pub fn standing(state: &State, run: usize, live: bool) -> (&'static str, Option<String>) {
    match state.status(run) {
        RunStatus::Due => ("due", None),
        RunStatus::Running if live => ("running", None),
        RunStatus::Running => (
            "interrupted",
            Some("its session ended without a word".to_owned()),
        ),
        RunStatus::Ended { verdict, .. } => (verdict.word(), why_not(verdict)),
    }
}

/// A state as text.
#[must_use]
pub fn status_text(view: &StatusView) -> String {
    let Tally {
        due,
        accepted,
        rejected,
        failed,
        skipped,
    } = view.tally;
    let state = match (view.sealed, view.ended_in_order) {
        (true, _) => "sealed",
        (false, true) => "open",
        (false, false) => "open; its last session did not end in order",
    };
    let mut out = format!(
        "campaign {} {}: {state}, {} sessions\n{} runs: {accepted} accepted, {rejected} rejected, \
         {failed} failed, {skipped} skipped, {due} due\n\n",
        view.campaign,
        view.id,
        view.sessions,
        view.runs.len()
    );
    let rows = view.runs.iter().map(|run| {
        vec![
            run.run.clone(),
            run.status.to_owned(),
            run.attempts.to_string(),
            run.why.clone().unwrap_or_default(),
        ]
    });
    out.push_str(&table(
        &["run", "status", "attempts", "why"],
        rows.collect(),
        usize::MAX,
    ));
    if let Some(table) = experiments_table(&view.experiments) {
        let _ = write!(out, "\n\n{table}");
    }
    out
}

/// Why a verdict is not acceptance.
#[must_use]
pub fn why_not(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Accepted => None,
        Verdict::Rejected { reasons } => {
            let words = reasons
                .iter()
                .map(|reason| format!("{}: {}", reason.code, reason.message));
            Some(words.collect::<Vec<_>>().join("; "))
        }
        Verdict::Failed { cause } | Verdict::Skipped { cause } => Some(cause.to_string()),
    }
}

/// Why a run is done, stale or due, attempt by attempt. `lost` says what is wrong with its files now.
#[must_use]
pub fn why(state: &State, run: usize, lost: Option<&str>) -> String {
    let plan = state.plan();
    let planned = &plan.runs[run];
    let experiment = &plan.experiments[planned.experiment];
    let mut out = format!("{}\n", planned.id);
    let standing = match (state.status(run), lost) {
        (RunStatus::Due, _) if state.attempts(run) == 0 => "due: it was never tried".to_owned(),
        (RunStatus::Due, _) => "due: its last attempt gave no result that stands".to_owned(),
        (RunStatus::Running, _) => "due: its attempt did not end, or is running now".to_owned(),
        (RunStatus::Ended { .. }, Some(lost)) => {
            format!("stale: {lost}; the next resume measures it again")
        }
        (RunStatus::Ended { verdict, .. }, None) => {
            let reason = why_not(verdict)
                .map(|reason| format!(" ({reason})"))
                .unwrap_or_default();
            format!(
                "done: {}{reason}; its files are what the journal cites",
                verdict.word()
            )
        }
    };
    let _ = writeln!(out, "  {standing}");
    let _ = writeln!(
        out,
        "  experiment {} of hash {}",
        experiment.id, experiment.hash
    );
    for (attempt, line) in state.history(run).zip(attempt_lines(state, run)) {
        let _ = writeln!(out, "  {}", line.text());
        if let Some(result) = attempt.result {
            let _ = writeln!(out, "    {} (SHA-256 {})", result.path, result.sha256);
        }
    }
    out.truncate(out.trim_end().len());
    out
}
