//! Files that no seal names: somebody put them there, or moved them.
//!
//! What lemctl leaves beside the sealed files is let pass: its lock, the workers' logs, what an attempt without a
//! result left, and inputs of an earlier form of the campaign.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::seal::Journal;
use super::{Check, FILE, FindingKind};
use crate::execution::Attempt;
use crate::manifest::types::{MANIFEST_FILE, Manifest, SUMS_FILE};
use crate::manifest::{READINGS_FILE, RESULT_FILE};
use crate::store::Folders;
use crate::units::Digest;

/// How deep files are looked for; lemctl's own lie three deep.
const DEPTH: usize = 8;
/// Most of them that are named one by one.
const NAMED: usize = 50;
/// Files of lemctl that are no part of a seal, and the folder of logs.
const OURS: [&str; 2] = [FILE, "lock"];
const LOGS: &str = "logs/";

impl Check<'_> {
    pub(super) fn extra(
        &mut self,
        manifest: &Manifest,
        journal: Option<&Journal>,
        files: &BTreeMap<String, Digest>,
    ) {
        let left = Left::by(manifest, journal);
        let results = self.folders.results();
        let sealed = |name: &str| {
            // Readings and records have no hash of their own once their result is altered; their list is checked next.
            let beside = name.rsplit_once('/').is_some_and(|(folder, file)| {
                let named = [lem_protocol::RECORD_FILE, READINGS_FILE].contains(&file);
                named && files.contains_key(&format!("{folder}/{RESULT_FILE}"))
            });
            files.contains_key(name) || beside || OURS.contains(&name)
        };
        let mut found = Vec::new();
        walk(&results, Utf8Path::new(""), 0, &mut |name| {
            if !sealed(name) && !name.starts_with(LOGS) && !left.may_be(name) {
                found.push(results.join(name));
            }
        });
        let manifests = self.folders.manifests();
        walk(&manifests, Utf8Path::new(""), 0, &mut |name| {
            if ![MANIFEST_FILE, SUMS_FILE].contains(&name) {
                found.push(manifests.join(name));
            }
        });
        found.retain(|path| !self.is_found(path));
        let more = found.len().saturating_sub(NAMED);
        found.sort();
        let fix = "see where it comes from, and move it out of the campaign's folder".to_owned();
        for path in found.iter().take(NAMED) {
            let what = "no seal names it";
            self.fixable(FindingKind::Extra, path, what, fix.clone());
        }
        if more > 0 {
            let what = format!("{more} more files that no seal names");
            self.fixable(FindingKind::Extra, &results, what, fix);
        }
    }
}

/// Files that lemctl may have left without sealing them.
struct Left<'a> {
    /// Folders of attempts without a result that counts.
    attempts: BTreeSet<String>,
    /// Folders of all attempts.
    all: BTreeSet<String>,
    journal: Option<&'a Journal>,
}

impl<'a> Left<'a> {
    fn by(manifest: &Manifest, journal: Option<&'a Journal>) -> Self {
        let folders = |run: &str, attempts: &[Attempt]| -> Vec<(bool, String)> {
            let numbers = attempts.iter().zip(1_u32..);
            numbers
                .map(|(attempt, number)| (attempt.result.is_none(), Folders::attempt(run, number)))
                .collect()
        };
        let runs = manifest.runs.iter().map(|run| (&run.run, &run.attempts));
        let retired = manifest.retired.iter().map(|run| (&run.run, &run.attempts));
        let all: Vec<(bool, String)> = runs
            .chain(retired)
            .flat_map(|(run, attempts)| folders(run, attempts))
            .collect();
        let without = all.iter().filter(|(without, _)| *without);
        Self {
            attempts: without.map(|(_, folder)| folder.clone()).collect(),
            all: all.into_iter().map(|(_, folder)| folder).collect(),
            journal,
        }
    }

    fn may_be(&self, name: &str) -> bool {
        let Some((folder, file)) = name.rsplit_once('/') else {
            return false;
        };
        let Some(journal) = self.journal else {
            return false;
        };
        let own = [
            RESULT_FILE,
            READINGS_FILE,
            lem_protocol::RECORD_FILE,
            lem_protocol::QUALITY_FILE,
        ];
        // A crash leaves a file under its temporary name.
        let begun = own.iter().any(|own| file.starts_with(own));
        if begun && self.attempts.contains(folder) {
            return true;
        }
        if folder == "inputs" {
            return journal.inputs.iter().any(|input| input.to_string() == file);
        }
        // An earlier record of an experiment's quality; or one that a session died before it could name.
        let quality = file == lem_protocol::QUALITY_FILE;
        let died_over = journal.sessions > 1 && self.all.contains(folder);
        quality && (journal.records.contains(name) || died_over)
    }
}

/// Every entry below a folder that is no folder, by its path from `base`. Links are entries: none is followed.
fn walk(base: &Utf8Path, below: &Utf8Path, depth: usize, each: &mut dyn FnMut(&str)) {
    let folder: Utf8PathBuf = base.join(below);
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        // A name that is not UTF-8 is none of lemctl's.
        let path = below.join(name.to_string_lossy().as_ref());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < DEPTH && name.to_str().is_some() {
            walk(base, &path, depth + 1, each);
        } else {
            each(path.as_str());
        }
    }
}
