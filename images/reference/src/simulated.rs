//! Simulated GPUs: what a worker that computes on the CPU tells a GPU simulator, so that all that lemctl
//! does with GPUs can be shown on a machine without one.
//!
//! Only where the environment says `LEM_SIMULATED_GPUS` (UUIDs, separated by commas; compose/reference.yaml
//! passes it on from `.env`): then `hello` names those GPUs, `load` accepts exactly them (or none), and a
//! worker that was loaded with them keeps a load log, `<outbox>/gpu/<pid>.log`. Each of its lines is
//! `<CLOCK_MONOTONIC ns> <busy> <bytes>`: 1 while it loads, warms up and measures, else 0; the bytes are
//! those of weights and KV cache, and a made-up context. The worker holds an flock on the log as long as it
//! lives, so that its death is noticed however it dies. Without the variable nothing of this exists.
//!
//! It computes on the CPU all the same; its record says so.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use crate::fault::{Code, Fault};

/// What a process takes of a GPU before it has loaded anything; made up, near what CUDA takes.
const CONTEXT_BYTES: u64 = 512 << 20;

/// The GPUs that the environment names.
pub fn gpus() -> Vec<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the Compose file's environment is where the worker is told"
    )]
    let named = std::env::var("LEM_SIMULATED_GPUS").unwrap_or_default();
    list(&named)
}

fn list(named: &str) -> Vec<String> {
    named
        .split(',')
        .map(str::trim)
        .filter(|uuid| !uuid.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Refuses GPUs that are not all of those that `there` are.
pub fn check(asked: &[String], there: &[String]) -> Result<(), Fault> {
    let Some(gpu) = asked.first() else {
        return Ok(());
    };
    if asked == there {
        return Ok(());
    }
    let message = if there.is_empty() {
        format!("GPU {gpu:.80} was asked for, but this backend computes on the CPU")
    } else {
        format!(
            "the GPUs asked for ({:.200}) are not those of LEM_SIMULATED_GPUS ({:.200})",
            asked.join(", "),
            there.join(", ")
        )
    };
    let hint = if there.is_empty() {
        "leave `gpus` out of the campaign for the reference backend, or name simulated ones in .env"
    } else {
        "name the same GPUs in the campaign and in .env, in the same order"
    };
    Err(Fault::new(Code::GpuUnavailable, message).hint(hint))
}

/// The load log of this process; without GPUs nothing is written.
pub struct LoadLog {
    file: Option<Flock<File>>,
    resident_bytes: u64,
}

impl LoadLog {
    /// Begins a log below the outbox, if the engine is loaded onto GPUs.
    pub fn begin(outbox: &Path, gpus: &[String]) -> Result<Self, Fault> {
        let mut log = Self {
            file: None,
            resident_bytes: CONTEXT_BYTES,
        };
        if gpus.is_empty() {
            return Ok(log);
        }
        let folder = outbox.join("gpu");
        let path = folder.join(format!("{}.log", std::process::id()));
        let begun = fs::create_dir_all(&folder)
            // One of a process that had this id before is that process'.
            .and_then(|()| match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => File::create_new(&path),
            })
            .and_then(|file| {
                Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
            });
        log.file = Some(begun.map_err(|error| failed(&error))?);
        Ok(log)
    }

    /// From now on so many bytes are held beside the context, whether it computes or not.
    pub fn resident(&mut self, bytes: u128) {
        self.resident_bytes = CONTEXT_BYTES.saturating_add(saturated(bytes));
    }

    /// It computes from `at_ns` on, and holds so many bytes more.
    pub fn busy(&mut self, at_ns: u64, more_bytes: u128) -> Result<(), Fault> {
        let bytes = self.resident_bytes.saturating_add(saturated(more_bytes));
        self.write(at_ns, 1, bytes)
    }

    /// It waits from `at_ns` on, and holds only what stays.
    pub fn idle(&mut self, at_ns: u64) -> Result<(), Fault> {
        self.write(at_ns, 0, self.resident_bytes)
    }

    fn write(&mut self, at_ns: u64, busy: u8, bytes: u64) -> Result<(), Fault> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        // In one write: a reader sees whole lines.
        file.write_all(format!("{at_ns} {busy} {bytes}\n").as_bytes())
            .map_err(|error| failed(&error))
    }
}

fn failed(error: &std::io::Error) -> Fault {
    Fault::new(Code::RecordFailed, format!("writing the load log: {error}"))
        .hint("the outbox must be writable for the container's user and have space")
}

fn saturated(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_all_or_none() {
        assert_eq!(list(""), [""; 0]);
        assert_eq!(list(" GPU-a, GPU-b,"), ["GPU-a", "GPU-b"]);
        let [a, ab] = [list("GPU-a"), list("GPU-a,GPU-b")];
        assert!(check(&ab, &ab).is_ok() && check(&[], &ab).is_ok() && check(&[], &[]).is_ok());
        for (asked, there) in [(&a, &ab), (&ab, &a), (&a, &Vec::new())] {
            assert_eq!(check(asked, there).unwrap_err().code, Code::GpuUnavailable);
        }
    }

    #[test]
    fn without_gpus_there_is_no_log() {
        let outbox = tempfile::tempdir().unwrap();
        let mut log = LoadLog::begin(outbox.path(), &[]).unwrap();
        log.busy(1, 2).unwrap();
        assert_eq!(fs::read_dir(outbox.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_log_is_locked_and_has_a_line_for_every_change() {
        let outbox = tempfile::tempdir().unwrap();
        let mut log = LoadLog::begin(outbox.path(), &list("GPU-a")).unwrap();
        log.busy(1, 0).unwrap();
        log.resident(1_000);
        log.idle(2).unwrap();
        log.busy(3, 10).unwrap();
        log.idle(4).unwrap();
        let path = outbox
            .path()
            .join(format!("gpu/{}.log", std::process::id()));
        let context = CONTEXT_BYTES;
        let want = format!(
            "1 1 {context}\n2 0 {0}\n3 1 {1}\n4 0 {0}\n",
            context + 1_000,
            context + 1_010
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), want);
        let held =
            |path| Flock::lock(File::open(path).unwrap(), FlockArg::LockSharedNonblock).is_err();
        assert!(held(&path));
        drop(log);
        assert!(!held(&path));
        // The next process of that id has a log of its own.
        let _log = LoadLog::begin(outbox.path(), &list("GPU-a")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
