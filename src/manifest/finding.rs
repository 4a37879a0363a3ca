//! What a verification found: words for people and programs. Knows no files.

use serde::Serialize;

use super::types::MANIFEST_SCHEMA_VERSION;
use crate::units::Digest;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It is not there.
    Absent,
    /// It is not what was sealed, or does not lie there as lemctl leaves files.
    Altered,
    /// No seal names it.
    Extra,
    /// Its hashes fit, and it says something else than the rest of the folder.
    Forged,
}

impl FindingKind {
    /// The kind's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Altered => "altered",
            Self::Extra => "extra",
            Self::Forged => "forged",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How.
    pub kind: FindingKind,
    /// Path below the project root.
    pub path: String,
    /// What was found.
    pub what: String,
    /// What can be done about it.
    pub fix: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Name of the campaign.
    pub campaign: String,
    /// Its id.
    pub id: String,
    /// SHA-256 of the manifest as it is, if it is there.
    pub manifest_sha256: Option<Digest>,
    /// Files that were checked.
    pub checked: usize,
    /// Why the manifest was not held against what the journal tells, if it was not.
    pub not_compared: Option<String>,
    /// What is wrong; empty when all holds.
    pub findings: Vec<Finding>,
}

/// What can be done about a file that nothing else holds the content of.
pub(super) const RESTORE: &str = "restore it from a copy";

/// The version of a manifest's layout, if it is one that this lemctl does not know yet.
pub(super) fn later_version(bytes: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let version = value.get("schema_version")?.as_u64()?;
    (version > u64::from(MANIFEST_SCHEMA_VERSION)).then_some(version)
}
