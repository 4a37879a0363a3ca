//! One lemctl a model: who fetches it holds an flock on a file of the store.

use std::fs::{File, TryLockError};

use camino::Utf8PathBuf;

use super::{ModelStore, Place, StoreError};

/// The held lock. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct ModelLock {
    _file: File,
}

impl ModelLock {
    /// Takes the lock of a place; none if another process has it.
    ///
    /// # Errors
    /// If its file cannot be made or locked.
    pub fn take(store: &ModelStore, place: &Place) -> Result<Option<Self>, StoreError> {
        Self::named(store, &place.key())
    }

    /// Takes the lock of that name, which is a plain one.
    ///
    /// # Errors
    /// As [`ModelLock::take`].
    pub fn named(store: &ModelStore, name: &str) -> Result<Option<Self>, StoreError> {
        let folder: Utf8PathBuf = store.root().join(".locks");
        std::fs::create_dir_all(&folder).map_err(StoreError::at("make", &folder))?;
        let path = folder.join(name);
        // The file stays: who removed it could take it from under one who is about to lock it.
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::at("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::at("lock", &path)(error)),
        }
    }
}
