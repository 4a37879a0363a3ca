//! Lines on stdout: the replies, and how far the present fetch is.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use std::sync::Mutex;

use lem_protocol::FetchReply;

/// Shortest time between two lines of progress.
const PACE: Duration = Duration::from_millis(250);

/// Writes a line. Nobody who listens is no reason to stop: what is on disk stays there.
pub fn say(reply: &FetchReply) {
    let mut line = serde_json::to_vec(reply).unwrap_or_default();
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

/// Counts bytes from many threads and says so from time to time.
pub struct Progress {
    total: u64,
    done: AtomicU64,
    said: Mutex<Option<Instant>>,
}

impl Progress {
    /// Nothing is done of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self {
            total,
            done: AtomicU64::new(0),
            said: Mutex::new(None),
        }
    }

    /// So many more bytes are done.
    #[expect(
        clippy::disallowed_methods,
        reason = "the pace of progress lines is no measurement"
    )]
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // Somebody else is about to speak.
        let Ok(mut said) = self.said.try_lock() else {
            return;
        };
        let now = Instant::now();
        if said.is_none_or(|last| now.duration_since(last) >= PACE) {
            *said = Some(now);
            say(&FetchReply::Progress {
                done_bytes: done.min(self.total),
                total_bytes: self.total,
            });
        }
    }

    /// So many bytes were not done after all.
    pub fn take_back(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }
}
