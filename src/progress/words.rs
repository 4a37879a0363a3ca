//! Notices in words: one line each, the same on a terminal and elsewhere.

use crate::diagnostics::harmless_line;
use crate::execution::{Event, Notice, State, Verdict};
use crate::plan::Plan;

/// A line for a notice, without what a terminal obeys; none for those that say nothing to a user.
pub(super) fn said(plan: &Plan, state: &State, notice: &Notice<'_>) -> Option<String> {
    let line = match notice {
        Notice::Warning { message } => format!("warning: {message}"),
        Notice::Journaled(event) => line(plan, state, event)?,
        _ => return None,
    };
    Some(harmless_line(&line).into_owned())
}

fn line(plan: &Plan, state: &State, event: &Event) -> Option<String> {
    Some(match event {
        Event::CampaignCreated(campaign) => format!(
            "campaign {} {}: {} runs",
            campaign.campaign, campaign.id, campaign.runs
        ),
        Event::SessionStarted { session, .. } if *session > 1 => {
            format!(
                "session {session}: {} of {} runs are done",
                plan.runs.len() - state.tally().due,
                plan.runs.len()
            )
        }
        Event::ChangesAccepted(campaign) => format!("changes accepted: {} runs now", campaign.runs),
        Event::OverrideAccepted { differences } => {
            format!("going on although: {}", differences.join("; "))
        }
        Event::StepDone { step, detail } => match detail.get("name").and_then(|name| name.as_str())
        {
            Some(name) => format!("{step}: {name}"),
            None => step.clone(),
        },
        Event::StepFailed { step, cause } => format!("{step} FAILED: {cause}"),
        Event::ContainerLost { backend, reason } => {
            format!("container of {backend} lost: {reason}")
        }
        Event::WorkerLost { backend, reason } => format!("worker of {backend} ended: {reason}"),
        Event::AttemptEnded {
            run,
            attempt,
            verdict,
            figures,
            ..
        } => {
            let done = plan.runs.len() - state.tally().due;
            let again = if *attempt > 1 {
                format!(" (attempt {attempt})")
            } else {
                String::new()
            };
            let what = match verdict {
                Verdict::Failed { cause } | Verdict::Skipped { cause } => cause.to_string(),
                Verdict::Rejected { reasons } => reasons
                    .iter()
                    .map(|reason| reason.message.as_str())
                    .collect::<Vec<_>>()
                    .join("; "),
                Verdict::Accepted => figures
                    .get("output_tokens_per_second")
                    .map(|rate| format!("{rate:.1} tokens/s"))
                    .unwrap_or_default(),
            };
            format!(
                "[{done}/{}] {run}{again} {}: {what}",
                plan.runs.len(),
                verdict.word()
            )
        }
        Event::AttemptInterrupted { run, .. } => format!("{run} interrupted"),
        Event::QualityAssessed { assessed, .. } => format!(
            "quality after {}: {}",
            assessed.run,
            assessed.quality.line()
        ),
        Event::ScoresAttached { scores, .. } => {
            format!("scores of {} tasks attached", scores.tasks.len())
        }
        Event::RunSkipped { run, cause } => format!("{run} skipped: {cause}"),
        Event::ResultLost {
            run,
            attempt,
            reason,
        } => format!("attempt {attempt} at {run} counts no more: {reason}"),
        Event::RunsReopened { runs } => format!("{} runs reopened", runs.len()),
        Event::RunRetried {
            run,
            reason,
            gap_seconds,
            ..
        } => {
            let gap = gap_seconds.map_or(String::new(), |seconds| {
                format!(" after a gap of {}", duration(seconds))
            });
            format!("{run} is tried again{gap}: {}", reason.code)
        }
        Event::CycleAdded { cycle, reason, .. } => format!("cycle {cycle} added: {reason}"),
        Event::BreakerOpened { cause } => {
            format!("stopping: too many environment failures, the last: {cause}")
        }
        Event::StopRequested { reason } => format!("stopping: {reason}"),
        Event::Sealed { manifest_sha256 } => format!("sealed: manifest SHA-256 {manifest_sha256}"),
        Event::SessionStarted { .. }
        | Event::StepStarted { .. }
        | Event::AttemptStarted { .. }
        | Event::SessionEnded {} => return None,
    })
}

/// How far the model's files are.
pub(super) fn fetched(done_bytes: u64, total_bytes: u64) -> String {
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    format!(
        "model: {:.2} of {:.2} GB",
        gigabytes(done_bytes),
        gigabytes(total_bytes)
    )
}

/// `1 h 02 min`, `3 min 20 s`, `12 s`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{HOSTILE, assert_harmless, planned};
    use super::*;

    #[test]
    fn no_line_drives_a_terminal() {
        let (plan, state) = planned();
        let lost = Event::ContainerLost {
            backend: HOSTILE.to_owned(),
            reason: format!("gone\n{HOSTILE}"),
        };
        let warning = Notice::Warning {
            message: format!("beware\n{HOSTILE}"),
        };
        for notice in [Notice::Journaled(&lost), warning] {
            assert_harmless(&said(&plan, &state, &notice).unwrap());
        }
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(12.4), "12 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(3720.0), "1 h 02 min");
        assert_eq!(duration(-1.0), "0 s");
    }
}
