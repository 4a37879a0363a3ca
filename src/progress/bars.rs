//! Bars on a terminal: how far the campaign is, what it does now, and how long it will take.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::words;
use crate::diagnostics::harmless_line;
use crate::execution::{Event, EventSink, Notice, Phase, State, Tally};
use crate::plan::Plan;

/// Two lines that stay at the bottom, above them a line for each event.
pub struct Bars {
    lines: MultiProgress,
    campaign: ProgressBar,
    now: ProgressBar,
    running: String,
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl Bars {
    /// Bars that draw on stderr.
    #[must_use]
    pub fn new() -> Self {
        let lines = MultiProgress::new();
        let campaign = lines.add(ProgressBar::new(0));
        let now = lines.add(ProgressBar::new_spinner());
        campaign.set_style(style(
            "[{bar:32}] {pos}/{len} runs  {elapsed} so far, about {eta} left  {msg}",
        ));
        now.set_style(style("{spinner} {wide_msg}"));
        now.enable_steady_tick(Duration::from_millis(120));
        Self {
            lines,
            campaign,
            now,
            running: String::new(),
        }
    }
}

/// A template of ours; one that cannot be read falls back to indicatif's own.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn failures(tally: &Tally) -> String {
    let bad = [
        (tally.rejected, "rejected"),
        (tally.failed, "failed"),
        (tally.skipped, "skipped"),
    ];
    let words = bad
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"));
    words.collect::<Vec<_>>().join(", ")
}

impl EventSink for Bars {
    fn notice(&mut self, plan: &Plan, state: &State, notice: &Notice<'_>) {
        if let Some(line) = words::said(plan, state, notice) {
            // A line that cannot be drawn is not worth an error: the journal has it.
            let _ = self.lines.println(line);
        }
        match notice {
            Notice::Journaled(event) => {
                if let Event::SessionStarted { .. } = event {
                    // Runs done in earlier sessions say nothing about this one's pace.
                    let done = plan.runs.len() - state.tally().due;
                    self.campaign.set_length(plan.runs.len() as u64);
                    self.campaign.set_position(done as u64);
                    self.campaign.reset_eta();
                }
                if let Event::CycleAdded { .. } = event {
                    self.campaign.set_length(plan.runs.len() as u64);
                }
                if let Event::StepStarted { step } = event {
                    self.now.set_message(harmless_line(step).into_owned());
                }
                self.campaign
                    .set_position((plan.runs.len() - state.tally().due) as u64);
                self.campaign.set_message(failures(&state.tally()));
                if let Event::SessionEnded {} = event {
                    self.now.finish_and_clear();
                    self.campaign.finish_and_clear();
                }
            }
            Notice::Phase { run, phase } => {
                self.running = harmless_line(&plan.runs[*run].id).into_owned();
                self.now
                    .set_message(format!("{}: {}", self.running, phase.word()));
            }
            Notice::GapLeft { seconds } => {
                let left = words::duration(*seconds);
                self.now.set_message(format!(
                    "{}: {}, {left} left",
                    self.running,
                    Phase::Gap.word()
                ));
            }
            Notice::Fetched {
                done_bytes,
                total_bytes,
            } => self
                .now
                .set_message(words::fetched(*done_bytes, *total_bytes)),
            Notice::Measured { completed_requests } => {
                let word = Phase::Measure.word();
                self.now.set_message(format!(
                    "{}: {word}, {completed_requests} requests",
                    self.running
                ));
            }
            // Its line is all that there is to show.
            Notice::Warning { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::super::sample::{HOSTILE, assert_harmless, planned};
    use super::*;

    #[test]
    fn no_step_and_no_run_drives_a_terminal() {
        let (plan, state) = planned();
        let mut bars = Bars::new();
        bars.lines.set_draw_target(ProgressDrawTarget::hidden());
        let step = Event::StepStarted {
            step: HOSTILE.to_owned(),
        };
        for notice in [
            Notice::Journaled(&step),
            Notice::Phase {
                run: 0,
                phase: Phase::Gap,
            },
            Notice::GapLeft { seconds: 1.0 },
            Notice::Measured {
                completed_requests: 1,
            },
        ] {
            bars.notice(&plan, &state, &notice);
            assert_harmless(&bars.now.message());
        }
    }
}
