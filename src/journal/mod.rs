//! The journal: an append-only, hash-chained, fsynced log of a campaign's events.
//!
//! One JSON line an event, each with its number and the SHA-256 of the line before, so that a changed,
//! missing or foreign line is found. It stores and replays events; it does not know what they mean.

mod chain;
mod error;
mod lock;
mod read;
mod write;

pub use chain::Head;
pub use error::JournalError;
pub use lock::Lock;
pub use read::{Entry, Replayed, replay};
pub use write::Journal;

/// Name of the journal's file in a campaign's results folder.
pub const FILE: &str = "journal.jsonl";

/// How files of a campaign are opened, since its folder may have come from a stranger: a link is not followed, and a pipe
/// does not block.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW
    .union(rustix::fs::OFlags::NONBLOCK)
    .bits()
    .cast_signed();

/// Longest line that is read, in bytes: far above any event, so that a damaged file cannot fill memory.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;
