//! A worker's log on disk, in bounded room: its head, where an engine says what it loads, and its last bytes, where
//! it says what ended it. What lies between is left out. It must not know what is said.
//!
//! `<worker>.log` is the head. What follows goes to `<worker>.tail.log`; when that is full it becomes
//! `<worker>.tail.old.log`, in place of the one before. Nothing is kept in memory for the end, so a crash loses none.

use std::fs::File;
use std::io::Write;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

/// Bytes of a log's head.
const HEAD_BYTES: u64 = 4 << 20;
/// Bytes of each of the two files of its end.
const TAIL_BYTES: u64 = 2 << 20;
/// Bytes of all logs of a campaign, without that of the worker that runs.
const FOLDER_BYTES: u64 = 512 << 20;
/// Files of all logs of a campaign.
const FOLDER_FILES: usize = 1000;

/// The files of one worker's log.
#[derive(Debug)]
pub struct LogFile {
    folder: Utf8PathBuf,
    worker: String,
    file: File,
    room: u64,
    tails: u64,
    closed: bool,
    trouble: Option<std::io::Error>,
}

impl LogFile {
    /// Begins the log of a worker in a campaign's folder of logs. Where that holds too much, the oldest logs go.
    ///
    /// # Errors
    /// If its file cannot be made.
    pub fn create(folder: &Utf8Path, worker: &str) -> std::io::Result<Self> {
        keep_newest(folder, FOLDER_FILES, FOLDER_BYTES);
        Ok(Self {
            file: fresh(&folder.join(format!("{worker}.log")))?,
            folder: folder.to_owned(),
            worker: worker.to_owned(),
            room: HEAD_BYTES,
            tails: 0,
            closed: false,
            trouble: None,
        })
    }

    /// Takes the next bytes. After trouble it takes no more: a log with a hole would mislead.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.closed {
            let (now, rest) = bytes.split_at(bytes.len().min(self.room as usize));
            let written = self.file.write_all(now);
            self.room -= now.len() as u64;
            bytes = rest;
            let turned = match self.room {
                0 if written.is_ok() => self.turn(),
                _ => Ok(()),
            };
            self.trouble = written.and(turned).err();
            self.closed = self.trouble.is_some();
        }
    }

    /// What the disk said, once.
    pub fn take_trouble(&mut self) -> Option<std::io::Error> {
        self.trouble.take()
    }

    /// Goes on in the next file of the end.
    fn turn(&mut self) -> std::io::Result<()> {
        let path = |end: &str| self.folder.join(format!("{}.{end}.log", self.worker));
        let (tail, old) = (path("tail"), path("tail.old"));
        if self.tails > 0 {
            std::fs::rename(&tail, &old)?;
        }
        self.file = fresh(&tail)?;
        self.room = TAIL_BYTES;
        self.tails += 1;
        // True whichever parts are still there.
        let note = format!(
            "[lemctl: part {} of what follows {}.log; the last two parts are kept]\n",
            self.tails, self.worker
        );
        self.room -= note.len() as u64;
        self.file.write_all(note.as_bytes())
    }
}

/// A new file: what stands under its name, a link maybe, is replaced and never written through.
fn fresh(path: &Utf8Path) -> std::io::Result<File> {
    let _ = std::fs::remove_file(path);
    File::create_new(path)
}

/// Removes the oldest files of a folder until no more than so many files and bytes are left.
fn keep_newest(folder: &Utf8Path, most_files: usize, most_bytes: u64) {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut logs: Vec<(SystemTime, Utf8PathBuf, u64)> = entries
        .filter_map(|entry| {
            let found = std::fs::symlink_metadata(entry.path()).ok()?;
            let log = found.is_file() && entry.file_name().ends_with(".log");
            log.then(|| Some((found.modified().ok()?, entry.into_path(), found.len())))?
        })
        .collect();
    logs.sort();
    let mut bytes = 0_u64;
    for (index, (_, path, size)) in logs.iter().rev().enumerate() {
        bytes = bytes.saturating_add(*size);
        if index >= most_files || bytes > most_bytes {
            // One that cannot be removed is only an old log.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn read(folder: &Utf8Path, name: &str) -> String {
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn head_and_end_of_a_long_log_are_kept_and_what_is_left_out_is_counted() {
        let (_keep, path) = folder();
        let mut log = LogFile::create(&path, "w").unwrap();
        log.push(b"the first words\n");
        let megabyte = [b'x'; 1 << 20];
        for _ in 0..24 {
            log.push(&megabyte);
        }
        log.push(b"the last words\n");
        assert!(log.take_trouble().is_none());
        let head = read(&path, "w.log");
        assert_eq!(head.len() as u64, HEAD_BYTES);
        assert!(head.starts_with("the first words\n"));
        let (old, tail) = (read(&path, "w.tail.old.log"), read(&path, "w.tail.log"));
        assert_eq!(old.len() as u64, TAIL_BYTES);
        assert!(old.starts_with("[lemctl: part 10 of"), "{}", &old[..80]);
        assert!(tail.ends_with("the last words\n"));
        assert_eq!(path.read_dir_utf8().unwrap().count(), 3);
    }

    #[test]
    fn a_disk_that_takes_no_more_is_told_once() {
        let (_keep, path) = folder();
        let mut log = LogFile::create(&path, "w").unwrap();
        // The kernel's own full disk.
        log.file = File::options().write(true).open("/dev/full").unwrap();
        log.push(b"lost");
        log.push(b"lost too");
        let trouble = log.take_trouble().expect("it is full");
        assert_eq!(trouble.kind(), std::io::ErrorKind::StorageFull);
        log.push(b"and this");
        assert!(log.take_trouble().is_none());
        assert_eq!(read(&path, "w.log"), "");
    }

    #[test]
    fn a_new_log_takes_the_place_of_the_oldest() {
        let (_keep, path) = folder();
        for number in 0..=FOLDER_FILES {
            File::create(path.join(format!("{number}.log"))).unwrap();
        }
        let oldest = File::options().write(true).open(path.join("7.log"));
        oldest
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        LogFile::create(&path, "w").unwrap();
        assert!(path.join("w.log").exists() && !path.join("7.log").exists());
        assert_eq!(path.read_dir_utf8().unwrap().count(), FOLDER_FILES + 1);
    }

    #[test]
    fn the_oldest_logs_of_a_campaign_go() {
        let (_keep, path) = folder();
        for (age, name) in ["c.log", "b.log", "a.log"].iter().enumerate() {
            let file = File::create(path.join(name)).unwrap();
            file.set_len(100).unwrap();
            let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9 - age as u64);
            file.set_modified(then).unwrap();
        }
        std::fs::write(path.join("other"), [0; 500]).unwrap();
        let left = || {
            let entries = path.read_dir_utf8().unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().to_owned())
                .collect();
            names.sort();
            names
        };
        keep_newest(&path, 3, 300);
        assert_eq!(left().len(), 4);
        keep_newest(&path, 3, 299);
        assert_eq!(left(), ["b.log", "c.log", "other"], "by bytes");
        keep_newest(&path, 1, 1000);
        assert_eq!(left(), ["c.log", "other"], "by number");
    }
}
