//! What a schema says, in words.

use serde_json::Value as Json;

use crate::document::{Node, Value};

pub(super) fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name.as_str()],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn words(schema: &Json) -> Vec<&Json> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(word), _) => vec![word],
        (None, Some(Json::Array(words))) => words.iter().collect(),
        _ => Vec::new(),
    }
}

pub(super) fn is(node: &Node, wanted: &str) -> bool {
    matches!(
        (&node.value, wanted),
        (Value::Null, "null")
            | (Value::Boolean(_), "boolean")
            | (Value::Integer(_), "integer" | "number")
            | (Value::Number(_), "number")
            | (Value::Text(_), "string")
            | (Value::List(_), "array")
            | (Value::Map(_), "object")
    )
}

pub(super) fn article(wanted: &str) -> String {
    match wanted {
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "a boolean",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
    .to_owned()
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn list(items: impl IntoIterator<Item = String>, last: &str) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    match (items.pop(), items.is_empty()) {
        (None, _) => String::new(),
        (Some(only), true) => only,
        (Some(end), false) => format!("{} {last} {end}", items.join(", ")),
    }
}
