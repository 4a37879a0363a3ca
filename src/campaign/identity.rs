//! What makes an experiment the same experiment: its canonical form and the hashes of it, and a name that
//! people can read.

use std::collections::HashMap;

use lem_protocol::{Model, Parameters};
use serde_json::{Value, json};

use super::policy::{BaselinePolicy, EnergyPolicy, Profiler, WarmupPolicy};
use super::workload::Workload;
use crate::catalogue::Catalogue;
use crate::units::{Digest, canonical_json};

/// Layout of the canonical form. A change of it changes every hash, so it is part of them.
const FORM: u32 = 2;

/// What of the policies belongs to an experiment: how it is warmed up, how its idle power is taken, and under which
/// profiler it is measured.
pub(super) type Policies<'a> = (&'a WarmupPolicy, BaselinePolicy, &'a EnergyPolicy, Profiler);

/// What was asked of an experiment, all of it and nothing else: this is what is hashed.
pub(super) fn canonical(
    catalogue: &Catalogue,
    parameters: (&Parameters, &Parameters),
    model: &Model,
    workload: &Workload,
    policies: Policies<'_>,
) -> Value {
    let (engine, request) = parameters;
    form(
        catalogue,
        (json!(engine), json!(request)),
        model,
        workload.canonical(),
        policies,
    )
}

/// The canonical form of these parts.
fn form(
    catalogue: &Catalogue,
    parameters: (Value, Value),
    model: &Model,
    workload: Value,
    policies: Policies<'_>,
) -> Value {
    let (engine, request) = parameters;
    let (warmup, baseline, energy, profiler) = policies;
    let mut form = json!({
        "form": FORM,
        "backend": backend(catalogue),
        "engine": engine,
        "request": request,
        "model": model,
        "workload": workload,
        "warmup": warmup_form(warmup),
        "baseline": baseline_form(baseline, energy),
    });
    if profiler != Profiler::Off {
        form["profile"] = json!(profiler);
    }
    form
}

/// The canonical form as text, but for what differs between the points of a product. Its hash is that of
/// [`canonical`], at a tenth of the cost; a property test holds them against each other.
pub(super) struct Frame {
    /// Up to the engine's parameters, from there to the request's, and from there to the workload.
    parts: [String; 3],
    /// Around the engine's parameters alone.
    engine: [String; 2],
}

/// Stands in the frame where a text is put in; never part of a hash.
const GAP: &str = "\u{1}gap\u{1}";

impl Frame {
    pub fn new(catalogue: &Catalogue, model: &Model, policies: Policies<'_>) -> Self {
        let whole = form(
            catalogue,
            (json!(GAP), json!(GAP)),
            model,
            json!(GAP),
            policies,
        );
        let engine =
            json!({ "form": FORM, "backend": backend(catalogue), "engine": GAP, "model": model });
        let [start, middle, end, close] = split(&whole);
        // `workload` is the last key in order, so only the closing brace follows it.
        assert_eq!(close, "}", "the canonical form has a key after `workload`");
        Self {
            parts: [start, middle, end],
            engine: split(&engine),
        }
    }

    /// Hash of the experiment, from the canonical texts of its parts.
    pub fn hash(&self, engine: &str, request: &str, workload: &str) -> Digest {
        let [start, middle, end] = &self.parts;
        Digest::of(
            [start, engine, middle, request, end, workload, "}"]
                .concat()
                .as_bytes(),
        )
    }

    /// Identity of the engine: runs with the same key can share a loaded one.
    pub fn engine_key(&self, engine: &str) -> Digest {
        let [start, end] = &self.engine;
        Digest::of([start, engine, end].concat().as_bytes())
    }
}

/// The canonical text of a value, cut at its gaps.
fn split<const N: usize>(value: &Value) -> [String; N] {
    let text = String::from_utf8(canonical_json(value)).expect("JSON is UTF-8");
    let gap = String::from_utf8(canonical_json(&Value::from(GAP))).expect("JSON is UTF-8");
    let parts: Vec<String> = text.split(&gap).map(str::to_owned).collect();
    parts
        .try_into()
        .expect("the value has its gaps, and no user's text can hold a control character there")
}

/// A warm-up that is off is one thing, whatever else is written beside it.
fn warmup_form(warmup: &WarmupPolicy) -> Value {
    if warmup.enabled {
        json!(warmup)
    } else {
        json!({ "enabled": false })
    }
}

/// A baseline that is off has no seconds; how often power is read is no part of what was asked.
fn baseline_form(baseline: BaselinePolicy, energy: &EnergyPolicy) -> Value {
    if baseline == BaselinePolicy::Off {
        return json!({ "policy": baseline });
    }
    json!({
        "policy": baseline,
        "seconds": energy.baseline_seconds,
        "settle_seconds": energy.settle_seconds,
        "rewarm_seconds": energy.rewarm_seconds,
    })
}

fn backend(catalogue: &Catalogue) -> Value {
    json!({
        "name": catalogue.backend(),
        "version": catalogue.version(),
        "entry_point": catalogue.entry_point(),
    })
}

/// Longest id without the hash.
const READABLE: usize = 72;
/// Hex digits of the hash in an id; more where ids would be equal.
const DIGITS: [usize; 4] = [6, 12, 24, 64];

/// Unique names: a readable stem and the beginning of the hash, longer where names would be equal.
pub(super) fn ids(stems: &[(String, Digest)]) -> Vec<String> {
    let mut ids = vec![String::new(); stems.len()];
    let mut open: Vec<usize> = (0..stems.len()).collect();
    for digits in DIGITS {
        let mut holders: HashMap<String, u32> = HashMap::new();
        for index in &open {
            let (stem, hash) = &stems[*index];
            ids[*index] = format!("{stem}-{}", hash.short(digits));
            *holders.entry(ids[*index].clone()).or_default() += 1;
        }
        open.retain(|index| holders.get(&ids[*index]).is_some_and(|count| *count > 1));
    }
    ids
}

/// The readable part of an id: the backend and what tells the experiment from others, as far as it fits.
pub(super) fn stem<'a>(
    backend: &str,
    telling: impl Iterator<Item = (&'a str, &'a Value)>,
) -> String {
    let mut stem = backend.to_owned();
    for (name, value) in telling {
        let label = label(name, value);
        if stem.len() + 1 + label.len() > READABLE {
            break;
        }
        stem.push('-');
        stem.push_str(&label);
    }
    stem
}

/// `batch_size4`, `float32`, `no_compile`: a text stands for itself, anything else needs its name.
fn label(name: &str, value: &Value) -> String {
    let name = name.strip_prefix("workload.").unwrap_or(name);
    let label = match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => name.to_owned(),
        Value::Bool(false) | Value::Null => format!("no_{name}"),
        other => format!("{name}{other}"),
    };
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            c
        } else {
            '_'
        }
    };
    label.chars().map(safe).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_readable_bounded_and_safe_in_paths() {
        let telling = [
            ("batch_size", json!(4)),
            ("compile", json!(false)),
            ("dtype", json!("float32")),
            ("path", json!("../etc/ä")),
        ];
        let stem_of = |telling: &[(&str, Value)]| {
            stem(
                "reference",
                telling.iter().map(|(name, value)| (*name, value)),
            )
        };
        assert_eq!(
            stem_of(&telling),
            "reference-batch_size4-no_compile-float32-.._etc__"
        );
        let names: Vec<String> = (0..40).map(|number| format!("parameter{number}")).collect();
        let long: Vec<(&str, Value)> = names.iter().map(|name| (name.as_str(), json!(1))).collect();
        assert!(stem_of(&long).len() <= READABLE);
    }

    #[test]
    fn equal_stems_and_beginnings_of_hashes_still_give_unique_ids() {
        let mut bytes = *Digest::of(b"x").as_bytes();
        let first = Digest::from_bytes(bytes);
        bytes[31] ^= 1;
        let second = Digest::from_bytes(bytes);
        let ids = ids(&[
            ("a".to_owned(), first),
            ("a".to_owned(), second),
            ("a-float32".to_owned(), first),
        ]);
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[2], format!("a-float32-{}", first.short(6)));
    }
}
