//! One file: fetched, gone on with after a break, and believed only with the right size and, where the hub names one, the right sum.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use lem_protocol::ModelFile;
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

use super::Hub;
use super::client::{Miss, TRIES, wait};
use super::listing::Entry;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::progress::Progress;
use crate::sums::{Sum, git_blob};

/// Most tries in all, also with progress between them: a hub that gives a byte a time is none.
const MAX_TRIES: u32 = 200;
/// Whole downloads of one file whose sum is wrong.
const MAX_WRONG: u32 = 2;

/// What is fetched, and whereto.
pub struct Target<'a> {
    pub hub: &'a Hub,
    pub commit: &'a str,
    pub folder: &'a Folder,
    pub entry: &'a Entry,
    pub progress: &'a Progress,
    /// Another file went wrong.
    pub stop: &'a AtomicBool,
}

/// Bytes of a file that an earlier try left.
pub fn there(folder: &Folder, entry: &Entry) -> u64 {
    let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
    size(folder.file(&entry.name)).max(size(partial(folder, entry)))
}

fn partial(folder: &Folder, entry: &Entry) -> PathBuf {
    folder.file(&format!("{}.part", entry.name))
}

/// A file that grows, with the sum of what is in it.
struct Growing {
    file: File,
    path: PathBuf,
    sum: Sum,
}

impl Growing {
    /// What an earlier try left, or an empty file.
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let failed = |error| Failure::disk("open", &path, &error);
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(failed)?;
        let mut sum = Sum::default();
        sum.read(&mut file).map_err(failed)?;
        Ok(Self { file, path, sum })
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.sum = Sum::default();
        self.file
            .set_len(0)
            .map_err(|error| Failure::disk("empty", &self.path, &error))
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file
            .write_all(bytes)
            .map_err(|error| Failure::disk("write", &self.path, &error))?;
        self.sum.add(bytes);
        Ok(())
    }
}

impl Target<'_> {
    /// Has the file.
    ///
    /// # Errors
    /// Why it cannot be had. What came of it stays for another try, unless it is wrong.
    pub fn have(&self) -> Result<ModelFile, Failure> {
        if let Some(file) = self.whole()? {
            return Ok(file);
        }
        let mut growing = Growing::open(partial(self.folder, self.entry))?;
        self.progress.add(growing.sum.bytes());
        let mut wrong = 0;
        loop {
            let size = self.fetch(&mut growing)?;
            let (bytes, sum) = (growing.sum.bytes(), growing.sum.clone().hex());
            if size == bytes && self.sums_agree(&growing.path, bytes, &sum)? {
                return self.keep(&growing, sum);
            }
            self.progress.take_back(bytes);
            growing.restart()?;
            wrong += 1;
            if wrong >= MAX_WRONG {
                let _ = std::fs::remove_file(&growing.path);
                let name = &self.entry.name;
                let sum = match (&self.entry.sha256, &self.entry.blob) {
                    (Some(_), _) => "SHA-256",
                    (None, Some(_)) => "sum",
                    (None, None) => "size",
                };
                let message = format!(
                    "{name} of {} came {wrong} times with other bytes than its {sum} says ({bytes} bytes)",
                    self.hub.id
                );
                return Err(Failure::new("download_broken", message).hint(
                    "a proxy or a mirror between here and the hub may change what it passes on: try another HF_ENDPOINT",
                ));
            }
        }
    }

    /// The file as an earlier try left it, if it is whole.
    fn whole(&self) -> Result<Option<ModelFile>, Failure> {
        let path = self.folder.file(&self.entry.name);
        let Ok(file) = File::open(&path) else {
            return Ok(None);
        };
        let mut sum = Sum::default();
        sum.read(file)
            .map_err(|error| Failure::disk("read", &path, &error))?;
        let bytes = sum.bytes();
        let sha256 = sum.hex();
        let right = self.entry.bytes.is_none_or(|size| size == bytes)
            && self.sums_agree(&path, bytes, &sha256)?;
        if !right {
            std::fs::remove_file(&path).map_err(|error| Failure::disk("remove", &path, &error))?;
            return Ok(None);
        }
        self.progress.add(bytes);
        Ok(Some(ModelFile {
            path: self.entry.name.clone(),
            bytes,
            sha256,
        }))
    }

    /// Whether a file at `path` has the sums that the hub told: SHA-256 of a large one, git's own of the others.
    fn sums_agree(&self, path: &Path, bytes: u64, sha256: &str) -> Result<bool, Failure> {
        let large = self.entry.sha256.as_ref();
        if large.is_some_and(|wanted| wanted != sha256) {
            return Ok(false);
        }
        let Some(wanted) = &self.entry.blob else {
            return Ok(true);
        };
        let blob = File::open(path).and_then(|file| git_blob(file, bytes));
        let blob = blob.map_err(|error| Failure::disk("read", path, &error))?;
        Ok(blob == *wanted)
    }

    fn keep(&self, growing: &Growing, sha256: String) -> Result<ModelFile, Failure> {
        let path = self.folder.file(&self.entry.name);
        growing
            .file
            .sync_all()
            .and_then(|()| std::fs::rename(&growing.path, &path))
            .map_err(|error| Failure::disk("keep", &path, &error))?;
        Ok(ModelFile {
            path: self.entry.name.clone(),
            bytes: growing.sum.bytes(),
            sha256,
        })
    }

    /// Fetches until all bytes are there; gives how many there must be.
    fn fetch(&self, growing: &mut Growing) -> Result<u64, Failure> {
        let mut idle = 0;
        for _ in 0..MAX_TRIES {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Failure::new("fetch_failed", "another file went wrong"));
            }
            let before = growing.sum.bytes();
            if let Some(size) = self.entry.bytes
                && before >= size
            {
                return Ok(size);
            }
            let (failure, after) = match self.once(growing) {
                Ok(size) => return Ok(size),
                Err(Miss::Never(failure)) => return Err(failure),
                Err(Miss::Again(failure, after)) => (failure, after),
            };
            idle = if growing.sum.bytes() > before {
                1
            } else {
                idle + 1
            };
            if idle >= TRIES {
                return Err(failure);
            }
            wait(idle, after);
        }
        let message = format!("{} broke off {MAX_TRIES} times", self.entry.name);
        Err(Failure::new("download_broken", message))
    }

    /// One request, from where the file ends to its end.
    fn once(&self, growing: &mut Growing) -> Result<u64, Miss> {
        let from = growing.sum.bytes();
        let response = self.hub.file(self.commit, &self.entry.name, from)?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE
            || response.status() == StatusCode::PARTIAL_CONTENT
                && starts_at(&response) != Some(from)
        {
            self.restart(growing)?;
            let message = format!(
                "the hub cannot go on with {} at byte {from}",
                self.entry.name
            );
            return Err(Miss::Again(Failure::new("download_broken", message), None));
        }
        if response.status() == StatusCode::OK && from > 0 {
            self.restart(growing)?;
        }
        let length = response.body().content_length();
        let size = self
            .entry
            .bytes
            .or(length.map(|rest| growing.sum.bytes() + rest));
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Miss::Never(Failure::new(
                    "fetch_failed",
                    "another file went wrong",
                )));
            }
            let read = match body.read(&mut buffer) {
                Ok(read) => read,
                Err(error) => return Err(Miss::Again(self.hub.broken(&error), None)),
            };
            let have = growing.sum.bytes();
            if read == 0 {
                return match size {
                    Some(size) if have < size => {
                        let name = &self.entry.name;
                        let message = format!("{name} ended after {have} of {size} bytes");
                        Err(Miss::Again(
                            Failure::new("download_broken", message)
                                .hint("try again: what is there already is not fetched twice"),
                            None,
                        ))
                    }
                    Some(size) => Ok(size),
                    None => Ok(have),
                };
            }
            // More than there is must not fill the disk.
            let room = size.map_or(u64::MAX, |size| size - have.min(size));
            let kept = read.min(usize::try_from(room).unwrap_or(usize::MAX));
            growing.add(&buffer[..kept]).map_err(Miss::Never)?;
            self.progress.add(kept as u64);
            if kept < read {
                // A sum tells whether what was kept is the file; without one its size is wrong.
                let summed = self.entry.sha256.is_some() || self.entry.blob.is_some();
                let counted = if summed { kept } else { read };
                return Ok(have + counted as u64);
            }
        }
    }

    fn restart(&self, growing: &mut Growing) -> Result<(), Miss> {
        self.progress.take_back(growing.sum.bytes());
        growing.restart().map_err(Miss::Never)
    }
}

/// Where a part begins, from `bytes 5-9/10`.
fn starts_at(response: &Response<Body>) -> Option<u64> {
    let text = response
        .headers()
        .get(header::CONTENT_RANGE)?
        .to_str()
        .ok()?;
    let (first, _) = text.strip_prefix("bytes ")?.split_once('-')?;
    first.parse().ok()
}
