//! Removing a folder that a container could write to: however deep it is, whatever rights were taken away in it, and
//! while somebody may still be at it. Links are removed and never followed.
//!
//! The system's own way goes down level by level with a descriptor for each: a tree of a few thousand levels stops it.
//! Here a folder that is not empty is moved up to the top first, so that no more than two are open at a time.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use camino::Utf8Path;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::StoreError;

/// Names that are taken from a folder at a time.
const AT_ONCE: usize = 4096;
/// Most entries that are removed in one call: somebody may add some as fast as they go.
pub const MOST_REMOVED: u64 = 50_000_000;

/// Removes a folder and all in it, up to `most` entries; one that is not there is fine.
///
/// # Errors
/// If something in it cannot be removed, or there is more than `most`.
pub fn remove_tree(folder: &Utf8Path, most: u64) -> Result<(), StoreError> {
    let mut removal = Removal {
        left: most,
        moved: 0,
    };
    match removal.all(folder) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(StoreError::at("remove", folder)(error.into())),
    }
}

struct Removal {
    left: u64,
    moved: u64,
}

impl Removal {
    fn all(&mut self, folder: &Utf8Path) -> Result<(), Errno> {
        let name = CString::new(folder.as_str()).map_err(|_| Errno::INVAL)?;
        let top = match entered(CWD, &name) {
            // A link, or a file: only itself goes.
            Err(Errno::LOOP | Errno::NOTDIR) => return rustix::fs::unlink(&*name),
            opened => opened?,
        };
        loop {
            let names = names(top.as_fd())?;
            if names.is_empty() {
                return rustix::fs::rmdir(&*name);
            }
            for name in names {
                self.entry(top.as_fd(), &name)?;
            }
        }
    }

    /// Removes an entry of the top; what is in it is moved up to the top, if it is a folder that is not empty.
    fn entry(&mut self, top: BorrowedFd<'_>, name: &CString) -> Result<(), Errno> {
        self.count()?;
        if gone(top, name)? {
            return Ok(());
        }
        let folder = match entered(top, name) {
            // It was another thing a moment ago.
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(()),
            opened => opened?,
        };
        loop {
            let names = names(folder.as_fd())?;
            if names.is_empty() {
                break;
            }
            for name in names {
                self.count()?;
                if !gone(folder.as_fd(), &name)? {
                    self.up(top, folder.as_fd(), &name)?;
                }
            }
        }
        drop(folder);
        gone(top, name).map(|_| ())
    }

    /// Moves a folder of `from` to the top, under a name that nothing there has.
    fn up(
        &mut self,
        top: BorrowedFd<'_>,
        from: BorrowedFd<'_>,
        name: &CString,
    ) -> Result<(), Errno> {
        // A folder that may not be written to cannot be moved either.
        match entered(from, name) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(()),
            opened => drop(opened?),
        }
        loop {
            self.count()?;
            self.moved += 1;
            let fresh = format!(".removed-{}", self.moved);
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(from, &**name, top, &*fresh, flags) {
                Err(Errno::EXIST) => {}
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                // A file system without that flag: a name that is taken by an empty folder is replaced, which is fine.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    return rustix::fs::renameat(from, &**name, top, &*fresh);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn count(&mut self) -> Result<(), Errno> {
        self.left = self.left.checked_sub(1).ok_or(Errno::NOTEMPTY)?;
        Ok(())
    }
}

/// Opens a folder of `parent` for reading; its owner's rights are given back where they were taken away.
fn entered(parent: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd, Errno> {
    let plain = OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let found = rustix::fs::openat(parent, &**name, plain | OFlags::PATH, Mode::empty())?;
    let mode = rustix::fs::fstat(&found)?.st_mode & 0o777;
    if mode & 0o700 != 0o700 {
        // The descriptor names the folder itself, whatever lies under its name by now.
        let path = format!("/proc/self/fd/{}", found.as_raw_fd());
        rustix::fs::chmod(path, Mode::from_raw_mode(mode | 0o700))?;
    }
    rustix::fs::openat(&found, ".", plain, Mode::empty())
}

/// Removes an entry that is no folder, or an empty one; gives whether it is gone.
fn gone(parent: BorrowedFd<'_>, name: &CString) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(parent, &**name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    match rustix::fs::unlinkat(parent, &**name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Names in a folder, up to [`AT_ONCE`].
fn names(folder: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
        if names.len() == AT_ONCE {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;

    fn below(folder: &tempfile::TempDir) -> camino::Utf8PathBuf {
        Utf8Path::from_path(folder.path()).unwrap().join("outbox")
    }

    /// A chain of folders in `folder`, deeper than there are descriptors.
    fn deep(folder: &Utf8Path, levels: usize) {
        let mut at = rustix::fs::open(folder.as_str(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..levels {
            rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o755)).unwrap();
            at = rustix::fs::openat(&at, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        rustix::fs::symlinkat("/", &at, "link").unwrap();
    }

    /// At most 1024, whatever the machine allows: what Linux begins with, so that tests beside this one do not miss any.
    fn scarce_descriptors() {
        let found = getrlimit(Resource::Nofile);
        let few = found.current.map_or(1024, |current| current.min(1024));
        let limit = Rlimit {
            current: Some(few),
            ..found
        };
        setrlimit(Resource::Nofile, limit).unwrap();
    }

    #[test]
    fn a_tree_deeper_than_there_are_descriptors_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = below(&scratch);
        std::fs::create_dir(&folder).unwrap();
        deep(&folder, 3_000);
        scarce_descriptors();
        remove_tree(&folder, MOST_REMOVED).unwrap();
        assert!(!folder.exists());
        remove_tree(&folder, MOST_REMOVED).unwrap();
    }

    #[test]
    fn links_are_not_followed_and_rights_are_taken_back() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = below(&scratch);
        let kept = folder.with_file_name("kept");
        std::fs::create_dir_all(folder.join("a/b/c")).unwrap();
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "kept").unwrap();
        std::fs::set_permissions(&kept, PermissionsExt::from_mode(0o750)).unwrap();
        symlink(&kept, folder.join("link")).unwrap();
        symlink(&kept, folder.join("a/b/c/link")).unwrap();
        std::fs::hard_link(kept.join("file"), folder.join("a/b/file")).unwrap();
        for closed in ["a/b/c", "a/b", "a", ""] {
            let mode = PermissionsExt::from_mode(0o000);
            std::fs::set_permissions(folder.join(closed), mode).unwrap();
        }
        remove_tree(&folder, MOST_REMOVED).unwrap();
        assert!(!folder.exists());
        assert_eq!(std::fs::read_to_string(kept.join("file")).unwrap(), "kept");
        let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
        symlink(&kept, &folder).unwrap();
        remove_tree(&folder, MOST_REMOVED).unwrap();
        assert!(!folder.is_symlink() && kept.join("file").exists());
    }

    #[test]
    fn it_ends_where_more_is_added_than_can_be_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = below(&scratch);
        std::fs::create_dir(&folder).unwrap();
        for number in 0..20 {
            std::fs::write(folder.join(number.to_string()), "").unwrap();
        }
        assert!(remove_tree(&folder, 10).is_err());
        remove_tree(&folder, 10).unwrap();
    }
}
