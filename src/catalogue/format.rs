//! A catalogue file: read strictly, then checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::predicate::RESERVED;
use super::{
    Catalogue, CatalogueError, Equivalence, FACTS, Level, Parameter, Predicate, Rule, Vocabulary,
    VocabularySource,
};
use crate::units::Digest;

/// Layout of the file that this module reads.
const SCHEMA_VERSION: u32 = 1;
/// Largest catalogue, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
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

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Device {
    Cpu,
    Cuda,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExtra {
    name: String,
    level: Level,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: String,
    message: String,
    source: String,
    forbid: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEquivalence {
    id: String,
    message: String,
    source: String,
    when: Value,
    dead: Vec<String>,
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
        if text.len() > MAX_BYTES {
            return Err(malformed(format!(
                "it has {} bytes; at most {MAX_BYTES} are read",
                text.len()
            )));
        }
        let raw: Raw = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        Self::build(raw, Digest::of(text.as_bytes())).map_err(|detail| {
            CatalogueError::Inconsistent {
                file: name.to_owned(),
                detail,
            }
        })
    }

    fn build(raw: Raw, digest: Digest) -> Result<Self, String> {
        if raw.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "schema_version is {}; this lemctl reads {SCHEMA_VERSION}",
                raw.schema_version
            ));
        }
        check_name("backend", &raw.backend)?;
        check_name("version", &raw.version)?;
        if raw.simulated_gpus && raw.device == Device::Cuda {
            return Err("simulated_gpus is for a backend whose device is cpu".to_owned());
        }
        let mut catalogue = Self {
            backend: raw.backend,
            version: raw.version,
            digest,
            needs_gpu: raw.device == Device::Cuda,
            simulated_gpus: raw.simulated_gpus,
            entry_point: raw.entry_point,
            vocabulary: raw.vocabulary,
            parameters: BTreeMap::new(),
            extra: BTreeMap::new(),
            rules: Vec::new(),
            equivalences: Vec::new(),
        };
        for parameter in raw.parameters {
            check_name("parameter", &parameter.name)?;
            parameter.check()?;
            let name = parameter.name.clone();
            if catalogue
                .parameters
                .insert(name.clone(), parameter)
                .is_some()
            {
                return Err(format!("the parameter `{name}` stands twice"));
            }
        }
        for RawExtra { name, level } in raw.extra {
            check_name("extra", &name)?;
            if catalogue.parameters.contains_key(&name)
                || catalogue.extra.insert(name.clone(), level).is_some()
            {
                return Err(format!("the name `{name}` stands twice"));
            }
        }
        catalogue.vocabulary.check()?;
        if let VocabularySource::Parameter(name) = catalogue.vocabulary.source()
            && !catalogue.parameters.contains_key(name)
        {
            return Err(format!("vocabulary names the unknown parameter `{name}`"));
        }
        let mut ids = BTreeSet::new();
        for RawRule {
            id,
            message,
            source,
            forbid,
        } in raw.rules
        {
            let forbid = catalogue.predicate(&id, &forbid, &mut ids)?;
            catalogue.rules.push(Rule {
                id,
                message,
                source,
                forbid,
            });
        }
        for RawEquivalence {
            id,
            message,
            source,
            when,
            dead,
        } in raw.equivalences
        {
            let when = catalogue.predicate(&id, &when, &mut ids)?;
            if let Some(name) = when
                .names()
                .into_iter()
                .find(|name| !catalogue.parameters.contains_key(*name))
            {
                return Err(format!(
                    "{id}: an equivalence reads parameters only, not `{name}`"
                ));
            }
            for name in &dead {
                if !catalogue.parameters.contains_key(name) || when.names().contains(&name.as_str())
                {
                    return Err(format!("{id}: `{name}` cannot be dead"));
                }
            }
            catalogue.equivalences.push(Equivalence {
                id,
                message,
                source,
                when,
                dead,
            });
        }
        Ok(catalogue)
    }

    fn predicate(
        &self,
        id: &str,
        value: &Value,
        ids: &mut BTreeSet<String>,
    ) -> Result<Predicate, String> {
        check_name("id", id)?;
        if !ids.insert(id.to_owned()) {
            return Err(format!("the id `{id}` stands twice"));
        }
        let predicate = Predicate::parse(value).map_err(|flaws| {
            flaws.first().map_or(String::new(), |flaw| {
                format!("{id}: at {}: {}", flaw.path.join("."), flaw.message)
            })
        })?;
        let known = |name: &str| FACTS.contains(&name) || self.parameters.contains_key(name);
        match predicate.names().into_iter().find(|name| !known(name)) {
            Some(name) => Err(format!("{id}: unknown parameter or fact `{name}`")),
            None => Ok(predicate),
        }
    }
}

impl Parameter {
    fn check(&self) -> Result<(), String> {
        if RESERVED.contains(&self.name.as_str()) {
            return Err(format!(
                "`{}` means something in conditions; no parameter can have the name",
                self.name
            ));
        }
        for choice in &self.choices {
            if choice.is_object() || choice.is_array() || choice.is_null() {
                return Err(format!("`{}`: {choice} is not a single value", self.name));
            }
        }
        self.admit(&self.default)
            .map_err(|mismatch| format!("default of {}", mismatch.message))
    }
}

/// Names stand in file names, labels and reports.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    let good = !name.is_empty()
        && name.len() <= 80
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
        });
    if good {
        Ok(())
    } else {
        Err(format!(
            "{what} `{name}` is not made of a-z, 0-9, `.`, `_` and `-`"
        ))
    }
}
