//! The lease: while it is renewed, the containers live. If lemctl dies, however it dies, the agents
//! see the deadline pass and end everything in their containers.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::clock::Clock;
use crate::store::StoreError;

/// How long a renewed lease lasts.
pub const LASTS: Duration = Duration::from_secs(30);
/// How often it is renewed.
pub const RENEWED_EVERY: Duration = Duration::from_secs(5);

/// Renews the leases of the containers that run, from a thread of its own, so that nothing the runner
/// does can delay it. Dropping it stops the renewing; the leases then run out.
#[derive(Debug)]
pub struct Lease {
    folders: Arc<Mutex<Vec<Utf8PathBuf>>>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    clock: SharedClock,
}

/// A clock for two threads.
#[derive(Clone)]
struct SharedClock(Arc<dyn Clock>);

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Lease {
    /// Starts the thread.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let folders: Arc<Mutex<Vec<Utf8PathBuf>>> = Arc::default();
        let (stop, stopped) = mpsc::channel();
        let clock = SharedClock(clock);
        let (held, time) = (folders.clone(), clock.clone());
        let thread = std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(RENEWED_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let folders = held.lock().map(|held| held.clone()).unwrap_or_default();
                    for folder in folders {
                        // A full disk must not end the thread: the next renewal may succeed in time.
                        let _ = write(&folder, &*time.0);
                    }
                }
            });
        Self {
            folders,
            stop: Some(stop),
            thread: thread.ok(),
            clock,
        }
    }

    /// Writes the lease of a control folder and renews it from now on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn hold(&self, control: &Utf8Path) -> Result<(), StoreError> {
        if self.thread.is_none() {
            let source = std::io::Error::other("the thread that renews leases did not start");
            return Err(StoreError {
                action: "renew",
                path: control.join("lease"),
                source,
            });
        }
        write(control, &*self.clock.0)?;
        if let Ok(mut held) = self.folders.lock() {
            held.push(control.to_owned());
        }
        Ok(())
    }

    /// Renews it no more.
    pub fn release(&self, control: &Utf8Path) {
        if let Ok(mut held) = self.folders.lock() {
            held.retain(|folder| folder != control);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Leases in a live folder: one for each container that it has mounts of.
fn leases(live: &Utf8Path) -> Vec<String> {
    let folders = live.read_dir_utf8().into_iter().flatten().flatten();
    let nested = folders.map(|entry| entry.path().join("control"));
    let controls = nested.chain([live.join("control")]);
    let read = |control: Utf8PathBuf| std::fs::read_to_string(control.join("lease")).ok();
    controls.filter_map(read).collect()
}

/// Whether a lease of a live folder holds now. Whoever renewed it may be dead all the same, for [`LASTS`].
pub(super) fn holds(live: &Utf8Path, clock: &dyn Clock) -> bool {
    let now = clock.monotonic_ns();
    let until = |lease: &String| lease.trim().parse::<u64>().unwrap_or(0);
    // One that ends later than any that is written now is of another boot, whose clock was further on.
    let latest = now.saturating_add(lasts_ns());
    let lives = |lease: &String| (now + 1..=latest).contains(&until(lease));
    leases(live).iter().any(lives)
}

fn lasts_ns() -> u64 {
    u64::try_from(LASTS.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// Whether somebody renews a lease of a live folder: it is waited for a renewal, unless all have run out.
pub(super) async fn renewed(live: &Utf8Path, clock: &dyn Clock) -> bool {
    let before = leases(live);
    if !holds(live, clock) {
        return false;
    }
    tokio::time::sleep(RENEWED_EVERY + RENEWED_EVERY / 2).await;
    let now = leases(live);
    now.iter().any(|lease| !before.contains(lease))
}

/// Renamed into place, so that a reader sees one deadline or the other. Not synced: after a crash of
/// the host there is no container left to read it.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(control: &Utf8Path, clock: &dyn Clock) -> Result<(), StoreError> {
    let deadline = clock.monotonic_ns() + lasts_ns();
    let temporary = control.join("lease.tmp");
    let lease = control.join("lease");
    std::fs::write(&temporary, format!("{deadline}\n"))
        .and_then(|()| std::fs::rename(&temporary, &lease))
        .map_err(StoreError::at("write", &lease))
}
