//! Reading large files to hash them, on a thread of its own: the runtime has one thread, which must hear a stop and show
//! how far it is meanwhile.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::ensure::Watch;
use crate::execution::{Blame, Cause};

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// Runs `work` on a thread that may block. It gets a function to be told of each piece that was read, which says whether
/// to go on; `total` is what it will read in all.
///
/// # Errors
/// `interrupted` if a stop was asked for.
pub(super) async fn hashed<T: Send + 'static>(
    total: u64,
    watch: &mut Watch<'_>,
    work: impl FnOnce(&dyn Fn(u64) -> ControlFlow<()>) -> T + Send + 'static,
) -> Result<T, Cause> {
    let done = Arc::new(AtomicU64::new(0));
    let stopped = Arc::new(AtomicBool::new(false));
    let (count, halt) = (done.clone(), stopped.clone());
    let mut working = tokio::task::spawn_blocking(move || {
        let piece = |bytes: u64| {
            count.fetch_add(bytes, Ordering::Relaxed);
            match halt.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        work(&piece)
    });
    let mut stop = watch.stop.clone();
    let mut asked = false;
    (watch.told)(0, total);
    loop {
        tokio::select! {
            () = stop.wait(), if !asked => {
                asked = true;
                stopped.store(true, Ordering::Relaxed);
            }
            () = tokio::time::sleep(TOLD_EVERY) => {
                (watch.told)(done.load(Ordering::Relaxed).min(total), total);
            }
            ended = &mut working => {
                if asked {
                    let what = "a stop was asked for while the model's files were hashed";
                    return Err(Cause::new(Blame::Worker, "interrupted", what));
                }
                (watch.told)(total, total);
                return ended.map_err(|error| {
                    Cause::new(Blame::Environment, "fetch_failed", format!("hashing ended early: {error}"))
                });
            }
        }
    }
}
