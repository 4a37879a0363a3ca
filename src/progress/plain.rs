//! Plain lines on stderr: for logs, CI and pipes.

use super::words;
use crate::execution::{EventSink, Notice, State};
use crate::plan::Plan;

/// Writes a line for each event that says something.
#[derive(Debug)]
pub struct PlainLines {
    only_warnings: bool,
}

impl PlainLines {
    /// With `only_warnings`, events are left out.
    #[must_use]
    pub fn new(only_warnings: bool) -> Self {
        Self { only_warnings }
    }
}

impl EventSink for PlainLines {
    #[expect(clippy::disallowed_macros, reason = "this sink prints")]
    fn notice(&mut self, plan: &Plan, state: &State, notice: &Notice<'_>) {
        match notice {
            Notice::Warning { message } => eprintln!("warning: {message}"),
            Notice::Journaled(event) if !self.only_warnings => {
                if let Some(line) = words::line(plan, state, event) {
                    eprintln!("{line}");
                }
            }
            _ => {}
        }
    }
}
