//! All files of a commit that a model needs, several at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lem_protocol::ModelFile;

use super::Hub;
use super::file::{self, Target};
use super::listing::Entry;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::progress::Progress;

/// Files at a time.
const LANES: usize = 4;

/// Downloads into `folder`, going on with what is there; gives the files, by path.
///
/// # Errors
/// The first that went wrong; what is whole by then stays.
pub fn download(hub: &Hub, commit: &str, folder: &Folder) -> Result<Vec<ModelFile>, Failure> {
    let listing = hub.listing(commit)?;
    if listing.commit != commit {
        let message = format!(
            "asked for commit {commit}, the hub answers for {}",
            listing.commit
        );
        return Err(Failure::new("hub_unavailable", message));
    }
    let entries = listing.needed()?;
    let sizes = entries.iter().filter_map(|entry| entry.bytes);
    let total = sizes.fold(0, u64::saturating_add);
    let there: u64 = entries.iter().map(|entry| file::there(folder, entry)).sum();
    folder.has_room(u64::saturating_sub(total, there))?;
    let progress = Progress::new(total);
    let mut files = in_lanes(hub, commit, folder, &entries, &progress)?;
    folder.sync()?;
    files.sort();
    Ok(files)
}

fn in_lanes(
    hub: &Hub,
    commit: &str,
    folder: &Folder,
    entries: &[Entry],
    progress: &Progress,
) -> Result<Vec<ModelFile>, Failure> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let outcome = Mutex::new(Ok(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES.min(entries.len()) {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let target = Target {
                        hub,
                        commit,
                        folder,
                        entry,
                        progress,
                        stop: &stop,
                    };
                    let had = target.have();
                    let Ok(mut outcome) = outcome.lock() else {
                        return;
                    };
                    match (had, &mut *outcome) {
                        (Ok(file), Ok(files)) => files.push(file),
                        // The first failure stands: those after it may only be its echo.
                        (Err(failure), Ok(_)) => *outcome = Err(failure),
                        (_, Err(_)) => {}
                    }
                    if outcome.is_err() {
                        stop.store(true, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(|_| {
        Err(Failure::new(
            "fetch_failed",
            "a thread that downloaded died",
        ))
    })
}
