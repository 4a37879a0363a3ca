//! Whole files or none.

use std::fs::File;
use std::io::{Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use miette::Diagnostic;
use rustix::fs::{Mode, OFlags};

use crate::diagnostics::{Exit, Fault};

/// The file system said no.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot {action} {path}: {source}")]
#[diagnostic(
    code(store::io),
    help("check space and permissions there: `lemctl check`")
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
}

impl Fault for StoreError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}

/// Writes a file under a temporary name, syncs it and renames it into place. The entry itself is
/// durable only after [`sync_folder`], so that several files of one folder share that cost.
///
/// # Errors
/// If any of it fails; the temporary file is then removed and the old file, if any, stands.
pub fn write_durable(path: &Utf8Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = Utf8PathBuf::from(format!("{path}.tmp"));
    // A crash may have left one, and so may a stranger who gave the folder: a link there is not written through.
    let _ = std::fs::remove_file(&temporary);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&temporary);
        StoreError {
            action: "write",
            path: path.to_owned(),
            source,
        }
    })
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
