//! One lemctl a campaign: an flock on a file beside the journal.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::JournalError;

/// How often it is tried to be taken.
const TRIES: u32 = 30;
/// How long is waited for one who only looked, or cleared away what the campaign's dead left.
const BETWEEN: Duration = Duration::from_millis(10);

/// The held lock. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Whether some process holds the lock of a campaign's results folder now.
    #[must_use]
    pub fn is_held(folder: &Utf8Path) -> bool {
        let path = folder.join("lock");
        let opened = File::options()
            .read(true)
            .custom_flags(super::NO_LINK)
            .open(path);
        let Ok(file) = opened else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Takes the lock of a campaign's results folder. Who holds it for an instant only, to look at it or to clear away
    /// what the dead left, is waited for.
    ///
    /// # Errors
    /// [`JournalError::Locked`] with the holder's pid if another process has it.
    pub fn take(folder: &Utf8Path) -> Result<Self, JournalError> {
        Self::take_while(folder, || {})
    }

    /// The same; `meanwhile` is what others do between the file's opening and its locking.
    fn take_while(folder: &Utf8Path, mut meanwhile: impl FnMut()) -> Result<Self, JournalError> {
        let path: Utf8PathBuf = folder.join("lock");
        let io = |action, path: &Utf8Path| {
            let path = path.to_owned();
            move |source| JournalError::Io {
                action,
                path,
                source,
            }
        };
        let mut holder = None;
        for _ in 0..TRIES {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                // Its content is replaced: a link must not lead to somebody else's file.
                .custom_flags(super::NO_LINK)
                .open(&path)
                .map_err(io("open", &path))?;
            meanwhile();
            match file.try_lock() {
                // Another may have removed it, with the folder that it lay in: that lock keeps nobody out.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => {
                    // The pid is for the message of the one who comes second; the lock does not depend on it.
                    file.set_len(0)
                        .and_then(|()| file.seek(SeekFrom::Start(0)))
                        .and_then(|_| writeln!(file, "{}", std::process::id()))
                        .map_err(io("write", &path))?;
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let _ = file.take(32).read_to_string(&mut text);
                    holder = text.trim().parse().ok();
                    std::thread::sleep(BETWEEN);
                }
                Err(TryLockError::Error(source)) => return Err(io("lock", &path)(source)),
            }
        }
        Err(JournalError::Locked { path, pid: holder })
    }
}

/// Whether the open file is the one that has this name now.
fn is_at(file: &File, path: &Utf8Path) -> bool {
    let named = std::fs::symlink_metadata(path);
    let (Ok(held), Ok(named)) = (file.metadata(), named) else {
        return false;
    };
    (held.dev(), held.ino()) == (named.dev(), named.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_removed_before_it_was_locked_is_made_anew() {
        let keep = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(keep.path()).expect("its path is UTF-8");
        let mut removals = 0;
        let lock = Lock::take_while(folder, || {
            if removals < 2 {
                removals += 1;
                std::fs::remove_file(folder.join("lock")).expect("it was just opened");
            }
        });
        let _lock = lock.expect("it is free");
        assert!(Lock::is_held(folder), "others see it");
    }

    #[test]
    fn one_whose_folder_was_removed_is_not_held() {
        let keep = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(keep.path()).expect("its path is UTF-8");
        let unborn = folder.join("unborn");
        std::fs::create_dir(&unborn).expect("made");
        let lock = Lock::take_while(&unborn, || {
            std::fs::remove_dir_all(&unborn).expect("it was there");
        });
        assert!(matches!(lock, Err(JournalError::Io { .. })), "{lock:?}");
    }
}
