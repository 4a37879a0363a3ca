//! Whole files or none: a file is written under a temporary name of its own, synced, and only then given its name.
//! What a crash leaves under a temporary name is found by that name and removed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;
use rustix::fs::{Mode, OFlags};

use crate::diagnostics::{Exit, Fault};

/// The file system said no.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot {action} {path}: {source}")]
#[diagnostic(
    code(store::io),
    help(
        "make room in that folder, or give its permissions back (df -h, df -i, ls -ld; `lemctl check` looks at both), then do the same again"
    )
)]
pub struct StoreError {
    /// What was tried.
    pub action: &'static str,
    /// On which path.
    pub path: Utf8PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl StoreError {
    /// For `map_err`.
    pub(crate) fn at(action: &'static str, path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the path no longer leads to a file that can be what was written there: it is gone, or something else
    /// stands in its place. Everything else (rights, a failing disk, too many open files) says nothing of the file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        use rustix::io::Errno;
        let elsewhere = [
            Errno::NOENT,
            Errno::NOTDIR,
            Errno::ISDIR,
            Errno::LOOP,
            Errno::NXIO,
        ];
        match self.source.raw_os_error() {
            Some(code) => elsewhere.iter().any(|errno| errno.raw_os_error() == code),
            // What this module says itself: no regular file, too large.
            None => true,
        }
    }

    /// Whether there is no room: on the disk, within a quota, or below a limit on the sizes of files.
    #[must_use]
    pub fn is_full(&self) -> bool {
        is_full(&self.source)
    }
}

/// Whether the system said that there is no room: no space or inode, a quota, a limit on the sizes of files.
#[must_use]
pub fn is_full(error: &std::io::Error) -> bool {
    let kinds = [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::FileTooLarge,
    ];
    kinds.contains(&error.kind())
}

impl Fault for StoreError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}

/// What the names of files end with that are not whole yet.
const TEMPORARY: &str = ".lem-tmp";
/// How deep below a folder leftovers are looked for: `<run>/<attempt>/` of a campaign's results.
const DEPTH: usize = 3;

/// Writes a file under a temporary name, syncs it and renames it into place. The entry itself is
/// durable only after [`sync_folder`], so that several files of one folder share that cost.
///
/// # Errors
/// If any of it fails; the temporary file is then removed and the old file, if any, stands.
pub fn write_durable(path: &Utf8Path, bytes: &[u8]) -> Result<(), StoreError> {
    placed(path, bytes, |temporary| std::fs::rename(temporary, path))
}

/// The same for a file that must not be there yet. Tells whether it was written: a file that is there, or appears
/// while this one is written, is left as it is.
///
/// # Errors
/// If any of it fails; nothing of it is left then.
pub fn write_new(path: &Utf8Path, bytes: &[u8]) -> Result<bool, StoreError> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    let mut written = true;
    // A second name is only given where there is none: unlike a rename it replaces nothing.
    placed(path, bytes, |temporary| {
        match std::fs::hard_link(temporary, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => written = false,
            linked => linked?,
        }
        std::fs::remove_file(temporary)
    })?;
    Ok(written)
}

fn placed(
    path: &Utf8Path,
    bytes: &[u8],
    place: impl FnOnce(&Utf8Path) -> std::io::Result<()>,
) -> Result<(), StoreError> {
    let temporary = temporary_name(path);
    // A crash of a process with this pid may have left one, and a stranger who gave the folder: a link there is not
    // written through.
    let _ = std::fs::remove_file(&temporary);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| place(&temporary));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&temporary);
        StoreError {
            action: "write",
            path: path.to_owned(),
            source,
        }
    })
}

/// `<path>.<pid>.<number>.lem-tmp`: two programs, or two threads, that write one file do not meet.
fn temporary_name(path: &Utf8Path) -> Utf8PathBuf {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    format!("{path}.{}.{number}{TEMPORARY}", std::process::id()).into()
}

/// Removes what crashes left under temporary names in a folder that only this process writes to, and below it.
/// What cannot be removed stays: it is no part of anything.
pub fn remove_temporary(folder: &Utf8Path) {
    remove_where(folder, DEPTH, &|_| true);
}

/// The same in a folder that other programs may be writing to, and only in it: a file whose writer lives is left alone.
pub fn remove_abandoned(folder: &Utf8Path) {
    let own = std::process::id();
    remove_where(folder, 0, &|name| {
        let mut parts = name.trim_end_matches(TEMPORARY).rsplit('.');
        let pid = parts.nth(1).and_then(|part| part.parse::<u32>().ok());
        pid.is_some_and(|pid| pid == own || !Utf8Path::new("/proc").join(pid.to_string()).exists())
    });
}

fn remove_where(folder: &Utf8Path, depth: usize, goes: &dyn Fn(&str) -> bool) {
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => remove_where(path, depth - 1, goes),
            Ok(kind) if kind.is_file() && name.ends_with(TEMPORARY) && goes(name) => {
                let _ = std::fs::remove_file(path);
            }
            _ => {}
        }
    }
}

/// Makes the entries of a folder durable.
///
/// # Errors
/// If it cannot be opened or synced.
pub fn sync_folder(folder: &Utf8Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::at("sync", folder))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, is something else, or is larger.
pub fn read_bounded(path: &Utf8Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    read(path, limit, OFlags::empty())
}

fn read(path: &Utf8Path, limit: u64, more: OFlags) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    opened(path, more)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(StoreError::at("read", path))?;
    if bytes.len() as u64 > limit {
        let source = std::io::Error::other(format!("it is larger than {limit} bytes"));
        return Err(StoreError {
            action: "read",
            path: path.to_owned(),
            source,
        });
    }
    Ok(bytes)
}

/// Opens a regular file for reading: a pipe or a device neither blocks nor floods.
///
/// # Errors
/// If it is something else, or cannot be opened.
pub(crate) fn opened(path: &Utf8Path, more: OFlags) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
    let file = match rustix::fs::open(path.as_std_path(), flags, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) if more.contains(OFlags::NOFOLLOW) => {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        opened => File::from(opened?),
    };
    let kind = file.metadata()?;
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(file),
        (_, true) => Err(rustix::io::Errno::ISDIR.into()),
        _ => Err(std::io::Error::other("it is not a regular file")),
    }
}

/// The same for a file that somebody else may have put there: a link leads nowhere.
///
/// # Errors
/// As [`read_bounded`], and if it is not a regular file itself.
pub fn read_regular(path: &Utf8Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    read(path, limit, OFlags::NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn names(folder: &Utf8Path) -> Vec<String> {
        let entries = folder.read_dir_utf8().unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_cannot_be_read_now_is_not_missing() {
        use rustix::io::Errno;
        let error = |source: std::io::Error| StoreError {
            action: "read",
            path: "result.json".into(),
            source,
        };
        for errno in [Errno::NOENT, Errno::NOTDIR, Errno::ISDIR, Errno::LOOP] {
            assert!(error(errno.into()).is_missing(), "{errno}");
        }
        assert!(error(std::io::Error::other("it is not a regular file")).is_missing());
        for errno in [
            Errno::ACCESS,
            Errno::PERM,
            Errno::IO,
            Errno::STALE,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
        ] {
            assert!(!error(errno.into()).is_missing(), "{errno}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten_by_a_new_one() {
        let (_keep, path) = folder();
        let file = path.join("f");
        assert!(write_new(&file, b"one").unwrap());
        assert!(!write_new(&file, b"two").unwrap());
        // One that appears in between: the temporary file is there already when the name is given.
        let mut written = true;
        placed(&file, b"three", |temporary| {
            assert_eq!(std::fs::read(temporary).unwrap(), b"three");
            written = std::fs::hard_link(temporary, &file).is_ok();
            std::fs::remove_file(temporary)
        })
        .unwrap();
        assert!(!written);
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        write_durable(&file, b"four").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"four");
        assert_eq!(names(&path), ["f"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file_and_nothing_else() {
        let (_keep, path) = folder();
        let taken = path.join("d");
        std::fs::create_dir_all(taken.join("x")).unwrap();
        assert!(write_durable(&taken, b"one").is_err());
        assert_eq!(names(&path), ["d"]);
    }

    #[test]
    fn leftovers_are_removed_and_the_files_of_living_writers_are_not() {
        let (_keep, path) = folder();
        let attempt = path.join("run/a1");
        std::fs::create_dir_all(&attempt).unwrap();
        let pid = std::process::id();
        for file in [
            "result.json.4194304.0.lem-tmp",
            "result.json",
            "result.json.lem-tmp",
        ] {
            std::fs::write(attempt.join(file), "").unwrap();
        }
        let parent = std::os::unix::process::parent_id();
        let (dead, own) = (
            "sums.json.4194304.7.lem-tmp",
            format!("sums.json.{pid}.7.lem-tmp"),
        );
        let living = format!("sums.json.{parent}.7.lem-tmp");
        for file in [dead, &own, &living, "sums.json.lem-tmp", "sums.json"] {
            std::fs::write(path.join(file), "").unwrap();
        }
        remove_abandoned(&path);
        assert_eq!(
            names(&path),
            ["run", "sums.json", &living, "sums.json.lem-tmp"]
        );
        assert_eq!(names(&attempt).len(), 3, "only in the folder itself");
        remove_temporary(&path);
        assert_eq!(names(&path), ["run", "sums.json"]);
        assert_eq!(names(&attempt), ["result.json"]);
    }

    #[test]
    fn a_file_larger_than_its_limit_is_refused_and_not_cut() {
        let (_keep, path) = folder();
        let file = path.join("f");
        std::fs::write(&file, "12345").unwrap();
        for read in [read_bounded, read_regular] {
            assert_eq!(read(&file, 5).unwrap(), b"12345");
            let refused = read(&file, 4).unwrap_err().to_string();
            assert!(refused.contains("larger than 4 bytes"), "{refused}");
        }
    }

    #[test]
    fn every_way_of_being_full_is_known() {
        for code in [28, 122, 27] {
            assert!(is_full(&std::io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(!is_full(&std::io::Error::from_raw_os_error(13)));
    }
}
