//! How much room a folder's disk has. It must not know what the room is for.

use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

/// The disk below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The folder that was looked at: the asked one, or the nearest above it that is there.
    pub folder: Utf8PathBuf,
    /// The device; folders with the same one share their room.
    pub device: u64,
    /// Bytes that this user can still write.
    pub free_bytes: u64,
    /// Files that can still be made; none where the file system has no fixed number.
    pub free_files: Option<u64>,
}

impl Disk {
    /// Looks at the disk that `folder` lies on, or will when it is made.
    ///
    /// # Errors
    /// What the system says where it cannot tell.
    pub fn of(folder: &Utf8Path) -> std::io::Result<Self> {
        let mut place = folder;
        let found = loop {
            match (std::fs::metadata(place), place.parent()) {
                (Ok(found), _) => break found,
                (Err(error), Some(parent)) if error.kind() == std::io::ErrorKind::NotFound => {
                    place = parent;
                }
                (Err(error), _) => return Err(error),
            }
        };
        let stat = rustix::fs::statvfs(place.as_std_path())?;
        Ok(Self {
            folder: place.to_owned(),
            device: found.dev(),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            free_files: (stat.f_files > 0).then_some(stat.f_favail),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_lies_on_its_parents_disk() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let disk = Disk::of(&root.join("results/a/b")).unwrap();
        assert_eq!(disk.folder, root);
        assert!(disk.free_bytes > 0);
        assert_eq!(disk.device, Disk::of(root).unwrap().device);
        assert!(Disk::of(Utf8Path::new("")).is_err());
    }
}
