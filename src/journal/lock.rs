//! One lemctl a campaign: an flock on a file beside the journal.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::JournalError;

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

    /// Takes the lock of a campaign's results folder.
    ///
    /// # Errors
    /// [`JournalError::Locked`] with the holder's pid if another process has it.
    pub fn take(folder: &Utf8Path) -> Result<Self, JournalError> {
        let path: Utf8PathBuf = folder.join("lock");
        let io = |action, path: &Utf8Path| {
            let path = path.to_owned();
            move |source| JournalError::Io {
                action,
                path,
                source,
            }
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // Its content is replaced: a link must not lead to somebody else's file.
            .custom_flags(super::NO_LINK)
            .open(&path)
            .map_err(io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.take(32).read_to_string(&mut text);
                return Err(JournalError::Locked {
                    path,
                    pid: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock", &path)(source)),
        }
        // The pid is for the message of the one who comes second; the lock does not depend on it.
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()))
            .map_err(io("write", &path))?;
        Ok(Self { _file: file })
    }
}
