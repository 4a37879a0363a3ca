//! Verifying: does a sealed campaign's folder still hold what was sealed? Tells absent from altered
//! and names each file.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use super::finding::{Finding, FindingKind, RESTORE, Verification, later_version};
use super::seal::{MAX_FILE_BYTES, SealError, check_file, check_result};
use super::sums;
use super::types::{MANIFEST_FILE, MANIFEST_SCHEMA_VERSION, Manifest, SUMS_FILE};
use crate::execution::{Event, ResultFile};
use crate::journal::{Head, replay};
use crate::store::{Folders, StoreError, read_bounded};
use crate::units::Digest;

/// Verifies a sealed campaign. Every file is looked at, whatever was found before.
#[must_use]
pub fn verify(folders: &Folders) -> Verification {
    let mut check = Check {
        folders,
        checked: 0,
        findings: Vec::new(),
    };
    let manifest = check.manifest();
    let journal = check.journal();
    if manifest.is_none()
        && journal
            .as_ref()
            .is_some_and(|journal| journal.last.is_none())
    {
        check.never_sealed();
    }
    if let (Some((manifest, sha256)), Some(journal)) = (&manifest, &journal) {
        check.seal(manifest, *sha256, journal);
    }
    if let Some((manifest, sha256)) = &manifest {
        check.configs(manifest);
        let files = check.files(manifest);
        check.sums(*sha256, files);
    }
    Verification {
        campaign: folders.campaign.clone(),
        id: folders.id.clone(),
        manifest_sha256: manifest.map(|(_, sha256)| sha256),
        checked: check.checked,
        findings: check.findings,
    }
}

/// What the journal says of its seals.
struct Sealed {
    /// Head before the last seal, and the manifest's hash in it.
    last: Option<(Head, Digest)>,
    /// Events after the last seal.
    after: u64,
}

struct Check<'a> {
    folders: &'a Folders,
    checked: usize,
    findings: Vec<Finding>,
}

impl Check<'_> {
    /// A file that only a copy can bring back.
    fn found(&mut self, kind: FindingKind, path: &Utf8Path, what: impl Into<String>) {
        self.fixable(kind, path, what, RESTORE.to_owned());
    }

    fn resume(&self) -> String {
        format!("lemctl campaign resume {}", self.folders.id)
    }

    /// Nothing was lost: there is no seal yet.
    fn never_sealed(&mut self) {
        let fix = format!(
            "the campaign is not sealed yet; finish it: {}",
            self.resume()
        );
        for finding in &mut self.findings {
            finding.fix.clone_from(&fix);
        }
    }

    fn fixable(
        &mut self,
        kind: FindingKind,
        path: &Utf8Path,
        what: impl Into<String>,
        fix: String,
    ) {
        let path = path
            .strip_prefix(&self.folders.root)
            .unwrap_or(path)
            .to_string();
        let finding = Finding {
            kind,
            path,
            what: what.into(),
            fix,
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn unreadable(&mut self, error: &StoreError) {
        let absent = error.source.kind() == std::io::ErrorKind::NotFound;
        let kind = if absent {
            FindingKind::Absent
        } else {
            FindingKind::Altered
        };
        let fix = match error.source.kind() {
            std::io::ErrorKind::PermissionDenied => "let this user read it".to_owned(),
            _ => RESTORE.to_owned(),
        };
        self.fixable(kind, &error.path, error.source.to_string(), fix);
    }

    /// A result or record: it can be measured again.
    fn result(&mut self, path: &Utf8Path, kind: FindingKind, what: String) {
        let fix = format!(
            "{RESTORE}, or measure its run again: {} --retry lost",
            self.resume()
        );
        self.fixable(kind, path, what, fix);
    }

    fn read(&mut self, path: &Utf8Path) -> Option<Vec<u8>> {
        self.checked += 1;
        read_bounded(path, MAX_FILE_BYTES)
            .map_err(|error| self.unreadable(&error))
            .ok()
    }

    fn manifest(&mut self) -> Option<(Manifest, Digest)> {
        let path = self.folders.manifests().join(MANIFEST_FILE);
        let bytes = self.read(&path)?;
        match serde_json::from_slice(&bytes) {
            Ok(manifest) => Some((manifest, Digest::of(&bytes))),
            Err(error) => {
                let what = format!("not a manifest: {error}");
                let fix = match later_version(&bytes) {
                    Some(version) => format!(
                        "its layout is version {version}, this lemctl reads up to {MANIFEST_SCHEMA_VERSION}: use the lemctl that sealed it"
                    ),
                    None => RESTORE.to_owned(),
                };
                self.fixable(FindingKind::Altered, &path, what, fix);
                None
            }
        }
    }

    fn journal(&mut self) -> Option<Sealed> {
        self.checked += 1;
        let results = self.folders.results();
        let path = results.join(crate::journal::FILE);
        if !path.exists() {
            self.found(FindingKind::Absent, &path, "no such file");
            return None;
        }
        let mut sealed = Sealed {
            last: None,
            after: 0,
        };
        let replayed = replay(&results, |entry| {
            sealed.after += 1;
            if let Event::Sealed { manifest_sha256 } = entry.event {
                let before = Head {
                    events: entry.seq - 1,
                    sha256: entry.prev,
                };
                sealed.last = Some((before, manifest_sha256));
                sealed.after = 0;
            }
            Ok(())
        });
        match replayed {
            Ok(replayed) if replayed.torn_bytes > 0 => {
                self.found(
                    FindingKind::Altered,
                    &path,
                    "its last line is torn, though it was sealed",
                );
                None
            }
            Ok(_) => Some(sealed),
            Err(error) => {
                self.found(FindingKind::Altered, &path, error.to_string());
                None
            }
        }
    }

    fn seal(&mut self, manifest: &Manifest, sha256: Digest, journal: &Sealed) {
        let journal_path = self.folders.results().join(crate::journal::FILE);
        let manifest_path = self.folders.manifests().join(MANIFEST_FILE);
        match journal.last {
            None => self.found(
                FindingKind::Altered,
                &journal_path,
                format!(
                    "it ends before the seal; the manifest counts {} events",
                    manifest.journal.events
                ),
            ),
            Some((_, sealed)) if sealed != sha256 => {
                let what = format!("its SHA-256 is {sha256}, the journal sealed {sealed}");
                self.found(FindingKind::Altered, &manifest_path, what);
            }
            Some((head, _)) if head != manifest.journal => {
                let what = format!(
                    "event {} with hash {} was sealed, the manifest names event {} with hash {}",
                    head.events, head.sha256, manifest.journal.events, manifest.journal.sha256
                );
                self.found(FindingKind::Altered, &journal_path, what);
            }
            Some(_) if journal.after > 0 => {
                let what = format!(
                    "{} events follow the seal: the campaign was reopened",
                    journal.after
                );
                let fix = format!("finish it, which seals it again: {}", self.resume());
                self.fixable(FindingKind::Altered, &journal_path, what, fix);
            }
            Some(_) => {}
        }
    }

    /// Configs are in the manifest itself: each must still have the hash it is known by.
    fn configs(&mut self, manifest: &Manifest) {
        let path = self.folders.manifests().join(MANIFEST_FILE);
        if Digest::of(manifest.campaign.file.as_bytes()) != manifest.campaign.file_sha256 {
            self.found(
                FindingKind::Altered,
                &path,
                "campaign.file does not have the hash in campaign.file_sha256",
            );
        }
        let mut hashes = BTreeMap::new();
        for experiment in &manifest.experiments {
            let hash = Digest::of_canonical(&experiment.config);
            if hash != experiment.hash {
                let what = format!(
                    "the config of experiment {} has hash {hash}, not {}",
                    experiment.id, experiment.hash
                );
                self.found(FindingKind::Altered, &path, what);
            }
            hashes.insert(experiment.id.as_str(), experiment.hash);
        }
        for run in &manifest.runs {
            if hashes.get(run.experiment.as_str()) != Some(&run.experiment_hash) {
                let what = format!(
                    "run {} names another experiment hash than its experiment",
                    run.run
                );
                self.found(FindingKind::Altered, &path, what);
            }
        }
    }

    /// Checks results, records and inputs; gives their sealed hashes by path.
    fn files(&mut self, manifest: &Manifest) -> BTreeMap<String, Digest> {
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
            self.checked += 1;
            files.insert(cited.path.clone(), cited.sha256);
            let checked = match result {
                true => check_result(self.folders, cited),
                false => check_file(self.folders, cited).map(|_| Vec::new()),
            };
            match checked {
                Ok(named) => {
                    self.checked += named.len();
                    files.extend(named);
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
        }
        let campaign = &manifest.campaign;
        let inputs = campaign
            .catalogues
            .values()
            .chain(campaign.prompts.values());
        let experiments = manifest.experiments.iter();
        let scores = experiments.flat_map(|experiment| &experiment.scores);
        let scores = scores.map(|scores| &scores.sha256);
        for digest in inputs.chain([&campaign.file_sha256]).chain(scores) {
            let path = format!("inputs/{digest}");
            let file = self.folders.results().join(&path);
            if let Some(bytes) = self.read(&file)
                && Digest::of(&bytes) != *digest
            {
                self.found(
                    FindingKind::Altered,
                    &file,
                    "its SHA-256 is not the one in its name",
                );
            }
            files.insert(path, *digest);
        }
        files
    }

    /// Every line of SHA256SUMS must be the one that belongs there.
    fn sums(&mut self, manifest: Digest, mut files: BTreeMap<String, Digest>) {
        let path = self.folders.manifests().join(SUMS_FILE);
        if !path.exists() {
            self.checked += 1;
            let fix = format!("have it written again: {}", self.resume());
            self.fixable(FindingKind::Absent, &path, "no such file", fix);
            return;
        }
        let Some(bytes) = self.read(&path) else {
            return;
        };
        let journal = self.folders.results().join(crate::journal::FILE);
        let journal_digest = read_bounded(&journal, MAX_FILE_BYTES)
            .ok()
            .map(|bytes| Digest::of(&bytes));
        if let Some(digest) = journal_digest {
            files.insert(sums::journal_path(), digest);
        }
        // A record whose result is altered has no sealed hash to compare with: its line is left alone.
        let want = sums::render(self.folders, manifest, &files);
        let want: BTreeSet<&str> = want.lines().collect();
        let text = String::from_utf8_lossy(&bytes);
        let have: BTreeSet<&str> = text.lines().collect();
        let damaged = !self.findings.is_empty();
        // The seal is the journal's last line: nothing after it holds its hash but this list.
        let listed = sums::listed(self.folders, &text, &sums::journal_path());
        if let (Some(listed), Some(digest)) = (listed, journal_digest)
            && listed != digest.to_string()
        {
            let what = format!("its SHA-256 is {digest}, {SUMS_FILE} says {listed}");
            self.found(FindingKind::Altered, &journal, what);
        }
        for line in want.difference(&have) {
            self.found(
                FindingKind::Altered,
                &path,
                format!("it lacks the line `{line}`"),
            );
        }
        for line in have.difference(&want).filter(|_| !damaged) {
            self.found(
                FindingKind::Altered,
                &path,
                format!("it has a foreign line `{line}`"),
            );
        }
    }
}
