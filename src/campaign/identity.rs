//! What makes an experiment the same experiment: its canonical form and the hashes of it, and a name that
//! people can read.

use std::collections::{BTreeMap, HashMap};

use lem_protocol::{Arrival, Model, Parameters};
use serde_json::{Value, json};

use super::policy::{BaselinePolicy, WarmupPolicy};
use super::workload::Workload;
use crate::catalogue::Catalogue;
use crate::units::Digest;

/// Layout of the canonical form. A change of it changes every hash, so it is part of them.
const FORM: u32 = 1;

/// What was asked of an experiment, all of it and nothing else: this is what is hashed.
pub(super) fn canonical(
    catalogue: &Catalogue,
    parameters: (&Parameters, &Parameters),
    model: &Model,
    workload: &Workload,
    policies: (&WarmupPolicy, BaselinePolicy),
) -> Value {
    let (engine, request) = parameters;
    let (warmup, baseline) = policies;
    json!({
        "form": FORM,
        "backend": backend(catalogue),
        "engine": engine,
        "request": request,
        "model": model,
        "workload": {
            "digest": workload.digest,
            "arrival": arrival(workload.arrival),
            "measure": workload.measure,
        },
        // A warm-up that is off is one thing, whatever else is written beside it.
        "warmup": if warmup.enabled { json!(warmup) } else { json!({ "enabled": false }) },
        "baseline": baseline,
    })
}

/// Identity of an engine: runs with the same key can share a loaded one.
pub(super) fn engine_key(catalogue: &Catalogue, engine: &Parameters, model: &Model) -> Digest {
    Digest::of_canonical(&json!({
        "form": FORM,
        "backend": backend(catalogue),
        "engine": engine,
        "model": model,
    }))
}

fn backend(catalogue: &Catalogue) -> Value {
    json!({
        "name": catalogue.backend(),
        "version": catalogue.version(),
        "entry_point": catalogue.entry_point(),
    })
}

fn arrival(arrival: Arrival) -> Value {
    json!(arrival)
}

/// Longest id without the hash.
const READABLE: usize = 72;
/// Hex digits of the hash in an id; more where ids would be equal.
const DIGITS: [usize; 4] = [6, 12, 24, 64];

/// Readable, unique names: the backend, what varies, the beginning of the hash.
pub(super) fn ids<'a>(
    experiments: impl Iterator<Item = (&'a str, &'a BTreeMap<String, Value>, Digest)>,
) -> Vec<String> {
    let stems: Vec<(String, Digest)> = experiments
        .map(|(backend, varying, hash)| (stem(backend, varying), hash))
        .collect();
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

fn stem(backend: &str, varying: &BTreeMap<String, Value>) -> String {
    let mut stem = backend.to_owned();
    for (name, value) in varying {
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
    fn ids_are_readable_bounded_and_safe_in_paths() {
        let varying: BTreeMap<String, Value> = BTreeMap::from([
            ("batch_size".to_owned(), json!(4)),
            ("compile".to_owned(), json!(false)),
            ("dtype".to_owned(), json!("float32")),
            ("path".to_owned(), json!("../etc/ä")),
        ]);
        let hash = Digest::of(b"x");
        let ids = ids([("reference", &varying, hash)].into_iter());
        assert_eq!(
            ids,
            [format!(
                "reference-batch_size4-no_compile-float32-.._etc__-{}",
                hash.short(6)
            )]
        );
        let long: BTreeMap<String, Value> = (0..40)
            .map(|n| (format!("parameter{n}"), json!(n)))
            .collect();
        assert!(super::ids([("reference", &long, hash)].into_iter())[0].len() <= 80);
    }

    #[test]
    fn equal_stems_and_beginnings_of_hashes_still_give_unique_ids() {
        let mut bytes = *Digest::of(b"x").as_bytes();
        let first = Digest::from_bytes(bytes);
        bytes[31] ^= 1;
        let second = Digest::from_bytes(bytes);
        let varying = BTreeMap::new();
        let other = BTreeMap::from([("dtype".to_owned(), json!("float32"))]);
        let ids = ids([
            ("a", &varying, first),
            ("a", &varying, second),
            ("a", &other, first),
        ]
        .into_iter());
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[2], format!("a-float32-{}", first.short(6)));
    }
}
