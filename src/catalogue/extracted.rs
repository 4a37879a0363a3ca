//! An extraction: every parameter that an engine's source has, as `lem_extract` wrote it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::assemble::check_name;
use super::{CatalogueError, Entry};

/// Layout of the file that this module reads.
pub(super) const SCHEMA_VERSION: u32 = 2;
/// Largest file, in bytes.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// All parameters of one version of an engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extracted {
    schema_version: u32,
    /// The backend.
    pub backend: String,
    /// The version of its package.
    pub version: String,
    /// The package.
    pub package: String,
    /// Where the source came from.
    pub origin: BTreeMap<String, String>,
    /// The entries.
    pub parameters: Vec<Entry>,
}

impl Extracted {
    /// Reads an extraction; `file` is its name, for messages.
    ///
    /// # Errors
    /// The text is none, or a name stands twice.
    pub fn parse(file: &str, text: &str) -> Result<Self, CatalogueError> {
        let malformed = |detail: String| CatalogueError::Malformed {
            file: file.to_owned(),
            detail,
        };
        if text.len() > MAX_BYTES {
            let detail = format!("it has {} bytes; at most {MAX_BYTES} are read", text.len());
            return Err(malformed(detail));
        }
        let read: Self =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        read.check()
            .map_err(|detail| CatalogueError::Inconsistent {
                file: file.to_owned(),
                detail,
            })?;
        Ok(read)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "schema_version is {}; this lemctl reads {SCHEMA_VERSION}",
                self.schema_version
            ));
        }
        let mut seen = BTreeSet::new();
        for entry in &self.parameters {
            check_name("parameter", &entry.name)?;
            if !seen.insert(&entry.name) {
                return Err(format!("the name `{}` stands twice", entry.name));
            }
            if entry.kinds.is_empty() {
                return Err(format!("`{}` takes no kind of value", entry.name));
            }
        }
        Ok(())
    }
}
