//! `schemas/` holds what the types say. `UPDATE_SCHEMAS=1 cargo test --test schemas` rewrites it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![expect(
    clippy::disallowed_methods,
    reason = "the switch to rewrite is an environment variable"
)]

use std::path::Path;

use lem_protocol::{EventLine, QualityRecord, Record, RequestLine, WorkloadFile};
use lemctl::document::shape::KEYWORDS;
use lemctl::execution::Event;
use lemctl::manifest::{Manifest, RunResult};
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// Every schema with the name of its file.
fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("campaign", lemctl::campaign::schema().clone()),
        ("protocol-request", of::<RequestLine>()),
        ("protocol-event", of::<EventLine>()),
        ("workload", of::<WorkloadFile>()),
        ("record", of::<Record>()),
        ("quality", of::<QualityRecord>()),
        ("result", of::<RunResult>()),
        ("manifest", of::<Manifest>()),
        ("journal-event", of::<Event>()),
    ]
}

fn of<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}

#[test]
fn the_files_hold_what_the_types_say() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    for (name, schema) in schemas() {
        let path = Path::new("schemas").join(format!("{name}.schema.json"));
        let wanted = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if update {
            std::fs::write(&path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == wanted,
            "{} is stale: UPDATE_SCHEMAS=1 cargo test --test schemas",
            path.display()
        );
    }
}

/// lemctl checks files against the schema itself: a keyword that it did not know would be a rule that
/// editors apply and lemctl ignores.
#[test]
fn every_keyword_of_the_campaign_schema_is_understood() {
    fn walk(schema: &Value) {
        let Value::Object(map) = schema else { return };
        for (keyword, value) in map {
            assert!(
                KEYWORDS.contains(&keyword.as_str()),
                "unknown keyword {keyword}"
            );
            match keyword.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(walk),
                "oneOf" => value.as_array().unwrap().iter().for_each(walk),
                "items" | "additionalProperties" => walk(value),
                _ => {}
            }
        }
    }
    walk(lemctl::campaign::schema());
}

#[test]
fn every_key_of_the_campaign_file_is_explained() {
    fn walk(path: &str, schema: &Value) {
        for (key, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let explained = property.get("description").is_some()
                || property.get("$ref").is_some()
                || property.get("properties").is_some();
            assert!(explained, "{path}.{key} has no description");
        }
        for (name, definition) in schema
            .get("$defs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            walk(name, definition);
        }
    }
    walk("campaign", lemctl::campaign::schema());
}
