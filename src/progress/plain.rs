//! Plain lines on stderr: for logs, CI and pipes.

use std::io::Write;

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
    fn notice(&mut self, plan: &Plan, state: &State, notice: &Notice<'_>) {
        if self.only_warnings && !matches!(notice, Notice::Warning { .. }) {
            return;
        }
        if let Some(line) = words::said(plan, state, notice) {
            // A terminal that went away is no reason to stop a campaign.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}
