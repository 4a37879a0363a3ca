//! What a user sees while a model's files are had: a bar of bytes on a terminal, elsewhere a line for each tenth.

use std::cell::Cell;
use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

use super::words;

/// Shows one transfer on stderr.
pub struct Transfer {
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    /// With the tenth that was told last.
    Lines(Cell<u64>),
    Nothing,
}

impl Transfer {
    /// A bar on a terminal, plain lines elsewhere, nothing if `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        if quiet {
            return Self {
                shown: Shown::Nothing,
            };
        }
        if !std::io::stderr().is_terminal() {
            return Self {
                shown: Shown::Lines(Cell::new(0)),
            };
        }
        let bar = ProgressBar::new(0);
        let template = "[{bar:32}] {bytes} of {total_bytes}, {bytes_per_sec}, about {eta} left";
        bar.set_style(
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        Self {
            shown: Shown::Bar(bar),
        }
    }

    /// So many bytes are there, of so many.
    pub fn at(&self, done_bytes: u64, total_bytes: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(total_bytes);
                bar.set_position(done_bytes);
            }
            Shown::Lines(told) => {
                let tenth = done_bytes.saturating_mul(10) / total_bytes.max(1);
                if tenth > told.replace(tenth.max(told.get())) {
                    // Nobody may be listening.
                    let line = words::fetched(done_bytes, total_bytes);
                    drop(writeln!(std::io::stderr(), "  {line}"));
                }
            }
        }
    }

    /// It is over, well or not.
    pub fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
