//! What the Engine says of a container, in a form that can be compared.

use std::collections::{BTreeMap, BTreeSet};

use bollard::Docker;
use serde_json::Value;

pub async fn inspected(docker: &Docker, id: &str) -> Value {
    let answer = docker
        .inspect_container(id, None)
        .await
        .expect("the container is there");
    serde_json::to_value(answer).expect("what came as JSON goes as JSON")
}

/// What an Engine may write in several ways, in one way.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(false) => Value::Null,
        Value::Number(number) if number.as_i64() == Some(0) => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), plain(value)));
            let said: serde_json::Map<_, _> =
                fields.filter(|(_, value)| !value.is_null()).collect();
            match said.is_empty() {
                true => Value::Null,
                false => Value::Object(said),
            }
        }
        other => other.clone(),
    }
}

/// `HostConfig.PidsLimit` and the like for every field of both objects that differs.
pub fn differing(left: &Value, right: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for part in ["Config", "HostConfig"] {
        let keys = [left, right]
            .into_iter()
            .filter_map(|side| side[part].as_object())
            .flat_map(|object| object.keys());
        for key in keys {
            if plain(&left[part][key]) != plain(&right[part][key]) {
                fields.insert(format!("{part}.{key}"));
            }
        }
    }
    fields
}

/// Path → (source, type, writable) of everything that is mounted, as the Engine sees it.
pub fn mounted(inspect: &Value) -> BTreeMap<String, (String, String, bool)> {
    let mounts = inspect["Mounts"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    mounts
        .iter()
        .map(|mount| {
            // A volume is known by its name; where the Engine keeps it is its own affair.
            let source = match mount["Type"] == "volume" {
                true => &mount["Name"],
                false => &mount["Source"],
            };
            let entry = (text(source), text(&mount["Type"]), mount["RW"] == true);
            (text(&mount["Destination"]), entry)
        })
        .collect()
}

pub fn at<'v>(inspect: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(inspect, |value, key| &value[key])
}
