//! A folder of the user's as a model: its files, their sums, and what was summed before.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use lem_protocol::{MAX_MODEL_FILES, ModelFile};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{StoreError, is_file_name, opened, read_regular, write_durable};
use crate::units::Digest;

/// Most sums that are remembered.
const MAX_REMEMBERED: usize = 4096;
/// Largest file of remembered sums, in bytes.
const MAX_MEMORY_BYTES: u64 = 4 * 1024 * 1024;

/// Why a folder is no model.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// It has not what a model has, or has what cannot be mounted.
    #[error("{folder}: {what}")]
    Unfit {
        /// The folder.
        folder: Utf8PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The disk said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The files of a model in a folder of the user's, by name. Folders in it and hidden files are no part of it.
///
/// # Errors
/// If it has no `config.json`, or a link leads out of it: in a container such a link leads nowhere.
pub fn local_files(folder: &Utf8Path) -> Result<Vec<String>, LocalError> {
    let unfit = |what: String| LocalError::Unfit {
        folder: folder.to_owned(),
        what,
    };
    let read = |error| LocalError::Store(StoreError::at("read", folder)(error));
    let whole = folder.canonicalize_utf8().map_err(read)?;
    let mut files = Vec::new();
    for entry in folder.read_dir_utf8().map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name().to_owned();
        if !is_file_name(&name) {
            continue;
        }
        let Ok(target) = entry.path().canonicalize_utf8() else {
            return Err(unfit(format!("{name} is a link that leads nowhere")));
        };
        if !target.starts_with(&whole) {
            return Err(unfit(format!(
                "{name} is a link to {target}, which is not in the folder, so a container does not see it; copy the folder with its links followed: cp -rL"
            )));
        }
        if target.is_file() {
            files.push(name);
        }
    }
    if files.len() > MAX_MODEL_FILES {
        let count = files.len();
        return Err(unfit(format!(
            "it has {count} files; a model has at most {MAX_MODEL_FILES}"
        )));
    }
    if !files.iter().any(|name| name == "config.json") {
        return Err(unfit("it has no config.json".to_owned()));
    }
    files.sort();
    Ok(files)
}

/// Sizes and sums of files. A file whose path, size, time of change and inode are those of one that was summed
/// before is not read again; what was summed is kept in `memory`. `progress` is told of bytes done, and says whether to
/// go on.
///
/// # Errors
/// If a file cannot be read, or `progress` ended it.
pub fn sums_of(
    folder: &Utf8Path,
    names: &[String],
    memory: &Utf8Path,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<Vec<ModelFile>, StoreError> {
    let mut known = Memory::read(memory);
    let mut files = Vec::new();
    let mut changed = false;
    for name in names {
        let path = folder.join(name);
        let stamp = Stamp::of(&std::fs::metadata(&path).map_err(StoreError::at("read", &path))?);
        let (bytes, sha256) = match known.sums.get(path.as_str()) {
            Some((seen, sha256)) if *seen == stamp => {
                told(progress, stamp.bytes).map_err(StoreError::at("read", &path))?;
                (stamp.bytes, sha256.clone())
            }
            _ => {
                let (bytes, sha256) = sum_of(&path, progress)?;
                let summed = (stamp, sha256.clone());
                known.sums.insert(path.into_string(), summed);
                changed = true;
                (bytes, sha256)
            }
        };
        files.push(ModelFile {
            path: name.clone(),
            bytes,
            sha256,
        });
    }
    if changed {
        // What cannot be remembered is read again next time.
        let _ = known.write(memory);
    }
    Ok(files)
}

/// Sums files whatever is remembered of them. Gives those that look as they did when they were summed before and hold
/// other bytes; the new sums are remembered.
///
/// # Errors
/// As [`sums_of`].
pub fn sums_anew(
    folder: &Utf8Path,
    names: &[String],
    memory: &Utf8Path,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<Vec<String>, StoreError> {
    let mut known = Memory::read(memory);
    let mut changed = Vec::new();
    for name in names {
        let path = folder.join(name);
        let stamp = Stamp::of(&std::fs::metadata(&path).map_err(StoreError::at("read", &path))?);
        let (_, sha256) = sum_of(&path, progress)?;
        let summed = (stamp, sha256.clone());
        let before = known.sums.insert(path.into_string(), summed);
        if before.is_some_and(|(seen, sum)| seen == stamp && sum != sha256) {
            changed.push(name.clone());
        }
    }
    known.write(memory)?;
    Ok(changed)
}

/// Tells of bytes; an error if that is to be the end.
fn told(progress: &dyn Fn(u64) -> ControlFlow<()>, bytes: u64) -> std::io::Result<()> {
    match progress(bytes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(std::io::Error::other("it was stopped")),
    }
}

/// Size and SHA-256 of one regular file.
pub(super) fn sum_of(
    path: &Utf8Path,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<(u64, String), StoreError> {
    let opened = opened(path, rustix::fs::OFlags::empty());
    let mut file = opened.map_err(StoreError::at("read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => {
                return Ok((
                    bytes,
                    Digest::from_bytes(hasher.finalize().into()).to_string(),
                ));
            }
            Ok(read) => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
                told(progress, read as u64).map_err(StoreError::at("read", path))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::at("read", path)(error)),
        }
    }
}

/// What tells that a file is the one that was summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_ns: i64,
    changed_ns: i64,
    inode: u64,
    device: u64,
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        let ns = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest);
        Self {
            bytes: file.len(),
            modified_ns: ns(file.mtime(), file.mtime_nsec()),
            // Set by the kernel at every change: a time of modification can be given back by hand.
            changed_ns: ns(file.ctime(), file.ctime_nsec()),
            inode: file.ino(),
            device: file.dev(),
        }
    }
}

/// Sums by path.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    sums: BTreeMap<String, (Stamp, String)>,
}

impl Memory {
    /// What is remembered; nothing, if that cannot be read.
    fn read(path: &Utf8Path) -> Self {
        let read = read_regular(path, MAX_MEMORY_BYTES).ok();
        let memory: Self = read
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let sound = |(_, sum): &(Stamp, String)| sum.parse::<Digest>().is_ok();
        match memory.sums.len() <= MAX_REMEMBERED && memory.sums.values().all(sound) {
            true => memory,
            false => Self::default(),
        }
    }

    fn write(&mut self, path: &Utf8Path) -> Result<(), StoreError> {
        while self.sums.len() > MAX_REMEMBERED {
            self.sums.pop_first();
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(StoreError::at("make", parent))?;
        }
        let bytes = serde_json::to_vec(self)
            .map_err(|error| StoreError::at("write", path)(std::io::Error::other(error)))?;
        write_durable(path, &bytes)
    }
}
