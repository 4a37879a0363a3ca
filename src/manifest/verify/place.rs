//! How a sealed file lies in its folder, whatever is in it: lemctl leaves plain files of one name that nobody else may
//! write, below plain folders.
//!
//! A link that leads to the right content is found all the same: what it leads to can be changed where nobody looks.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use camino::{Utf8Component, Utf8Path};

use super::Check;
use crate::manifest::finding::FindingKind;

/// Others may write it.
const OPEN: u32 = 0o002;
/// Execute and special bits: lemctl writes data.
const ODD: u32 = 0o7111;

/// What stands there, in words.
fn kind(found: &std::fs::Metadata) -> &'static str {
    let kind = found.file_type();
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_file() => "a file",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

impl Check<'_> {
    /// Looks at the way from `base` to a file. Gives whether what stands there can be read: what is not there is the
    /// reader's to tell.
    pub(super) fn in_place(&mut self, base: &Utf8Path, name: &str) -> bool {
        let plain = |part: Utf8Component<'_>| matches!(part, Utf8Component::Normal(_));
        if !Utf8Path::new(name).components().all(plain) {
            self.found(
                FindingKind::Altered,
                &base.join(name),
                "the manifest names a file outside of the campaign's folder",
            );
            return false;
        }
        let mut path = base.to_owned();
        let mut parts = Utf8Path::new(name).components().peekable();
        while let Some(part) = parts.next() {
            let folder = path.clone();
            path.push(part);
            // Not there, or not to be seen: whoever reads it says which.
            let Ok(found) = std::fs::symlink_metadata(&path) else {
                return true;
            };
            let last = parts.peek().is_none();
            if found.is_symlink() {
                return self.refuse(&path, "a symbolic link stands in its place");
            }
            match (last, found.is_dir(), found.is_file()) {
                (false, true, _) => continue,
                (true, _, true) => {}
                _ => return self.refuse(&path, &format!("{} stands in its place", kind(&found))),
            }
            self.names_and_mode(&path, &folder, &found);
        }
        true
    }

    fn refuse(&mut self, path: &Utf8Path, what: &str) -> bool {
        let results = self.folders.results();
        let input = path.starts_with(results.join("inputs"));
        match path.starts_with(&results) && path != self.journal_path() && !input {
            true => self.result(path, FindingKind::Altered, what.to_owned()),
            false => self.found(FindingKind::Altered, path, what),
        }
        false
    }

    fn names_and_mode(&mut self, path: &Utf8Path, folder: &Utf8Path, found: &std::fs::Metadata) {
        if found.nlink() != 1 {
            let what = format!(
                "it has {} names: what is written under another one changes it",
                found.nlink()
            );
            let fix = "make it a file of its own: cp -p it beside itself and mv the copy over it";
            self.fixable(FindingKind::Altered, path, what, fix.to_owned());
        }
        // A file system without modes shows the same for everything, its folders among it: nothing can be told there.
        let tells = std::fs::symlink_metadata(folder).is_ok_and(|above| above.mode() & OPEN == 0);
        if tells && found.mode() & (OPEN | ODD) != 0 {
            let what = format!("its mode is {:o}, lemctl leaves 644", found.mode() & 0o7777);
            let fix = "chmod 644 it, once you know who opened it".to_owned();
            self.fixable(FindingKind::Altered, path, what, fix);
        }
    }
}
