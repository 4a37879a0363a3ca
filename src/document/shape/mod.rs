//! A tree held against a JSON Schema: every mismatch, each at its place.
//!
//! Knows the part of JSON Schema (2020-12) that schemas derived from Rust types use; [`KEYWORDS`] lists
//! it. `pattern` is for editors: whoever reads the value checks it and says better what is wrong.

mod choice;
#[cfg(test)]
mod tests;
mod words;

use serde_json::{Map as JsonMap, Value as Json};

use super::{Map, Node, Value};
use crate::diagnostics::{Place, Problem, nearest};
use words::{article, is, list, types};

/// Every keyword that [`check`] understands or that only describes. A test holds schemas against it.
pub const KEYWORDS: &[&str] = &[
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "const",
    "default",
    "description",
    "enum",
    "exclusiveMinimum",
    "items",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
];

/// The value of `node`, if it fits `schema` (a whole schema, whose `$defs` are at its root).
///
/// What does not fit is told in `problems`. Optional keys whose values do not fit are left out of the
/// value, so that the rest of a file can still be looked at; a value that is wrong in itself is `None`.
pub fn check(node: &Node, schema: &Json, problems: &mut Vec<Problem>) -> Option<Json> {
    Shape {
        root: schema,
        problems,
    }
    .check(node, schema, "the file")
}

/// Booleans of YAML 1.1, which are texts since 1.2.
const YAML_1_1: [&str; 4] = ["yes", "no", "on", "off"];

struct Shape<'a> {
    root: &'a Json,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Shape<'a> {
    fn say(&mut self, place: Place, message: String, hint: Option<String>) {
        self.problems.push(Problem {
            place,
            message,
            hint,
        });
    }

    fn resolve(&self, mut schema: &'a Json) -> &'a Json {
        // A chain of references is as long as the nesting of the Rust types: short, and never a cycle.
        for _ in 0..16 {
            match schema
                .get("$ref")
                .and_then(Json::as_str)
                .and_then(|name| name.strip_prefix('#'))
            {
                Some(pointer) => schema = self.root.pointer(pointer).unwrap_or(&Json::Null),
                None => break,
            }
        }
        schema
    }

    fn check(&mut self, node: &Node, schema: &'a Json, name: &str) -> Option<Json> {
        let schema = self.resolve(schema);
        if schema.get("oneOf").is_some() {
            return self.one_of(node, schema, name);
        }
        if let Some(wanted) = schema.get("const") {
            return self.choice(node, &[wanted], name);
        }
        if let Some(Json::Array(wanted)) = schema.get("enum") {
            return self.choice(node, &wanted.iter().collect::<Vec<_>>(), name);
        }
        let types = types(schema);
        if !types.is_empty() && !types.iter().any(|wanted| is(node, wanted)) {
            return self.mismatch(
                node,
                &list(types.iter().map(|wanted| article(wanted)), "or"),
                name,
            );
        }
        match &node.value {
            Value::Map(map) => self.map(map, node.place, schema, name),
            Value::List(items) => self.list(items, node.place, schema, name),
            Value::Text(text) => self.text(text, node, schema, name),
            Value::Integer(value) => self.number(*value as f64, node, schema, name),
            Value::Number(value) => self.number(*value, node, schema, name),
            Value::Null | Value::Boolean(_) => Some(node.to_json()),
        }
    }

    fn mismatch(&mut self, node: &Node, wanted: &str, name: &str) -> Option<Json> {
        let message = match node.value {
            Value::Null => format!("{name} has no value; it takes {wanted}"),
            _ => format!("{name} takes {wanted}, not {}", node.describe()),
        };
        let hint = match &node.value {
            Value::Null => Some("give it a value, or remove the key".to_owned()),
            Value::Number(value) if wanted == "an integer" && value.fract() == 0.0 => {
                Some(format!("write {value}"))
            }
            Value::Text(text) if wanted == "a boolean" && YAML_1_1.contains(&text.as_str()) => {
                Some("write true or false".to_owned())
            }
            Value::Text(text)
                if matches!(wanted, "an integer" | "a number") && text.parse::<f64>().is_ok() =>
            {
                Some("remove the quotes".to_owned())
            }
            _ => None,
        };
        self.say(node.place, message, hint);
        None
    }

    fn map(&mut self, map: &Map, place: Place, schema: &'a Json, name: &str) -> Option<Json> {
        let none = JsonMap::new();
        let properties = schema.get("properties").and_then(Json::as_object);
        let known: Vec<&str> = properties
            .unwrap_or(&none)
            .keys()
            .map(String::as_str)
            .collect();
        let mut value = JsonMap::new();
        for entry in &map.entries {
            let schema = match (
                properties.and_then(|properties| properties.get(&entry.key)),
                schema.get("additionalProperties"),
            ) {
                (Some(schema), _) => schema,
                (None, None | Some(Json::Bool(true))) => {
                    value.insert(entry.key.clone(), entry.node.to_json());
                    continue;
                }
                (None, Some(Json::Bool(false))) => {
                    self.unknown(entry.key_place, &entry.key, &known, name);
                    continue;
                }
                (None, Some(schema)) => schema,
            };
            if let Some(part) = self.check(&entry.node, schema, &format!("`{}`", entry.key)) {
                value.insert(entry.key.clone(), part);
            }
        }
        if let Some(least) = schema.get("minProperties").and_then(Json::as_u64)
            && (map.entries.len() as u64) < least
        {
            self.say(place, format!("{name} is empty"), None);
            return None;
        }
        let mut whole = true;
        for key in schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
        {
            whole &= value.contains_key(key);
            if map.get(key).is_none() {
                let doc = properties
                    .and_then(|properties| properties.get(key)?.get("description")?.as_str());
                self.say(
                    place,
                    format!("{name} lacks the key `{key}`"),
                    doc.map(|doc| format!("`{key}`: {doc}")),
                );
            }
        }
        // The file itself is looked at part by part, so what is there of it is of use.
        (whole || std::ptr::eq(schema, self.root)).then_some(Json::Object(value))
    }

    fn unknown(&mut self, place: Place, key: &str, known: &[&str], name: &str) {
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        self.say(place, format!("unknown key `{key}` in {name}"), Some(hint));
    }

    fn list(&mut self, items: &[Node], place: Place, schema: &'a Json, name: &str) -> Option<Json> {
        if let Some(least) = schema.get("minItems").and_then(Json::as_u64)
            && (items.len() as u64) < least
        {
            self.say(
                place,
                format!("{name} is empty"),
                Some("give it an item, or remove the key".to_owned()),
            );
            return None;
        }
        let item_name = format!("an item of {name}");
        let unique = schema.get("uniqueItems") == Some(&Json::Bool(true));
        let mut values: Vec<Option<Json>> = Vec::new();
        for item in items {
            let value = match schema.get("items") {
                Some(schema) => self.check(item, schema, &item_name),
                None => Some(item.to_json()),
            };
            if unique && value.is_some() && values.len() < 1000 && values.contains(&value) {
                self.say(
                    item.place,
                    format!("{} stands twice in {name}", item.describe()),
                    None,
                );
            }
            values.push(value);
        }
        values
            .into_iter()
            .collect::<Option<Vec<Json>>>()
            .map(Json::Array)
    }

    fn text(&mut self, text: &str, node: &Node, schema: &Json, name: &str) -> Option<Json> {
        let length = text.chars().count() as u64;
        let bound = |key: &str| schema.get(key).and_then(Json::as_u64);
        if bound("minLength").is_some_and(|least| length < least) {
            self.say(node.place, format!("{name} is empty"), None);
            return None;
        }
        if let Some(most) = bound("maxLength").filter(|most| length > *most) {
            self.say(
                node.place,
                format!("{name} has {length} characters; at most {most} are allowed"),
                None,
            );
            return None;
        }
        Some(Json::from(text))
    }

    fn number(&mut self, value: f64, node: &Node, schema: &Json, name: &str) -> Option<Json> {
        let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
        let above = bound("exclusiveMinimum")
            .filter(|bound| value <= *bound)
            .map(|bound| format!("it must be above {bound}"));
        let least = bound("minimum")
            .filter(|bound| value < *bound)
            .map(|bound| format!("it must be at least {bound}"));
        let most = bound("maximum")
            .filter(|bound| value > *bound)
            .map(|bound| format!("it must be at most {bound}"));
        match above.or(least).or(most) {
            Some(range) => {
                self.say(
                    node.place,
                    format!("{name} is {}; {range}", node.describe()),
                    None,
                );
                None
            }
            None => Some(node.to_json()),
        }
    }
}
