//! Load logs: what workers that run now write, found in a folder of lemctl's.
//!
//! `<folder>/<campaign>/<backend>/outbox/gpu/*.log`, one a process. Each line is
//! `<CLOCK_MONOTONIC ns> <busy 0..1> <bytes held>`, appended at every change. The process holds an flock on
//! its log; when nobody does any more, it has died. Whether a log is held is asked of /proc/locks first,
//! so that no worker finds its log locked by the question.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{Flock, FlockArg};

use crate::process::Change;

/// A log is looked for again after so long.
const SCAN_EVERY_NS: u64 = 10_000_000;
/// Logs are read again after so long.
const READ_EVERY_NS: u64 = 2_000_000;
/// Most bytes read of one log at once.
const MOST_BYTES: u64 = 1 << 20;

/// What a log has told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// The log's number, from 1, in the order in which they were seen.
    pub log: usize,
    /// Host pid of its process.
    pub pid: u32,
    /// What changed.
    pub change: Change,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    /// Inode and birth.
    identity: (u64, Option<SystemTime>),
    read_bytes: u64,
    pid: u32,
    /// An unfinished line.
    rest: String,
    has_ended: bool,
}

/// The logs below a folder.
#[derive(Debug)]
pub struct LogFolder {
    folder: PathBuf,
    logs: Vec<Log>,
    began: bool,
    scanned_ns: u64,
    read_ns: u64,
}

impl LogFolder {
    /// The logs below a folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            logs: Vec::new(),
            began: false,
            scanned_ns: 0,
            read_ns: 0,
        }
    }

    /// What the logs say that they had not said before. A death is noticed now, so it is dated now.
    pub fn refresh(&mut self, now_ns: u64) -> Vec<Told> {
        let mut told = Vec::new();
        if self.began && now_ns < self.read_ns.saturating_add(READ_EVERY_NS) {
            return told;
        }
        self.read_ns = now_ns;
        if !self.began || now_ns >= self.scanned_ns.saturating_add(SCAN_EVERY_NS) {
            self.scanned_ns = now_ns;
            self.scan();
            self.began = true;
        }
        for (index, log) in self.logs.iter_mut().enumerate() {
            if log.has_ended {
                continue;
            }
            // Asked before the last lines are read, so that none is missed.
            let has_ended = !is_held(&log.path);
            log.read();
            let changes = log.lines(now_ns);
            let mut tell = |change| {
                told.push(Told {
                    log: index + 1,
                    pid: log.pid,
                    change,
                });
            };
            changes.into_iter().for_each(&mut tell);
            if has_ended {
                log.has_ended = true;
                tell(Change::end(now_ns));
            }
        }
        told
    }

    fn scan(&mut self) {
        let mut found: Vec<PathBuf> = folders(&self.folder)
            .iter()
            .flat_map(|campaign| folders(campaign))
            .flat_map(|backend| entries(&backend.join("outbox").join("gpu")))
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .filter(|path| {
                !self
                    .logs
                    .iter()
                    .any(|log| log.path == *path && !log.has_ended)
            })
            .collect();
        found.sort_unstable();
        if found.is_empty() {
            return;
        }
        let holders = holders();
        for path in found {
            // Never through a link: an outbox is a container's to write.
            let Ok(meta) = std::fs::symlink_metadata(&path) else {
                continue;
            };
            // What nobody holds is old, or is not held yet and looked at again.
            let may_be_held = holders.is_empty() || holders.contains_key(&meta.ino());
            if !meta.is_file() || !may_be_held || !is_held(&path) {
                continue;
            }
            let Ok(mut file) = File::open(&path) else {
                continue;
            };
            let named = path
                .file_stem()
                .and_then(|name| name.to_str()?.parse().ok());
            let pid = holders.get(&meta.ino()).copied().or(named).unwrap_or(0);
            let identity = (meta.ino(), meta.created().ok());
            // A process that appends to a log which told of another one says only what comes now.
            let before = self.logs.iter().rev().find(|log| log.path == path);
            if let Some(before) = before.filter(|log| log.identity == identity)
                && file.seek(SeekFrom::Start(before.read_bytes)).is_err()
            {
                continue;
            }
            let read_bytes = file.stream_position().unwrap_or(0);
            self.logs.push(Log {
                path,
                file,
                identity,
                read_bytes,
                pid,
                rest: String::new(),
                has_ended: false,
            });
        }
    }
}

impl Log {
    fn read(&mut self) {
        let mut bytes = Vec::new();
        // What cannot be read now is read the next time.
        let _ = (&mut self.file).take(MOST_BYTES).read_to_end(&mut bytes);
        self.read_bytes += bytes.len() as u64;
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
    }

    /// The finished lines. What is no line of a log is passed over; times neither go back nor lie ahead.
    fn lines(&mut self, now_ns: u64) -> Vec<Change> {
        let Some(end) = self.rest.rfind('\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let text = std::mem::replace(&mut self.rest, rest);
        let mut changes = Vec::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let mut next = || words.next();
            let (at, busy, bytes) = (next(), next(), next());
            let change = (|| {
                let busy: f64 = busy?.parse().ok()?;
                let at_ns: u64 = at?.parse().ok()?;
                (0.0..=1.0).contains(&busy).then_some(())?;
                Some(Change::load(at_ns.min(now_ns), busy, bytes?.parse().ok()?))
            })();
            if let Some(change) = change {
                changes.push(change);
            }
        }
        changes
    }
}

/// Whether somebody holds an flock on the file.
fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    // A shared lock is refused while the worker's exclusive one is there, and given back at once.
    Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
}

/// Who holds an exclusive flock on which inode, by /proc/locks:
/// `1: FLOCK  ADVISORY  WRITE 1425 fe:00:753923 0 EOF`. Pids are those of the reader's namespace, and locks
/// of processes outside it do not stand there; empty where it cannot be read.
fn holders() -> HashMap<u64, u32> {
    let text = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, place, ..] = words[..] else {
            return None;
        };
        // The device is not compared: that of an overlay differs from what stat tells.
        let inode = place.rsplit(':').next()?.parse().ok()?;
        Some((inode, pid.parse().ok().filter(|pid| *pid > 0)?))
    };
    text.lines().filter_map(holder).collect()
}

fn folders(path: &Path) -> Vec<PathBuf> {
    entries(path)
        .into_iter()
        .filter(|path| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()))
        .collect()
}

fn entries(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const MS: u64 = 1_000_000;

    fn write(folder: &Path, name: &str) -> Flock<File> {
        let gpu = folder.join("c/reference/outbox/gpu");
        std::fs::create_dir_all(&gpu).unwrap();
        let file = File::create(gpu.join(name)).unwrap();
        Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap()
    }

    #[test]
    fn a_log_is_followed_to_its_process_end() {
        let folder = tempfile::tempdir().unwrap();
        drop(write(folder.path(), "1.log"));
        let mut logs = LogFolder::new(folder.path().to_path_buf());
        assert_eq!(logs.refresh(MS), [], "an old log is no load");
        let mut log = write(folder.path(), "12.log");
        writeln!(log, "5000000 1 777").unwrap();
        write!(log, "7000000 0").unwrap();
        let told = logs.refresh(20 * MS);
        let pid = std::process::id();
        assert_eq!(
            told,
            [Told {
                log: 1,
                pid,
                change: Change::load(5 * MS, 1.0, 777)
            }]
        );
        writeln!(log, ".5 778\nnonsense\n8000000 7 1\n99999999999 0 1").unwrap();
        assert_eq!(logs.refresh(21 * MS), [], "not every millisecond");
        let told: Vec<Change> = logs
            .refresh(30 * MS)
            .iter()
            .map(|told| told.change)
            .collect();
        assert_eq!(
            told,
            [
                Change::load(7 * MS, 0.5, 778),
                Change::load(30 * MS, 0.0, 1)
            ]
        );
        drop(log);
        let told = logs.refresh(40 * MS);
        assert_eq!(
            told,
            [Told {
                log: 1,
                pid,
                change: Change::end(40 * MS)
            }]
        );
        assert_eq!(logs.refresh(90 * MS), []);
    }

    #[test]
    fn a_log_that_is_taken_up_again_is_a_new_process_and_not_read_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = LogFolder::new(folder.path().to_path_buf());
        let mut log = write(folder.path(), "1.log");
        writeln!(log, "1000000 1 5").unwrap();
        assert_eq!(logs.refresh(20 * MS).len(), 1);
        drop(log);
        assert!(!logs.refresh(40 * MS)[0].change.present);
        let path = folder.path().join("c/reference/outbox/gpu/1.log");
        let file = File::options().append(true).open(&path).unwrap();
        let mut log = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
        writeln!(log, "50000000 0.5 6").unwrap();
        let told = logs.refresh(60 * MS);
        assert_eq!((told.len(), told[0].log), (1, 2));
        assert_eq!(told[0].change, Change::load(50 * MS, 0.5, 6));
    }

    #[test]
    fn several_logs_are_counted_and_a_log_that_is_held_before_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = write(folder.path(), "1.log");
        writeln!(first, "1 1 5").unwrap();
        let mut logs = LogFolder::new(folder.path().to_path_buf());
        assert_eq!(logs.refresh(MS)[0].log, 1);
        let mut second = write(folder.path(), "2.log");
        writeln!(second, "2 1 5").unwrap();
        drop(first);
        let told = logs.refresh(50 * MS);
        let short: Vec<_> = told
            .iter()
            .map(|told| (told.log, told.change.present))
            .collect();
        assert_eq!(short, [(1, false), (2, true)]);
    }
}
