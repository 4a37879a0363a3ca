//! What a user sees while an image is built: on a terminal the step it is at, elsewhere a line for each step.
//! What the steps print themselves is shown on a terminal only, as the last line of it.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::diagnostics::harmless_line;

/// Shows one build on stderr; each line that the Engine prints goes in.
pub struct Building {
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Building {
    /// A bar on a terminal, plain lines elsewhere, nothing if `quiet`.
    #[must_use]
    pub fn new(image: &str, quiet: bool) -> Self {
        if quiet {
            return Self {
                shown: Shown::Nothing,
            };
        }
        if !std::io::stderr().is_terminal() {
            return Self {
                shown: Shown::Lines,
            };
        }
        let bar = ProgressBar::new(0);
        let template = "{spinner} {prefix} [{bar:20}] {pos}/{len}  {elapsed}  {wide_msg}";
        bar.set_style(
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        bar.set_prefix(image.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            shown: Shown::Bar(bar),
        }
    }

    /// One line of the Engine's.
    pub fn line(&self, line: &str) {
        let line = &*harmless_line(line);
        match (&self.shown, step(line)) {
            (Shown::Nothing, _) => {}
            (Shown::Lines, None) => {}
            // Nobody may be listening; the build goes on.
            (Shown::Lines, Some(_)) => drop(writeln!(std::io::stderr(), "  {line}")),
            (Shown::Bar(bar), Some((at, of))) => {
                bar.set_length(of);
                // The step that begins now is not done yet.
                bar.set_position(at.saturating_sub(1));
                bar.set_message(line.to_owned());
            }
            (Shown::Bar(bar), None) => bar.set_message(line.to_owned()),
        }
    }

    /// The build is over, well or not.
    pub fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// The numbers of `Step 3/12 : RUN …`.
fn step(line: &str) -> Option<(u64, u64)> {
    let (numbers, _) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (at, of) = numbers.split_once('/')?;
    Some((at.parse().ok()?, of.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{HOSTILE, assert_harmless};
    use super::*;

    #[test]
    fn no_step_of_a_build_drives_a_terminal() {
        let bar = ProgressBar::hidden();
        let building = Building {
            shown: Shown::Bar(bar.clone()),
        };
        for line in [HOSTILE.to_owned(), format!("Step 1/2 : RUN {HOSTILE}")] {
            building.line(&line);
            assert_harmless(&bar.message());
        }
    }

    #[test]
    fn steps_are_told_from_what_they_print() {
        assert_eq!(step("Step 3/12 : RUN pip install x"), Some((3, 12)));
        for line in [
            "Step three of 12",
            "Step 3 : RUN",
            "Collecting torch",
            "---> 0123",
            "",
        ] {
            assert_eq!(step(line), None, "{line}");
        }
    }
}
