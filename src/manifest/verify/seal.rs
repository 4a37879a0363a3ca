//! The manifest and the journal, and whether one is sealed by the other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, FILE, FindingKind, RESTORE};
use crate::execution::{Event, Fingerprint};
use crate::journal::{Head, replay};
use crate::manifest::finding::later_version;
use crate::manifest::types::{MANIFEST_FILE, MANIFEST_SCHEMA_VERSION, Manifest};
use crate::units::Digest;

/// What the journal says of its seals, and of the files that it has had.
#[derive(Default)]
pub(super) struct Journal {
    /// Head before the last seal, and the manifest's hash in it.
    pub(super) last: Option<(Head, Digest)>,
    /// Events after the last seal.
    pub(super) after: u64,
    /// Hashes of every input it was ever planned from, and of attached scores.
    pub(super) inputs: BTreeSet<Digest>,
    /// Quality records, of those that were replaced as well.
    pub(super) records: BTreeSet<String>,
    /// Lives of lemctl.
    pub(super) sessions: u32,
    /// Whose journal it says to be.
    campaign: Option<(String, String)>,
}

impl Journal {
    fn take(&mut self, event: Event, before: Head) {
        self.after += 1;
        match event {
            Event::CampaignCreated(fingerprint) | Event::ChangesAccepted(fingerprint) => {
                self.planned(fingerprint);
            }
            Event::SessionStarted { .. } => self.sessions += 1,
            Event::QualityAssessed { assessed, .. } => {
                self.records.extend(assessed.file.map(|file| file.path));
            }
            Event::ScoresAttached { scores, .. } => {
                self.inputs.insert(scores.sha256);
            }
            Event::Sealed { manifest_sha256 } => {
                self.last = Some((before, manifest_sha256));
                self.after = 0;
            }
            _ => {}
        }
    }

    fn planned(&mut self, fingerprint: Fingerprint) {
        self.inputs.insert(fingerprint.file_sha256);
        self.inputs.extend(fingerprint.catalogues.values());
        self.inputs.extend(fingerprint.prompts.values());
        self.campaign
            .get_or_insert((fingerprint.campaign, fingerprint.id));
    }
}

impl Check<'_> {
    pub(super) fn manifest(&mut self) -> Option<(Manifest, Digest)> {
        let folder = self.folders.manifests();
        let bytes = self.read(&folder, MANIFEST_FILE)?;
        let path = folder.join(MANIFEST_FILE);
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest) => {
                let (name, id) = (&manifest.campaign.name, &manifest.campaign.id);
                if (name, id) != (&self.folders.campaign, &self.folders.id) {
                    let what = format!("it is the manifest of campaign {name} {id}");
                    self.found(FindingKind::Forged, &path, what);
                }
                Some((manifest, Digest::of(&bytes)))
            }
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

    pub(super) fn journal(&mut self) -> Option<Journal> {
        self.checked += 1;
        let results = self.folders.results();
        let path = self.journal_path();
        if !self.in_place(&results, FILE) {
            return None;
        }
        if !path.exists() {
            let what = match results.exists() {
                true => "no such file",
                false => "no such folder: the results did not come along",
            };
            self.found(FindingKind::Absent, &path, what);
            return None;
        }
        let mut journal = Journal::default();
        let replayed = replay(&results, |entry| {
            let before = Head {
                events: entry.seq - 1,
                sha256: entry.prev,
            };
            journal.take(entry.event, before);
            Ok(())
        });
        match replayed {
            Ok(replayed) if replayed.torn_bytes > 0 => {
                self.found(
                    FindingKind::Altered,
                    &path,
                    "its last line is torn, though it was sealed",
                );
                return None;
            }
            Ok(_) => {}
            Err(error) => {
                self.found(FindingKind::Altered, &path, error.to_string());
                return None;
            }
        }
        if let Some((name, id)) = &journal.campaign
            && (name, id) != (&self.folders.campaign, &self.folders.id)
        {
            let what = format!("it is the journal of campaign {name} {id}");
            self.found(FindingKind::Forged, &path, what);
            return None;
        }
        Some(journal)
    }

    /// The journal's last event must seal this manifest.
    pub(super) fn seal(&mut self, manifest: &Manifest, sha256: Digest, journal: &Journal) {
        let journal_path = self.journal_path();
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
    pub(super) fn configs(&mut self, manifest: &Manifest) {
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
}
