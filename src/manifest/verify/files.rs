//! The files that a manifest cites: results with their records and readings, quality records, inputs.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use super::{Check, FindingKind};
use crate::execution::ResultFile;
use crate::manifest::READINGS_FILE;
use crate::manifest::cited::{check_file, check_result};
use crate::manifest::seal::SealError;
use crate::manifest::types::Manifest;
use crate::units::Digest;

impl Check<'_> {
    /// Checks results, records and inputs; gives their sealed hashes by path.
    pub(super) fn files(&mut self, manifest: &Manifest) -> BTreeMap<String, Digest> {
        let mut files = BTreeMap::new();
        let retired = manifest.retired.iter().flat_map(|run| &run.attempts);
        let attempts = manifest
            .runs
            .iter()
            .flat_map(|run| &run.attempts)
            .chain(retired);
        let cited: BTreeSet<&ResultFile> = attempts
            .filter_map(|attempt| attempt.result.as_ref())
            .chain(manifest.runs.iter().filter_map(|run| run.result.as_ref()))
            .collect();
        let records = manifest
            .experiments
            .iter()
            .filter_map(|experiment| experiment.quality_record.as_ref())
            .map(|record| (record, false));
        for (cited, result) in cited.into_iter().map(|cited| (cited, true)).chain(records) {
            files.insert(cited.path.clone(), cited.sha256);
            files.extend(self.cited(cited, result));
        }
        for digest in inputs(manifest) {
            let name = format!("inputs/{digest}");
            self.input(&name, digest);
            files.insert(name, digest);
        }
        files
    }

    /// A cited file, and those that it names if it is a result.
    fn cited(&mut self, cited: &ResultFile, result: bool) -> Vec<(String, Digest)> {
        self.checked += 1;
        let results = self.folders.results();
        self.in_place(&results, &cited.path);
        let checked = match result {
            true => check_result(self.folders, cited),
            false => check_file(self.folders, cited).map(|_| Vec::new()),
        };
        let folder = Utf8Path::new(&cited.path).parent();
        for name in [lem_protocol::RECORD_FILE, READINGS_FILE] {
            let beside = folder.map(|folder| folder.join(name));
            if let Some(beside) = beside.filter(|beside| result && results.join(beside).exists()) {
                self.in_place(&results, beside.as_str());
            }
        }
        match checked {
            Ok(named) => {
                self.checked += named.len();
                return named;
            }
            Err(SealError::Altered { path }) => {
                let what = "its SHA-256 is not the sealed one".to_owned();
                self.result(&path, FindingKind::Altered, what);
            }
            Err(SealError::Store(error)) => match error.source.kind() {
                std::io::ErrorKind::PermissionDenied => self.unreadable(&error),
                std::io::ErrorKind::NotFound => {
                    self.result(&error.path, FindingKind::Absent, error.source.to_string());
                }
                _ => self.result(&error.path, FindingKind::Altered, error.source.to_string()),
            },
            // check_result gives no other error.
            Err(_) => {}
        }
        Vec::new()
    }

    /// An input lies under its own hash.
    fn input(&mut self, name: &str, digest: Digest) {
        let results = self.folders.results();
        if let Some(bytes) = self.read(&results, name)
            && Digest::of(&bytes) != digest
        {
            self.found(
                FindingKind::Altered,
                &results.join(name),
                "its SHA-256 is not the one in its name",
            );
        }
    }
}

/// Hashes of what a campaign was planned from, and of the scores attached to it.
fn inputs(manifest: &Manifest) -> impl Iterator<Item = Digest> {
    let campaign = &manifest.campaign;
    let planned = campaign
        .catalogues
        .values()
        .chain(campaign.prompts.values());
    let experiments = manifest.experiments.iter();
    let scores = experiments.flat_map(|experiment| &experiment.scores);
    planned
        .copied()
        .chain([campaign.file_sha256])
        .chain(scores.map(|scores| scores.sha256))
}
