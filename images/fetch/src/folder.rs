//! The folder that a model is written into: always below the store's root, whatever the request says.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use crate::failure::Failure;

/// A folder of the store.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder, made if it is not there; what is in it stays.
    ///
    /// # Errors
    /// If it would lie elsewhere, or cannot be made.
    pub fn kept(root: &Path, folder: &str) -> Result<Self, Failure> {
        if !is_below(folder) {
            return Err(Failure::new(
                "bad_request",
                format!("`{}` is no folder of the store", folder.escape_debug()),
            ));
        }
        let path = root.join(folder);
        std::fs::create_dir_all(&path).map_err(|error| Failure::disk("make", &path, &error))?;
        Ok(Self { path })
    }

    /// The folder, with nothing in it.
    ///
    /// # Errors
    /// As [`Folder::kept`], and if something in it cannot be removed.
    pub fn emptied(root: &Path, folder: &str) -> Result<Self, Failure> {
        let kept = Self::kept(root, folder)?;
        let failed = |error: std::io::Error| Failure::disk("empty", &kept.path, &error);
        for entry in std::fs::read_dir(&kept.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let removed = match entry.file_type().map_err(failed)?.is_dir() {
                true => std::fs::remove_dir_all(entry.path()),
                false => std::fs::remove_file(entry.path()),
            };
            removed.map_err(failed)?;
        }
        Ok(kept)
    }

    /// A file in it. The name was checked to be one.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Refuses if there is no room for so many bytes.
    ///
    /// # Errors
    /// `disk_full` with both numbers.
    pub fn has_room(&self, bytes: u64) -> Result<(), Failure> {
        let Ok(space) = rustix::fs::statvfs(&self.path) else {
            return Ok(());
        };
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < bytes {
            let gigabytes = |bytes: u64| bytes as f64 / 1e9;
            return Err(Failure::full(format!(
                "the model needs {:.1} GB more and its disk has {:.1} GB left",
                gigabytes(bytes),
                gigabytes(free)
            )));
        }
        Ok(())
    }

    /// Makes its entries durable.
    ///
    /// # Errors
    /// If it cannot be synced.
    pub fn sync(&self) -> Result<(), Failure> {
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| Failure::disk("sync", &self.path, &error))
    }
}

/// Whether a path can only mean something below where it begins.
fn is_below(path: &str) -> bool {
    let parts = Path::new(path).components();
    !path.is_empty()
        && path.len() <= 1024
        && parts
            .clone()
            .all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_leaves_the_store() {
        let root = tempfile::tempdir().unwrap();
        for bad in ["", "/etc", "..", "a/../../b", "./a", "."] {
            let refused = Folder::kept(root.path(), bad).unwrap_err();
            assert_eq!(refused.code, "bad_request", "{bad}");
        }
        let folder = Folder::kept(root.path(), "a/b").unwrap();
        std::fs::create_dir(folder.file("x")).unwrap();
        std::fs::write(folder.file("y"), "").unwrap();
        Folder::emptied(root.path(), "a/b").unwrap();
        assert_eq!(
            std::fs::read_dir(root.path().join("a/b")).unwrap().count(),
            0
        );
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_before_anything_is_written() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::kept(root.path(), "a").unwrap();
        assert_eq!(folder.has_room(u64::MAX).unwrap_err().code, "disk_full");
        assert_eq!(folder.has_room(1), Ok(()));
    }
}
