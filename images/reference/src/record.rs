//! Writing a record so that a reader sees all of it or nothing.

use std::fs;
use std::path::Path;

use lem_protocol::{MAX_RECORD_BYTES, RECORD_FILE, Record};

use crate::digest;
use crate::fault::{Code, Fault};

/// A record file as it was written.
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: String,
}

/// Writes `<outbox>/<attempt>/record.json` through a temporary name. The attempt must be a name.
pub fn write(outbox: &Path, record: &Record) -> Result<Written, Fault> {
    let folder = outbox.join(&record.attempt);
    let path = folder.join(RECORD_FILE);
    let failed = |error: &dyn std::fmt::Display| {
        Fault::new(
            Code::RecordFailed,
            format!("writing {}: {error}", path.display()),
        )
        .hint("the outbox must be writable for the container's user and have space")
    };
    let bytes = serde_json::to_vec(record).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_RECORD_BYTES {
        let message = format!(
            "the record has {} bytes, more than {MAX_RECORD_BYTES}",
            bytes.len()
        );
        return Err(Fault::new(Code::RecordFailed, message)
            .hint("measure fewer tokens: lower min_seconds or min_requests"));
    }
    let temporary = folder.join(format!(".{RECORD_FILE}.new"));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&temporary, &bytes))
        .and_then(|()| fs::rename(&temporary, &path))
        .map_err(|error| failed(&error))?;
    Ok(Written {
        bytes: bytes.len() as u64,
        sha256: digest::of(&bytes),
    })
}
