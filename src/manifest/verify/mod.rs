//! Verifying: does a sealed campaign's folder still hold what was sealed, and nothing else? Names each file and what
//! became of it. What no hash can tell is held against the journal: see [`retold`].

mod extra;
mod files;
mod place;
mod retold;
mod seal;
mod sums;

use camino::Utf8Path;

use super::finding::{Finding, FindingKind, RESTORE, Verification};
use super::seal::MAX_FILE_BYTES;
use crate::campaign::Campaign;
use crate::execution::State;
use crate::journal::FILE;
use crate::store::{Folders, StoreError, read_regular};

/// Verifies a sealed campaign by its files. Every file is looked at, whatever was found before.
#[must_use]
pub fn verify(folders: &Folders) -> Verification {
    let mut check = Check::new(folders);
    let manifest = check.manifest();
    let journal = check.journal();
    let unsealed = |journal: &seal::Journal| journal.last.is_none();
    match manifest.is_none() {
        true if journal.as_ref().is_some_and(unsealed) => check.never_sealed(),
        true => check.sums_alone(),
        false => {}
    }
    if let (Some((manifest, sha256)), Some(journal)) = (&manifest, &journal) {
        check.seal(manifest, *sha256, journal);
    }
    if let Some((manifest, sha256)) = &manifest {
        check.configs(manifest);
        let files = check.files(manifest);
        check.extra(manifest, journal.as_ref(), &files);
        check.sums(*sha256, files);
    }
    Verification {
        campaign: folders.campaign.clone(),
        id: folders.id.clone(),
        manifest_sha256: manifest.map(|(_, sha256)| sha256),
        checked: check.checked,
        not_compared: None,
        findings: check.findings,
    }
}

/// Goes on where [`verify`] found nothing: holds the manifest's own words against what the journal tells. `campaign` and
/// `state` are those of its replay.
#[must_use]
pub fn compare(
    verification: Verification,
    folders: &Folders,
    campaign: &Campaign,
    state: &State,
) -> Verification {
    let mut check = Check::new(folders);
    if let Some((manifest, _)) = check.manifest() {
        check.retold(&manifest, campaign, state);
    }
    Verification {
        findings: check.findings,
        ..verification
    }
}

struct Check<'a> {
    folders: &'a Folders,
    checked: usize,
    findings: Vec<Finding>,
}

impl<'a> Check<'a> {
    fn new(folders: &'a Folders) -> Self {
        Self {
            folders,
            checked: 0,
            findings: Vec::new(),
        }
    }

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
        let finding = Finding {
            kind,
            path: self.shown(path),
            what: what.into(),
            fix,
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// A path as findings name it.
    fn shown(&self, path: &Utf8Path) -> String {
        path.strip_prefix(&self.folders.root)
            .unwrap_or(path)
            .to_string()
    }

    /// Whether something is wrong with that file already.
    fn is_found(&self, path: &Utf8Path) -> bool {
        let path = self.shown(path);
        self.findings.iter().any(|finding| finding.path == path)
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
        if self.is_found(path) {
            return;
        }
        let fix = format!(
            "{RESTORE}, or measure its run again: {} --retry lost",
            self.resume()
        );
        self.fixable(kind, path, what, fix);
    }

    /// The bytes of a file below `base`, if it is a plain one.
    fn read(&mut self, base: &Utf8Path, name: &str) -> Option<Vec<u8>> {
        self.checked += 1;
        if !self.in_place(base, name) {
            return None;
        }
        read_regular(&base.join(name), MAX_FILE_BYTES)
            .map_err(|error| self.unreadable(&error))
            .ok()
    }

    fn journal_path(&self) -> camino::Utf8PathBuf {
        self.folders.results().join(FILE)
    }
}
