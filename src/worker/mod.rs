//! Talking to a worker: the protocol over one open exec, its log, and what it leaves in its outbox.
//!
//! Everything that comes from a worker is untrusted: lines, events and records are bounded and checked
//! here. This module does not know runs, verdicts or plans; it reports what it saw.

mod conversation;
mod error;
mod harmless;
mod lines;
mod log;
mod log_file;
mod outbox;
mod record;

pub use conversation::{Limit, Reply, Worker};
pub use error::WorkerError;
pub use lines::{Lines, Piece};
pub use log::printable;
pub use log_file::LogFile;
pub use outbox::{Collected, OutboxError, collect, collect_quality, exit_record};
pub use record::{Expected, check};
