//! Replaying: from the file to events, checked line by line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;

use camino::Utf8Path;
use serde::Deserialize;

use super::{FILE, Head, JournalError, MAX_LINE_BYTES};
use crate::execution::Event;
use crate::units::Digest;

/// One line of the journal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Number, from 1.
    pub seq: u64,
    /// Hash of the line before.
    pub prev: Digest,
    /// Wall clock when it was written, RFC 3339.
    pub at: String,
    /// What happened.
    pub event: Event,
}

/// What a replay found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Where the chain ends.
    pub head: Head,
    /// Bytes of whole lines.
    pub bytes: u64,
    /// Bytes of a torn last line, which never took effect.
    pub torn_bytes: u64,
}

/// Reads the journal of `folder` and hands every event to `each`, in order. `each` says why an event
/// cannot be, if it cannot.
///
/// A last line without its newline was torn by a crash before its effect: it is left out and counted.
///
/// # Errors
/// [`JournalError::Damaged`] at the first line that breaks the chain, cannot be read, or that `each`
/// refuses.
pub fn replay(
    folder: &Utf8Path,
    mut each: impl FnMut(Entry) -> Result<(), String>,
) -> Result<Replayed, JournalError> {
    let path = folder.join(FILE);
    let io = |source| JournalError::Io {
        action: "read",
        path: path.clone(),
        source,
    };
    let damaged = |line, what: String| JournalError::Damaged {
        path: path.clone(),
        line,
        what,
    };
    let file = File::options()
        .read(true)
        .custom_flags(super::NO_LINK)
        .open(&path)
        .map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(io(std::io::Error::other("it is not a regular file")));
    }
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut found = Replayed {
        head: Head::EMPTY,
        bytes: 0,
        torn_bytes: 0,
    };
    let mut line = Vec::with_capacity(1024);
    loop {
        line.clear();
        let number = found.head.events + 1;
        let limit = MAX_LINE_BYTES as u64 + 1;
        let read = std::io::Read::take(&mut reader, limit)
            .read_until(b'\n', &mut line)
            .map_err(io)?;
        if read == 0 {
            return Ok(found);
        }
        if line.last() != Some(&b'\n') {
            if read as u64 == limit {
                return Err(damaged(
                    number,
                    format!("longer than {MAX_LINE_BYTES} bytes"),
                ));
            }
            found.torn_bytes = read as u64;
            return Ok(found);
        }
        line.pop();
        let entry: Entry = serde_json::from_slice(&line)
            .map_err(|error| damaged(number, format!("not an event: {error}")))?;
        if entry.seq != number {
            return Err(damaged(
                number,
                format!("event {} stands where {number} belongs", entry.seq),
            ));
        }
        if entry.prev != found.head.sha256 {
            let what = match number {
                1 => "the first event names an earlier one".to_owned(),
                _ => format!(
                    "line {} was changed: its hash is not the one this line names",
                    number - 1
                ),
            };
            return Err(damaged(number, what));
        }
        found.head = found.head.after(&line);
        found.bytes += read as u64;
        each(entry).map_err(|why| damaged(number, why))?;
    }
}
