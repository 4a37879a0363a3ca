//! SHA256SUMS: the list must say what the manifest and the journal say, no more and no less.
//!
//! It is the only place that knows the hash of the journal's last line, and of a record whose result is altered.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, FILE, FindingKind, MAX_FILE_BYTES};
use crate::manifest::sums::{journal_path, listed, prefix, render};
use crate::manifest::types::SUMS_FILE;
use crate::store::read_regular;
use crate::units::Digest;

impl Check<'_> {
    /// Every line must be the one that belongs there.
    pub(super) fn sums(&mut self, manifest: Digest, mut files: BTreeMap<String, Digest>) {
        let folder = self.folders.manifests();
        let path = folder.join(SUMS_FILE);
        if std::fs::symlink_metadata(&path).is_err() {
            self.checked += 1;
            let fix = format!("have it written again: {}", self.resume());
            self.fixable(FindingKind::Absent, &path, "no such file", fix);
            return;
        }
        let Some(bytes) = self.read(&folder, SUMS_FILE) else {
            return;
        };
        let results = self.folders.results();
        let journal = results.join(FILE);
        let journal_digest = read_regular(&journal, MAX_FILE_BYTES)
            .ok()
            .map(|bytes| Digest::of(&bytes));
        if let Some(digest) = journal_digest {
            files.insert(journal_path(), digest);
        }
        let want = render(self.folders, manifest, &files);
        let want: BTreeSet<&str> = want.lines().collect();
        let text = String::from_utf8_lossy(&bytes);
        let have: BTreeSet<&str> = text.lines().collect();
        let damaged = !self.findings.is_empty();
        // The seal is the journal's last line: nothing after it holds its hash but this list.
        let said = listed(self.folders, &text, &journal_path());
        if let (Some(said), Some(digest)) = (said, journal_digest)
            && said != digest.to_string()
        {
            let what = format!("its SHA-256 is {digest}, {SUMS_FILE} says {said}");
            self.found(FindingKind::Altered, &journal, what);
        }
        for line in want.difference(&have) {
            let what = format!("it lacks the line `{line}`");
            self.found(FindingKind::Altered, &path, what);
        }
        for line in have.difference(&want) {
            // A record whose result is altered is named by nothing but its line here.
            let known = self.unnamed(line, &files);
            if !(damaged && known) {
                let what = format!("it has a foreign line `{line}`");
                self.found(FindingKind::Altered, &path, what);
            }
        }
        if text.lines().count() != have.len() {
            self.found(FindingKind::Altered, &path, "it says a line twice");
        }
        if !text.is_empty() && !text.ends_with('\n') || text.contains('\r') {
            self.found(
                FindingKind::Altered,
                &path,
                "its line breaks are not those it was written with",
            );
        }
    }

    /// Where the manifest cannot be read, the list alone says what was sealed.
    pub(super) fn sums_alone(&mut self) {
        let folder = self.folders.manifests();
        let path = folder.join(SUMS_FILE);
        let Some(bytes) = self.read(&folder, SUMS_FILE) else {
            return;
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut foreign = text
            .lines()
            .filter(|line| !self.unnamed(line, &BTreeMap::new()))
            .count();
        foreign += usize::from(text.is_empty());
        if foreign > 0 {
            let what = format!("{foreign} of its lines name no file of this campaign");
            self.found(FindingKind::Altered, &path, what);
        }
    }

    /// Checks a file that the list names and no result does any more. Gives whether the line is of such a file.
    fn unnamed(&mut self, line: &str, files: &BTreeMap<String, Digest>) -> bool {
        let Some((sha256, path)) = line.split_once("  ") else {
            return false;
        };
        let Some(name) = path.strip_prefix(&prefix(self.folders)) else {
            return path == crate::manifest::MANIFEST_FILE;
        };
        if files.contains_key(name) || name == FILE {
            return true;
        }
        let results = self.folders.results();
        let file = results.join(name);
        if self.is_found(&file) || !self.in_place(&results, name) {
            return true;
        }
        self.checked += 1;
        match read_regular(&file, MAX_FILE_BYTES) {
            Ok(bytes) if Digest::of(&bytes).to_string() == sha256 => {}
            Ok(_) => {
                let what = format!("its SHA-256 is not the one in {SUMS_FILE}");
                self.result(&file, FindingKind::Altered, what);
            }
            Err(error) => self.unreadable(&error),
        }
        true
    }
}
