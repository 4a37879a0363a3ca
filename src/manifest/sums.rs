//! SHA256SUMS: the list that `sha256sum -c` checks in the manifest's folder, without lemctl.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::journal;
use crate::store::Folders;
use crate::units::Digest;

use super::types::MANIFEST_FILE;

/// Hashes by path below the campaign's results folder, plus the manifest's.
pub(super) fn render(
    folders: &Folders,
    manifest: Digest,
    results: &BTreeMap<String, Digest>,
) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{manifest}  {MANIFEST_FILE}");
    for (path, digest) in results {
        let _ = writeln!(text, "{digest}  {}{path}", prefix(folders));
    }
    text
}

/// The hash that a list gives for a path below the campaign's results folder.
pub(super) fn listed<'a>(folders: &Folders, list: &'a str, path: &str) -> Option<&'a str> {
    let end = format!("  {}{path}", prefix(folders));
    list.lines().find_map(|line| line.strip_suffix(&end))
}

/// From the manifest's folder to the results folder.
pub(super) fn prefix(folders: &Folders) -> String {
    format!("../../../results/{}/{}/", folders.campaign, folders.id)
}

/// Path of the journal in the list.
pub(super) fn journal_path() -> String {
    journal::FILE.to_owned()
}
