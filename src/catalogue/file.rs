//! A catalogue file: read strictly, then checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::predicate::RESERVED;
use super::{CatalogueError, Equivalence, Level, Parameter, Predicate, Rule};
use crate::units::Digest;

/// Layout of the file that this module reads.
const SCHEMA_VERSION: u32 = 1;
/// Largest catalogue, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The parameters of one backend at one pinned version.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    backend: String,
    version: String,
    digest: Digest,
    needs_gpu: bool,
    entry_point: String,
    vocabulary: Vocabulary,
    parameters: BTreeMap<String, Parameter>,
    extra: BTreeMap<String, Level>,
    rules: Vec<Rule>,
    equivalences: Vec<Equivalence>,
}

/// How a backend turns text into token ids.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// The parameter that holds the vocabulary's size.
    pub parameter: String,
    /// How text is tokenised, if it can be.
    #[serde(default)]
    pub tokenizer: Option<Tokenizer>,
}

/// The tokenizers lemctl can apply itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// One token per byte of UTF-8; its id is the byte.
    Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    schema_version: u32,
    backend: String,
    version: String,
    device: Device,
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

/// Names of facts about a point that are no parameters: rules and `exclude` may read them.
pub(crate) const FACTS: [&str; 10] = [
    "backend",
    "workload.arrival",
    "workload.concurrency",
    "workload.input_tokens",
    "workload.output_tokens",
    "workload.max_input_tokens",
    "workload.max_output_tokens",
    "workload.max_total_tokens",
    "workload.max_token_id",
    "workload.min_requests",
];

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
        let mut catalogue = Self {
            backend: raw.backend,
            version: raw.version,
            digest,
            needs_gpu: raw.device == Device::Cuda,
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
        if !catalogue
            .parameters
            .contains_key(&catalogue.vocabulary.parameter)
        {
            return Err(format!(
                "vocabulary names the unknown parameter `{}`",
                catalogue.vocabulary.parameter
            ));
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

    /// Name of the backend.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The pinned version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of the catalogue's text.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether the backend runs on GPUs.
    #[must_use]
    pub fn needs_gpu(&self) -> bool {
        self.needs_gpu
    }

    /// How the worker enters the engine: part of every experiment, since defaults depend on it.
    #[must_use]
    pub fn entry_point(&self) -> &str {
        &self.entry_point
    }

    /// How text becomes token ids.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The parameters by name.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Parameter> {
        &self.parameters
    }

    /// Further names that the backend takes through `extra`, unchecked in value.
    #[must_use]
    pub fn extra(&self) -> &BTreeMap<String, Level> {
        &self.extra
    }

    /// What it refuses.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What has no effect.
    #[must_use]
    pub fn equivalences(&self) -> &[Equivalence] {
        &self.equivalences
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = include_str!("../../catalogues/reference-0.1.0.json");

    /// The shipped catalogue with one edit.
    fn edited(edit: impl FnOnce(&mut Value)) -> Result<Catalogue, CatalogueError> {
        let mut value: Value = serde_json::from_str(TEXT).unwrap();
        edit(&mut value);
        Catalogue::parse("c.json", &value.to_string())
    }

    #[test]
    fn the_shipped_catalogue_is_of_the_workspace_version() {
        let catalogue = Catalogue::parse("c.json", TEXT).unwrap();
        assert_eq!(
            (catalogue.backend(), catalogue.version()),
            ("reference", env!("CARGO_PKG_VERSION"))
        );
        assert!(!catalogue.needs_gpu());
        assert_eq!(catalogue.digest(), &Digest::of(TEXT.as_bytes()));
    }

    #[test]
    fn every_bad_edit_is_refused_and_named() {
        type Edit = fn(&mut Value);
        let edits: [(&str, Edit); 14] = [
            ("unknown field `more`", |c| c["more"] = json!(1)),
            ("unknown field `defualt`", |c| {
                c["parameters"][0]["defualt"] = json!(1)
            }),
            ("schema_version is 2", |c| c["schema_version"] = json!(2)),
            ("`Reference` is not made of", |c| {
                c["backend"] = json!("Reference")
            }),
            ("`threads` stands twice", |c| {
                c["parameters"][1]["name"] = json!("threads")
            }),
            ("default of `threads`", |c| {
                c["parameters"][0]["default"] = json!(0)
            }),
            ("default of `dtype`", |c| {
                c["parameters"][1]["choices"] = json!(["int8"])
            }),
            ("`all` means something", |c| {
                c["parameters"][0]["name"] = json!("all")
            }),
            ("unknown parameter `vocab`", |c| {
                c["vocabulary"]["parameter"] = json!("vocab")
            }),
            ("unknown parameter or fact `heads`", |c| {
                c["rules"][0]["forbid"] = json!({"heads": 1})
            }),
            ("id `head-width-even` stands twice", |c| {
                c["rules"][0]["id"] = json!("head-width-even")
            }),
            ("at num_heads.gte", |c| {
                c["rules"][0]["forbid"] = json!({"num_heads": {"gte": 1}})
            }),
            ("`temperature` cannot be dead", |c| {
                c["equivalences"][0]["dead"] = json!(["temperature"])
            }),
            ("reads parameters only", |c| {
                c["equivalences"][0]["when"] = json!({"workload.concurrency": 1})
            }),
        ];
        for (message, edit) in edits {
            let error = edited(edit).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} lacks {message:?}");
        }
        assert!(matches!(
            Catalogue::parse("c.json", "{"),
            Err(CatalogueError::Malformed { .. })
        ));
    }

    #[test]
    fn backends_are_found_by_their_alias_and_held_once() {
        let catalogue = || edited(|c| c["backend"] = json!("pytorch")).unwrap();
        let catalogues = super::super::Catalogues::new([catalogue()]).unwrap();
        assert_eq!(catalogues.get("transformers").unwrap().backend(), "pytorch");
        assert!(catalogues.get("vllm").is_none());
        let twice = super::super::Catalogues::new([catalogue(), catalogue()]);
        assert!(matches!(twice, Err(CatalogueError::Duplicate { .. })));
    }
}
