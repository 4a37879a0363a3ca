//! JSON lines on stdout: one object a notice, for programs.

use std::io::Write;

use serde_json::{Value, json};

use crate::diagnostics::harmless_json;
use crate::execution::{EventSink, Notice, State};
use crate::plan::Plan;

/// Writes every notice as one line.
#[derive(Debug)]
pub struct JsonLines;

impl EventSink for JsonLines {
    fn notice(&mut self, plan: &Plan, state: &State, notice: &Notice<'_>) {
        // A reader that went away is no reason to stop a campaign.
        let _ = writeln!(std::io::stdout(), "{}", line(plan, state, notice));
    }
}

fn line(plan: &Plan, state: &State, notice: &Notice<'_>) -> String {
    harmless_json(&object(plan, state, notice).to_string()).into_owned()
}

/// `{"notice": …, …, "tally": …}`; the events are the journal's.
fn object(plan: &Plan, state: &State, notice: &Notice<'_>) -> Value {
    match notice {
        Notice::Journaled(event) => {
            json!({ "notice": "event", "event": event, "tally": state.tally() })
        }
        Notice::Phase { run, phase } => {
            json!({ "notice": "phase", "run": plan.runs[*run].id, "phase": phase.word() })
        }
        Notice::GapLeft { seconds } => json!({ "notice": "gap_left", "seconds": seconds }),
        Notice::Fetched {
            done_bytes,
            total_bytes,
        } => json!({ "notice": "fetched", "done_bytes": done_bytes, "total_bytes": total_bytes }),
        Notice::Measured { completed_requests } => {
            json!({ "notice": "measured", "completed_requests": completed_requests })
        }
        Notice::Warning { message } => json!({ "notice": "warning", "message": message }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{HOSTILE, assert_harmless, planned};
    use super::*;
    use crate::execution::Event;

    #[test]
    fn no_json_drives_a_terminal_and_its_value_stays() {
        let (plan, state) = planned();
        let step = Event::StepStarted {
            step: HOSTILE.to_owned(),
        };
        let message = HOSTILE.to_owned();
        for notice in [Notice::Journaled(&step), Notice::Warning { message }] {
            let line = line(&plan, &state, &notice);
            assert_harmless(&line);
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value, object(&plan, &state, &notice));
        }
    }
}
