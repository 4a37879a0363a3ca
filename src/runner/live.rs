//! What a running container mounts: its control folder (read-only there) and its outbox.

use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::campaign::Workload;
use crate::containers::{group_text, passwd_text};
use crate::store::{Folders, MOST_REMOVED, StoreError, is_folder, remove_tree, write_durable};

/// Most entries of one attempt that are removed while its container runs, and may be adding some.
const MOST_CLEARED: u64 = 100_000;

/// The mounts of one backend's container.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// Lease, passwd, group, workloads: written by lemctl, read-only in the container.
    pub(super) control: Utf8PathBuf,
    /// Written by the container.
    pub(super) outbox: Utf8PathBuf,
}

impl Live {
    /// Makes fresh folders for `backend`, for a container of user `uid`:`gid`.
    ///
    /// # Errors
    /// If they cannot be made.
    pub(super) fn make(
        folders: &Folders,
        backend: &str,
        uid: u32,
        gid: u32,
    ) -> Result<Self, StoreError> {
        Self::at(&folders.live().join(backend), uid, gid)
    }

    /// The same in a folder of its own.
    ///
    /// # Errors
    /// If they cannot be made.
    pub(super) fn at(base: &Utf8Path, uid: u32, gid: u32) -> Result<Self, StoreError> {
        let live = Self {
            control: base.join("control"),
            outbox: base.join("outbox"),
        };
        remove(base)?;
        for folder in [live.control.join("workloads"), live.outbox.join("exits")] {
            std::fs::create_dir_all(&folder).map_err(StoreError::at("make", &folder))?;
        }
        // Nobody else on the host has business in here.
        for folder in [base, &live.outbox] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
                .map_err(StoreError::at("protect", folder))?;
        }
        for (name, text) in [
            ("passwd", passwd_text(uid, gid)),
            ("group", group_text(gid)),
        ] {
            write_durable(&live.control.join(name), text.as_bytes())?;
        }
        Ok(live)
    }

    /// Puts a workload where the container can read it; once is enough.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn offer(&self, workload: &Workload) -> Result<(), StoreError> {
        self.offer_file(&workload.content.file_name(), &workload.content.bytes)
    }

    /// The same for any file of prompts, by its name there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn offer_file(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.control.join("workloads").join(name);
        if path.exists() {
            return Ok(());
        }
        // Whole or not there: a piece of it would be there for good.
        write_durable(&path, bytes)
    }

    /// Removes what an attempt left in the outbox.
    pub(super) fn clear(&self, attempt: &str) {
        // What cannot be removed now goes with the whole folder at the container's end.
        let _ = remove_tree(&self.outbox.join(attempt), MOST_CLEARED);
    }
}

/// Removes a folder below `.lem` and all in it, whatever a container made of it; one that is not there is fine.
///
/// # Errors
/// If something in it cannot be removed, or `.lem` is a link: what lies elsewhere is not ours to remove.
pub(super) fn remove(folder: &Utf8Path) -> Result<(), StoreError> {
    for above in folder.ancestors().skip(1) {
        if above.file_name() == Some(".lem") {
            is_folder(above)?;
        }
    }
    remove_tree(folder, MOST_REMOVED)
}
