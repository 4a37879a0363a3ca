//! Appending: an event is on disk when it returns.
//!
//! Room for the next events is kept allocated behind the file's end, so that a disk which is full, by whomever, still
//! takes the events with which a session ends in order. Nobody who reads the file sees that room.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::{FILE, Head, JournalError, Lock, MAX_LINE_BYTES, Replayed};
use crate::clock::{Clock, timestamp};
use crate::execution::Event;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use serde::Serialize;

/// Bytes that are allocated ahead: the events that end a session are a few hundred bytes each, its largest
/// (an environment, a cause with all its text) some kilobytes.
const AHEAD: u64 = 1 << 20;

/// A line as it is written; [`super::read`] has its counterpart.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    prev: crate::units::Digest,
    at: String,
    event: &'a Event,
}

/// An open journal: the lock is held, the head is known, every append is on disk when it returns.
#[derive(Debug)]
pub struct Journal {
    path: Utf8PathBuf,
    file: File,
    head: Head,
    /// Whether a failed write may have left a piece of a line behind.
    torn: bool,
    length: u64,
    /// Up to where the file has room on the disk.
    allocated: u64,
    ahead: Ahead,
    _lock: Lock,
}

/// How it stands with the room behind the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    /// It is there.
    Kept,
    /// The disk has no more of it to give.
    Short,
    /// This file system allocates nothing ahead.
    Unknown,
}

impl Journal {
    /// Makes a new, empty journal in `folder`.
    ///
    /// # Errors
    /// If it exists or cannot be made.
    pub fn create(folder: &Utf8Path, lock: Lock) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let file = File::options().append(true).create_new(true).open(&path);
        let file = file.map_err(|source| JournalError::Io {
            action: "create",
            path: path.clone(),
            source,
        })?;
        sync_folder(folder)?;
        let mut journal = Self {
            path,
            file,
            head: Head::EMPTY,
            torn: false,
            length: 0,
            allocated: 0,
            ahead: Ahead::Kept,
            _lock: lock,
        };
        journal.keep_room();
        Ok(journal)
    }

    /// Opens a replayed journal for appending; a torn last line is cut off.
    ///
    /// # Errors
    /// If the file cannot be opened or cut.
    pub fn open(folder: &Utf8Path, lock: Lock, replayed: &Replayed) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let io = |action| {
            let path = path.clone();
            move |source| JournalError::Io {
                action,
                path,
                source,
            }
        };
        let file = File::options()
            .append(true)
            .custom_flags(super::NO_LINK)
            .open(&path)
            .map_err(io("open"))?;
        if replayed.torn_bytes > 0 {
            file.set_len(replayed.bytes)
                .map_err(io("cut the torn last line of"))?;
            file.sync_all().map_err(io("sync"))?;
        }
        let mut journal = Self {
            path,
            file,
            head: replayed.head,
            torn: false,
            length: replayed.bytes,
            allocated: replayed.bytes,
            ahead: Ahead::Kept,
            _lock: lock,
        };
        journal.keep_room();
        Ok(journal)
    }

    /// Appends one event; when this returns, it is on disk.
    ///
    /// # Errors
    /// If it could not be written or synced (a full disk, say). The file is then cut back to the last
    /// whole line at the next append, so that the chain stays whole.
    pub fn append(&mut self, event: &Event, clock: &dyn Clock) -> Result<Head, JournalError> {
        let line = Line {
            seq: self.head.events + 1,
            prev: self.head.sha256,
            at: timestamp(clock.wall()),
            event,
        };
        let mut bytes = serde_json::to_vec(&line)
            .map_err(|error| self.io("encode an event for")(std::io::Error::other(error)))?;
        if bytes.len() >= MAX_LINE_BYTES {
            let what = format!(
                "an event of {} bytes is above {MAX_LINE_BYTES}",
                bytes.len()
            );
            return Err(self.io("append to")(std::io::Error::other(what)));
        }
        let head = self.head.after(&bytes);
        bytes.push(b'\n');
        if self.torn {
            self.file
                .set_len(self.length)
                .map_err(self.io("cut back"))?;
        }
        self.torn = true;
        self.file.write_all(&bytes).map_err(self.io("append to"))?;
        self.file.sync_data().map_err(self.io("sync"))?;
        self.torn = false;
        self.length += bytes.len() as u64;
        self.head = head;
        self.keep_room();
        Ok(head)
    }

    /// Whether the disk had no more room to keep ahead: what there is is for ending in order.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.ahead == Ahead::Short
    }

    /// Allocates more when half of what was kept is used up.
    fn keep_room(&mut self) {
        if self.ahead == Ahead::Unknown || self.allocated >= self.length + AHEAD / 2 {
            return;
        }
        let kept = rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.length, AHEAD);
        self.ahead = match kept {
            Ok(()) => {
                self.allocated = self.length + AHEAD;
                Ahead::Kept
            }
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Ahead::Short,
            Err(_) => Ahead::Unknown,
        };
    }

    /// Where the chain stands.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    fn io(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> JournalError + use<> {
        let path = self.path.clone();
        move |source| JournalError::Io {
            action,
            path,
            source,
        }
    }
}

impl Drop for Journal {
    /// Gives the room behind the end back, and a piece of a line that could not be written. Where lemctl is killed
    /// instead, the next session uses that room, and cuts that piece.
    fn drop(&mut self) {
        if self
            .file
            .metadata()
            .is_ok_and(|file| file.len() >= self.length)
        {
            let _ = self.file.set_len(self.length);
        }
    }
}

/// Makes a folder's entries durable.
fn sync_folder(folder: &Utf8Path) -> Result<(), JournalError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| JournalError::Io {
            action: "sync",
            path: folder.to_owned(),
            source,
        })
}
