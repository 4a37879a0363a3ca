//! A catalogue's text → its parts: one file written by hand, or an extraction joined with a curated text.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::assemble::{Device, Parts, RawEquivalence, RawRule};
use super::extracted::MAX_BYTES;
use super::pair::Pair;
use super::{
    Bounds, Catalogue, CatalogueError, Entry, EntryKind, Level, Parameter, Status, Vocabulary,
};
use crate::units::Digest;

/// Layout of a catalogue that is one file.
const SCHEMA_VERSION: u32 = 1;
/// Largest joined text, in bytes.
const MAX_JOINED: usize = 2 * MAX_BYTES + 1024;

#[derive(Deserialize)]
struct Layout {
    schema_version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[expect(dead_code, reason = "read before, as the layout")]
    schema_version: u32,
    backend: String,
    version: String,
    device: Device,
    #[serde(default)]
    simulated_gpus: bool,
    entry_point: String,
    vocabulary: Vocabulary,
    parameters: Vec<Parameter>,
    extra: Vec<RawExtra>,
    rules: Vec<RawRule>,
    equivalences: Vec<RawEquivalence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExtra {
    name: String,
    level: Level,
}

impl Catalogue {
    /// Reads a catalogue; `name` is the file's, for messages.
    ///
    /// # Errors
    /// The text is no catalogue, or an entry of it does not make sense.
    pub fn parse(name: &str, text: &str) -> Result<Self, CatalogueError> {
        let malformed = |detail: String| CatalogueError::Malformed {
            file: name.to_owned(),
            detail,
        };
        if text.len() > MAX_JOINED {
            return Err(malformed(format!(
                "it has {} bytes; at most {MAX_JOINED} are read",
                text.len()
            )));
        }
        let inconsistent = |detail: String| CatalogueError::Inconsistent {
            file: name.to_owned(),
            detail,
        };
        let told = |error: serde_json::Error| malformed(error.to_string());
        let layout: Layout = serde_json::from_str(text).map_err(told)?;
        let parts = match layout.schema_version {
            SCHEMA_VERSION => serde_json::from_str::<Raw>(text).map_err(told)?.parts(),
            super::extracted::SCHEMA_VERSION => {
                let pair: Pair = serde_json::from_str(text).map_err(|error| {
                    malformed(format!(
                        "{error} (an extraction needs the curated text beside it)"
                    ))
                })?;
                pair.merge()
                    .map_err(|detail| CatalogueError::Inconsistent {
                        // What does not fit is mended in what people wrote.
                        file: name.replace(".json", ".curated.json"),
                        detail,
                    })?
            }
            other => {
                return Err(inconsistent(format!(
                    "schema_version is {other}; this lemctl reads {SCHEMA_VERSION} and {}",
                    super::extracted::SCHEMA_VERSION
                )));
            }
        };
        Self::assemble(parts, Digest::of(text.as_bytes())).map_err(inconsistent)
    }
}

impl Raw {
    fn parts(self) -> Parts {
        Parts {
            backend: self.backend,
            version: self.version,
            device: self.device,
            simulated_gpus: self.simulated_gpus,
            entry_point: self.entry_point,
            vocabulary: self.vocabulary,
            parameters: self.parameters.into_iter().map(Parameter::whole).collect(),
            extra: self.extra.into_iter().map(RawExtra::entry).collect(),
            rules: self.rules,
            equivalences: self.equivalences,
            exclusions: BTreeMap::new(),
            removed: Vec::new(),
        }
    }
}

impl RawExtra {
    fn entry(self) -> Entry {
        Entry {
            owner: String::new(),
            member: self.name.clone(),
            name: self.name,
            level: self.level,
            type_text: String::new(),
            kinds: vec![EntryKind::Any],
            required: false,
            default: None,
            default_member: None,
            default_expression: None,
            choices: Vec::new(),
            choice_names: Vec::new(),
            known: Vec::new(),
            bounds: Bounds::default(),
            tags: Vec::new(),
            source: "the catalogue".to_owned(),
            status: Status::Transcribed,
        }
    }
}
