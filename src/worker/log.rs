//! A worker's log: its stderr, in bounded files, and its last lines for error messages.

use std::collections::VecDeque;

use super::harmless::Harmless;
use super::lines::{Lines, Piece};
use super::log_file::LogFile;
use crate::diagnostics::harmless_line;

/// Longest line that is kept for error messages.
const MAX_TAIL_LINE: usize = 400;
/// Lines kept for error messages.
const TAIL_LINES: usize = 8;

/// The log of one worker.
#[derive(Debug)]
pub struct Log {
    file: Option<LogFile>,
    harmless: Harmless,
    lines: Lines,
    /// The last lines as they came: a log of millions pays for no more than it shows.
    tail: VecDeque<Vec<u8>>,
}

impl Log {
    /// A log that goes to `file`, if there is one; the tail is kept anyway.
    pub fn new(file: Option<LogFile>) -> Self {
        Self {
            file,
            harmless: Harmless::default(),
            lines: Lines::new(16 * 1024),
            tail: VecDeque::new(),
        }
    }

    /// Takes the next bytes of stderr.
    pub fn push(&mut self, bytes: &[u8]) {
        let clean = self.harmless.clean(bytes);
        if let Some(file) = &mut self.file {
            file.push(clean.as_bytes());
        }
        let tail = &mut self.tail;
        self.lines.push(bytes, |piece| {
            let Piece::Line(line) = piece else { return };
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line[..line.len().min(MAX_TAIL_LINE)].to_vec());
        });
    }

    /// What the disk said when the log could not be written, once.
    pub fn take_trouble(&mut self) -> Option<std::io::Error> {
        self.file.as_mut()?.take_trouble()
    }

    /// The last lines, with a lead-in for the end of a sentence; empty if nothing was said.
    pub fn tail(&self) -> String {
        if self.tail.is_empty() {
            return String::new();
        }
        let lines: Vec<String> = self.tail.iter().map(|line| printable(line)).collect();
        format!("; it last said: {}", lines.join(" | "))
    }
}

/// A line of a container's output as it may stand in a message: bounded, no control characters that a
/// terminal would obey.
pub fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_TAIL_LINE)]);
    harmless_line(text.trim_end()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_short_and_harmless() {
        let mut log = Log::new(None);
        for number in 0..20 {
            log.push(format!("line {number} \u{1b}[31m\n").as_bytes());
        }
        let tail = log.tail();
        assert!(tail.contains("line 19") && !tail.contains("line 11 "));
        assert!(!tail.contains('\u{1b}'));
    }
}
