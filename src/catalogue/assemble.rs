//! The parts of a catalogue, checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::predicate::RESERVED;
use super::{
    Catalogue, Entry, Equivalence, FACTS, Parameter, Predicate, Removed, Rule, Vocabulary,
    VocabularySource,
};
use crate::units::Digest;

/// What the texts of a catalogue say, whatever their format.
pub(super) struct Parts {
    pub backend: String,
    pub version: String,
    pub device: Device,
    pub simulated_gpus: bool,
    pub entry_point: String,
    pub vocabulary: Vocabulary,
    pub parameters: Vec<Parameter>,
    pub extra: Vec<Entry>,
    pub rules: Vec<RawRule>,
    pub equivalences: Vec<RawEquivalence>,
    pub exclusions: BTreeMap<String, String>,
    pub removed: Vec<Removed>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Device {
    Cpu,
    Cuda,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    id: String,
    message: String,
    source: String,
    forbid: Value,
    #[serde(default)]
    needs_package: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEquivalence {
    id: String,
    message: String,
    source: String,
    when: Value,
    dead: Vec<String>,
}

impl Catalogue {
    pub(super) fn assemble(raw: Parts, digest: Digest) -> Result<Self, String> {
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
            exclusions: raw.exclusions,
            removed: BTreeMap::new(),
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
        for entry in raw.extra {
            let name = entry.name.clone();
            check_name("extra", &name)?;
            if catalogue.parameters.contains_key(&name)
                || catalogue.extra.insert(name.clone(), entry).is_some()
            {
                return Err(format!("the name `{name}` stands twice"));
            }
        }
        for removed in raw.removed {
            let name = removed.name.clone();
            if catalogue.parameters.contains_key(&name)
                || catalogue.extra.contains_key(&name)
                || catalogue.exclusions.contains_key(&name)
            {
                return Err(format!("`{name}` is both removed and there"));
            }
            if catalogue.removed.insert(name.clone(), removed).is_some() {
                return Err(format!("`{name}` is removed twice"));
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
            needs_package,
        } in raw.rules
        {
            let message = match &needs_package {
                Some(package) => lacking(&message, package, &catalogue.backend),
                None => message,
            };
            let forbid = catalogue.predicate(&id, &forbid, &mut ids)?;
            catalogue.rules.push(Rule {
                id,
                message,
                source,
                forbid,
                needs_package,
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
                .find(|name| !catalogue.parameters.contains_key(*name) && !of_model(name))
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
pub(super) fn check_name(what: &str, name: &str) -> Result<(), String> {
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

/// Why an image cannot do something, and what makes it able to.
fn lacking(message: &str, package: &str, backend: &str) -> String {
    format!(
        "{message}, and the image has no `{package}`: add it to images/{backend}/requirements.in, make its lock and the image \
         anew, and take the rule out of the catalogue"
    )
}

/// A fact that is the same at every point of a campaign.
fn of_model(name: &str) -> bool {
    name.starts_with("model.") && FACTS.contains(&name)
}
