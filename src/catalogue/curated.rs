//! What people wrote beside an extraction: the parameters that matter, and what the engine enforces.

use serde::Deserialize;
use serde_json::Value;

use super::assemble::{Device, RawEquivalence, RawRule};
use super::{Level, Removed, Vocabulary};

/// The text beside an extraction.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Curated {
    pub schema_version: u32,
    pub backend: String,
    pub version: String,
    pub device: Device,
    pub entry_point: String,
    pub vocabulary: Vocabulary,
    pub parameters: Vec<CuratedParameter>,
    pub exclusions: Vec<Exclusion>,
    pub rules: Vec<RawRule>,
    pub equivalences: Vec<RawEquivalence>,
    pub removed: Vec<Removed>,
}

/// A parameter that a grid can vary, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CuratedParameter {
    pub name: String,
    /// `Owner.member` of the extraction, or `worker`.
    pub from: String,
    pub level: Level,
    /// What it does, in one sentence of ours.
    pub doc: String,
    pub reason: String,
    #[serde(default, rename = "type")]
    pub kind: Option<Override>,
    #[serde(default)]
    pub default: Option<Override>,
    #[serde(default)]
    pub choices: Option<Override>,
    #[serde(default)]
    pub min: Option<Override>,
    #[serde(default)]
    pub max: Option<Override>,
}

/// A value that stands instead of the extraction's, and why it does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    pub value: Value,
    #[serde(default)]
    pub why: Option<String>,
}

/// Parameters that the engine has and campaigns may not set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exclusion {
    pub names: Vec<String>,
    pub reason: String,
}
