//! A worker's log: its stderr, in a bounded file, and its last lines for error messages.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;

use super::harmless::Harmless;
use super::lines::{Lines, Piece};
use crate::diagnostics::harmless_line;

/// Bytes of a worker's stderr that are kept.
const MAX_LOG_BYTES: u64 = 8 * 1024 * 1024;
/// Longest line that is kept for error messages.
const MAX_TAIL_LINE: usize = 400;
/// Lines kept for error messages.
const TAIL_LINES: usize = 8;

/// The log of one worker.
#[derive(Debug)]
pub struct Log {
    file: Option<File>,
    written: u64,
    dropped: u64,
    harmless: Harmless,
    lines: Lines,
    tail: VecDeque<String>,
}

impl Log {
    /// A log that goes to `file`; if it cannot be written, only the tail is kept.
    pub fn new(file: Option<File>) -> Self {
        Self {
            file,
            written: 0,
            dropped: 0,
            harmless: Harmless::default(),
            lines: Lines::new(16 * 1024),
            tail: VecDeque::new(),
        }
    }

    /// Takes the next bytes of stderr.
    pub fn push(&mut self, bytes: &[u8]) {
        let clean = self.harmless.clean(bytes);
        let room = usize::try_from(MAX_LOG_BYTES - self.written).unwrap_or(usize::MAX);
        let kept = &clean.as_bytes()[..clean.len().min(room)];
        self.dropped += (clean.len() - kept.len()) as u64;
        self.written += kept.len() as u64;
        if let Some(file) = &mut self.file
            && file.write_all(kept).is_err()
        {
            self.file = None;
        }
        let tail = &mut self.tail;
        self.lines.push(bytes, |piece| {
            let Piece::Line(line) = piece else { return };
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(printable(line));
        });
    }

    /// The last lines, with a lead-in for the end of a sentence; empty if nothing was said.
    pub fn tail(&self) -> String {
        if self.tail.is_empty() {
            return String::new();
        }
        let lines: Vec<&str> = self.tail.iter().map(String::as_str).collect();
        format!("; it last said: {}", lines.join(" | "))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.dropped > 0
            && let Some(file) = &mut self.file
        {
            let _ = writeln!(
                file,
                "\n[lemctl: {} more bytes were not kept]",
                self.dropped
            );
        }
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

    #[test]
    fn the_file_is_bounded_and_says_so() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut log = Log::new(Some(file.reopen().expect("reopens")));
        for _ in 0..100 {
            log.push(&[b'x'; 100_000]);
        }
        drop(log);
        let text = std::fs::read_to_string(file.path()).expect("reads");
        assert!(text.len() as u64 <= MAX_LOG_BYTES + 100);
        assert!(text.ends_with("more bytes were not kept]\n"));
    }
}
