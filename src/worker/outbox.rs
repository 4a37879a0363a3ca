//! Taking what a worker left in its outbox: hostile until copied, bounded and hashed.

use std::fs::File;
use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use lem_protocol::{MAX_QUALITY_BYTES, MAX_RECORD_BYTES, QUALITY_FILE, RECORD_FILE};
use rustix::fs::{FileType, Mode, OFlags};

use crate::units::Digest;

/// A record, taken.
#[derive(Debug)]
pub struct Collected {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub sha256: Digest,
}

/// Why something could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// It is not there.
    #[error("{path} is not there")]
    Missing {
        /// Where it should be.
        path: Utf8PathBuf,
    },
    /// It is not a plain file of one name.
    #[error("{path} is {what}")]
    Refused {
        /// Where it is.
        path: Utf8PathBuf,
        /// What it is.
        what: String,
    },
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Where it is.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Takes the record of `attempt` from an outbox.
///
/// # Errors
/// If it is missing, no plain file, has a second name, or is larger than [`MAX_RECORD_BYTES`].
pub fn collect(outbox: &Utf8Path, attempt: &str) -> Result<Collected, OutboxError> {
    let bytes = take(outbox, attempt, RECORD_FILE, MAX_RECORD_BYTES)?;
    Ok(Collected {
        sha256: Digest::of(&bytes),
        bytes,
    })
}

/// Takes the quality record of `attempt` from an outbox.
///
/// # Errors
/// As [`collect`], with [`MAX_QUALITY_BYTES`].
pub fn collect_quality(outbox: &Utf8Path, attempt: &str) -> Result<Collected, OutboxError> {
    let bytes = take(outbox, attempt, QUALITY_FILE, MAX_QUALITY_BYTES)?;
    Ok(Collected {
        sha256: Digest::of(&bytes),
        bytes,
    })
}

/// Reads the agent's exit record of a worker, if there is one.
///
/// # Errors
/// As [`collect`], except that a missing one is none.
pub fn exit_record(outbox: &Utf8Path, worker: &str) -> Result<Option<Vec<u8>>, OutboxError> {
    match take(outbox, "exits", &format!("{worker}.json"), 64 * 1024) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(OutboxError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads `<outbox>/<folder>/<name>` without following a link that the container may have put there.
fn take(outbox: &Utf8Path, folder: &str, name: &str, limit: u64) -> Result<Vec<u8>, OutboxError> {
    let path = outbox.join(folder).join(name);
    let refused = |what: String| OutboxError::Refused {
        path: path.clone(),
        what,
    };
    let opened = |error: rustix::io::Errno| match error {
        rustix::io::Errno::NOENT => OutboxError::Missing { path: path.clone() },
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
            refused("a link or no folder on its way".into())
        }
        // Opening a socket.
        rustix::io::Errno::NXIO => refused("no plain file".into()),
        error => OutboxError::Io {
            path: path.clone(),
            source: error.into(),
        },
    };
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(
        outbox.as_std_path(),
        flags | OFlags::DIRECTORY,
        Mode::empty(),
    )
    .map_err(opened)?;
    let folder = rustix::fs::openat(&root, folder, flags | OFlags::DIRECTORY, Mode::empty())
        .map_err(opened)?;
    // NONBLOCK: a named pipe put there must not hang the open.
    let file = rustix::fs::openat(&folder, name, flags | OFlags::NONBLOCK, Mode::empty())
        .map_err(opened)?;
    let stat = rustix::fs::fstat(&file).map_err(opened)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(refused(format!("no plain file ({kind:?})")));
    }
    if stat.st_nlink != 1 {
        return Err(refused(format!("a file with {} names", stat.st_nlink)));
    }
    let bytes = bounded(File::from(file), limit).map_err(|source| OutboxError::Io {
        path: path.clone(),
        source,
    })?;
    bytes.ok_or_else(|| refused(format!("larger than {limit} bytes")))
}

/// All bytes of a file, or none if it has more than `limit`; however many it has, no more than one above that is read.
fn bounded(file: impl Read, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn outbox() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).expect("UTF-8");
        std::fs::create_dir(path.join("a1")).expect("made");
        (folder, path)
    }

    #[test]
    fn a_plain_record_is_taken_and_hashed() {
        let (_keep, outbox) = outbox();
        std::fs::write(outbox.join("a1/record.json"), b"{}").expect("written");
        let collected = collect(&outbox, "a1").expect("taken");
        assert_eq!(collected.bytes, b"{}");
        assert_eq!(collected.sha256, Digest::of(b"{}"));
        assert!(matches!(
            collect(&outbox, "a2"),
            Err(OutboxError::Missing { .. })
        ));
    }

    #[test]
    fn links_pipes_and_second_names_are_refused() {
        let (_keep, outbox) = outbox();
        let secret = outbox.join("secret");
        std::fs::write(&secret, b"secret").expect("written");
        let record = outbox.join("a1/record.json");

        symlink(&secret, &record).expect("linked");
        assert!(matches!(
            collect(&outbox, "a1"),
            Err(OutboxError::Refused { .. })
        ));
        std::fs::remove_file(&record).expect("removed");

        std::fs::hard_link(&secret, &record).expect("linked");
        assert!(matches!(
            collect(&outbox, "a1"),
            Err(OutboxError::Refused { .. })
        ));
        std::fs::remove_file(&record).expect("removed");

        rustix::fs::mknodat(
            rustix::fs::CWD,
            record.as_std_path(),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a pipe");
        assert!(matches!(
            collect(&outbox, "a1"),
            Err(OutboxError::Refused { .. })
        ));

        symlink(outbox.join("a1"), outbox.join("a3")).expect("linked");
        assert!(matches!(
            collect(&outbox, "a3"),
            Err(OutboxError::Refused { .. })
        ));
    }

    /// An honest record behind each link: only the link is wrong.
    #[test]
    fn no_link_on_the_way_to_a_record_is_followed() {
        let (_keep, outbox) = outbox();
        std::fs::write(outbox.join("a1/record.json"), b"{}").expect("written");
        symlink(outbox.join("a1"), outbox.join("a2")).expect("linked");
        symlink(&outbox, outbox.join("root")).expect("linked");
        for (outbox, attempt) in [(outbox.clone(), "a2"), (outbox.join("root"), "a1")] {
            let refused = collect(&outbox, attempt).expect_err("refused").to_string();
            assert!(refused.contains("a link or no folder"), "{refused}");
        }
    }

    #[test]
    fn what_is_larger_than_its_limit_is_refused_and_not_cut() {
        let (_keep, outbox) = outbox();
        std::fs::create_dir(outbox.join("exits")).expect("made");
        let file = File::create(outbox.join("exits/w.json")).expect("made");
        file.set_len(64 * 1024).expect("sparse");
        let taken = exit_record(&outbox, "w").expect("taken").expect("there");
        assert_eq!(taken.len(), 64 * 1024);
        file.set_len(64 * 1024 + 1).expect("sparse");
        let refused = exit_record(&outbox, "w").expect_err("refused").to_string();
        assert!(refused.ends_with("larger than 65536 bytes"), "{refused}");
    }

    /// Who reads on past the first byte above the limit meets an error.
    #[test]
    fn no_more_is_read_than_one_byte_above_the_limit() {
        struct Beyond;
        impl Read for Beyond {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("read too far"))
            }
        }
        let eleven = [b'x'; 11];
        let read = |limit| bounded(eleven.as_slice().chain(Beyond), limit);
        assert_eq!(read(10).expect("not read too far"), None);
        assert!(read(11).is_err());
        let whole = bounded(eleven.as_slice(), 11).expect("read");
        assert_eq!(whole.as_deref(), Some(eleven.as_slice()));
    }

    #[test]
    fn an_endless_file_is_bounded() {
        let (_keep, outbox) = outbox();
        let file = File::create(outbox.join("a1/record.json")).expect("made");
        file.set_len(MAX_RECORD_BYTES + 10).expect("sparse");
        assert!(matches!(
            collect(&outbox, "a1"),
            Err(OutboxError::Refused { .. })
        ));
        let file = File::create(outbox.join("a1/quality.json")).expect("made");
        file.set_len(MAX_QUALITY_BYTES + 1).expect("sparse");
        assert!(matches!(
            collect_quality(&outbox, "a1"),
            Err(OutboxError::Refused { .. })
        ));
    }
}
