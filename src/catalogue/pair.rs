//! Format 2: an extraction and the curated text beside it, joined into one text and merged.
//!
//! The joined text is what a campaign keeps of its catalogue: one text for each backend, as before.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::assemble::{Parts, check_name};
use super::curated::{Curated, CuratedParameter, Exclusion, Override};
use super::extracted::{MAX_BYTES, SCHEMA_VERSION};
use super::{CatalogueError, Entry, EntryKind, Extracted, Kind, Origin, Parameter};

/// What the name of a curated file ends with; before it stands what its extraction is called.
const CURATED: &str = ".curated.json";
/// The file that says which version of a backend is used unless a campaign says otherwise.
pub const PINS: &str = "pins.json";
/// What a parameter comes from that the worker brings itself.
const WORKER: &str = "worker";

/// An extraction and its curated text, in one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    schema_version: u32,
    extracted: Extracted,
    curated: Curated,
}

/// Puts pairs together: `x.json` and `x.curated.json` become the text of one catalogue, `x.json`. Other
/// files stay as they are.
///
/// # Errors
/// One of a pair is missing, or is not what its name says.
pub fn joined(files: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, CatalogueError> {
    let (curated, mut texts): (BTreeMap<_, _>, BTreeMap<_, _>) = files
        .into_iter()
        .partition(|(name, _)| name.ends_with(CURATED));
    for (name, curated) in curated {
        let extracted = name.replace(CURATED, ".json");
        let malformed = |file: &str, detail: String| CatalogueError::Malformed {
            file: format!("catalogues/{file}"),
            detail,
        };
        let Some(text) = texts.get_mut(&extracted) else {
            let detail = format!("there is no {extracted} beside it");
            return Err(malformed(&name, detail));
        };
        // Both again after they are joined, but here a flaw is told with its own file and line.
        Extracted::parse(&format!("catalogues/{extracted}"), text)?;
        if curated.len() > MAX_BYTES {
            return Err(malformed(
                &name,
                format!("it has more than {MAX_BYTES} bytes"),
            ));
        }
        serde_json::from_str::<Curated>(&curated)
            .map_err(|error| malformed(&name, error.to_string()))?;
        *text = format!(
            "{{\"schema_version\": 2, \"extracted\":\n{},\n\"curated\":\n{}}}\n",
            text.trim_end(),
            curated.trim_end()
        );
    }
    Ok(texts)
}

impl Pair {
    /// What the two texts say together.
    pub(super) fn merge(self) -> Result<Parts, String> {
        let (extracted, curated) = (self.extracted, self.curated);
        extracted.check()?;
        for found in [self.schema_version, curated.schema_version] {
            if found != SCHEMA_VERSION {
                return Err(format!("schema_version is {found}, not {SCHEMA_VERSION}"));
            }
        }
        if (&extracted.backend, &extracted.version) != (&curated.backend, &curated.version) {
            return Err(format!(
                "the curated text is for {} {}, the extraction is of {} {}",
                curated.backend, curated.version, extracted.backend, extracted.version
            ));
        }
        let mut entries: BTreeMap<String, Entry> = extracted
            .parameters
            .into_iter()
            .map(|entry| (entry.name.clone(), entry))
            .collect();
        let mut exclusions = BTreeMap::new();
        for Exclusion { names, reason } in curated.exclusions {
            for name in names {
                if entries.remove(&name).is_none() {
                    return Err(format!(
                        "exclusions name `{name}`, which the extraction does not have, or twice"
                    ));
                }
                exclusions.insert(name, reason.clone());
            }
        }
        let mut parameters = Vec::new();
        for parameter in curated.parameters {
            check_name("parameter", &parameter.name)?;
            let name = parameter.name.clone();
            if parameter.doc.is_empty() {
                return Err(format!("`{name}`: its `doc` is empty"));
            }
            let merged = if parameter.from == WORKER {
                if entries.contains_key(&name) || exclusions.contains_key(&name) {
                    return Err(format!("`{name}` is the engine's, not the worker's"));
                }
                own(parameter)
            } else {
                let entry = entries.remove(&name).ok_or_else(|| {
                    format!("the extraction has no `{name}`, or it stands twice or is excluded")
                })?;
                merged(parameter, entry)
            };
            parameters.push(merged.map_err(|detail| format!("`{name}`: {detail}"))?);
        }
        Ok(Parts {
            backend: curated.backend,
            version: curated.version,
            device: curated.device,
            simulated_gpus: false,
            entry_point: curated.entry_point,
            vocabulary: curated.vocabulary,
            parameters,
            extra: entries.into_values().collect(),
            rules: curated.rules,
            equivalences: curated.equivalences,
            exclusions,
            removed: curated.removed,
        })
    }
}

/// A parameter that the worker brings itself: the curated text says all of it.
fn own(curated: CuratedParameter) -> Result<Parameter, String> {
    let value = |given: Option<Override>| given.map(|given| given.value);
    let kind = value(curated.kind).ok_or("a parameter of the worker needs a `type`")?;
    let default = value(curated.default).ok_or("a parameter of the worker needs a `default`")?;
    Ok(Parameter {
        name: curated.name,
        kind: read(kind)?,
        nullable: default.is_null(),
        default,
        choices: value(curated.choices).map_or(Ok(Vec::new()), read)?,
        min: value(curated.min).map(read).transpose()?,
        max: value(curated.max).map(read).transpose()?,
        above: None,
        below: None,
        level: curated.level,
        doc: curated.doc,
        reason: curated.reason,
        origin: None,
        changed: BTreeMap::new(),
    })
}

/// A parameter of the engine: what its source says, with what the curated text changes.
fn merged(curated: CuratedParameter, entry: Entry) -> Result<Parameter, String> {
    let from = format!("{}.{}", entry.owner, entry.member);
    if from != curated.from {
        return Err(format!("it comes from {from}, not {}", curated.from));
    }
    if entry.level != curated.level {
        return Err("its level is another one in the extraction".to_owned());
    }
    let mut changed = BTreeMap::new();
    let mut take = |what: &str, given: Option<Override>| -> Result<Option<Value>, String> {
        let Some(Override { value, why }) = given else {
            return Ok(None);
        };
        let why = why.ok_or_else(|| format!("its {what} is changed without `why`"))?;
        changed.insert(what.to_owned(), why);
        Ok(Some(value))
    };
    let kind = match take("type", curated.kind)? {
        Some(kind) => read(kind)?,
        None => single_kind(&entry)?,
    };
    let default = match take("default", curated.default)? {
        Some(value) => value,
        None => entry.default.clone().map(one_spelling).ok_or_else(|| {
            format!(
                "its default is {}: the curated text has to say one",
                entry.default_text()
            )
        })?,
    };
    let choices: Vec<Value> = match take("choices", curated.choices)? {
        Some(choices) => read(choices)?,
        None if entry.choices.is_empty() => entry
            .choice_names
            .iter()
            .cloned()
            .map(Value::from)
            .collect(),
        None => entry.choices.clone(),
    };
    for choice in &choices {
        entry.admit(choice).map_err(|mismatch| mismatch.message)?;
        if !entry.known.is_empty() && !entry.known.contains(choice) {
            return Err(format!("its source names no choice {choice}"));
        }
    }
    let min = take("min", curated.min)?.map(read).transpose()?;
    let max = take("max", curated.max)?.map(read).transpose()?;
    Ok(Parameter {
        name: curated.name,
        kind,
        nullable: entry.is_nullable() || default.is_null(),
        default,
        choices,
        min: min.or(entry.bounds.ge),
        max: max.or(entry.bounds.le),
        above: entry.bounds.gt,
        below: entry.bounds.lt,
        level: curated.level,
        doc: curated.doc,
        reason: curated.reason,
        origin: Some(Origin { entry }),
        changed,
    })
}

fn single_kind(entry: &Entry) -> Result<Kind, String> {
    let kinds: Vec<EntryKind> = entry
        .kinds
        .iter()
        .copied()
        .filter(|kind| *kind != EntryKind::Null)
        .collect();
    match kinds.as_slice() {
        [EntryKind::Integer] => Ok(Kind::Integer),
        [EntryKind::Number]
        | [EntryKind::Integer, EntryKind::Number]
        | [EntryKind::Number, EntryKind::Integer] => Ok(Kind::Number),
        [EntryKind::String] => Ok(Kind::String),
        [EntryKind::Boolean] => Ok(Kind::Boolean),
        _ => Err(format!(
            "its type is `{}`: the curated text has to say which kind campaigns give",
            entry.type_text
        )),
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// `1.0` and `1` are one number: a default looks like the value that a campaign writes.
fn one_spelling(value: Value) -> Value {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() < 1e15 => {
            Value::from(number as i64)
        }
        _ => value,
    }
}
