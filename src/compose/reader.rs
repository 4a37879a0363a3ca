//! Reads typed values off the tree and collects what is wrong on the way.

use std::collections::BTreeMap;

use super::interpolate::interpolate;
use crate::diagnostics::{Problem, nearest};
use crate::document::{Entry, Map, Node, Value};

/// Keys that are left out of the subset for a reason worth telling.
const REFUSED: &[(&str, &str)] = &[
    ("privileged", "lemctl's containers are never privileged"),
    (
        "healthcheck",
        "a healthcheck is an exec, and would run in the middle of a measurement",
    ),
    ("build", "images are built by `lemctl images build`"),
    (
        "restart",
        "lemctl alone decides when a container starts again",
    ),
    ("cap_add", "lemctl's containers have no capabilities"),
    ("version", "Compose itself ignores it; leave it out"),
];

/// Collects problems, and knows the variables.
pub(super) struct Reader<'a> {
    pub variables: &'a BTreeMap<String, String>,
    pub problems: Vec<Problem>,
}

impl Reader<'_> {
    pub fn problem(&mut self, node: &Node, message: impl Into<String>) {
        self.problems.push(Problem::new(node.place, message));
    }

    fn mismatch<T>(&mut self, node: &Node, name: &str, wanted: &str) -> Option<T> {
        self.problem(
            node,
            format!("`{name}` takes {wanted}, not {}", node.describe()),
        );
        None
    }

    /// The map that `node` must be, and a problem for each key that is not known.
    pub fn map<'n>(&mut self, node: &'n Node, name: &str, known: &[&str]) -> Option<&'n Map> {
        let Some(map) = node.as_map() else {
            return self.mismatch(node, name, "a map");
        };
        for entry in map
            .entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()))
        {
            self.unknown(entry, name, known);
        }
        Some(map)
    }

    fn unknown(&mut self, entry: &Entry, name: &str, known: &[&str]) {
        let message = format!(
            "`{}` in `{name}` is not in the part of Compose that lemctl carries out",
            entry.key
        );
        let reason = REFUSED
            .iter()
            .find(|(key, _)| *key == entry.key)
            .map(|(_, reason)| (*reason).to_owned());
        let near = || {
            nearest(&entry.key, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
        };
        let hint = reason
            .or_else(near)
            .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
        self.problems
            .push(Problem::new(entry.key_place, message).hint(hint));
    }

    /// A text, its variables replaced. Integers are taken as they are written.
    pub fn text(&mut self, node: &Node, name: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => match interpolate(text, self.variables) {
                Ok(text) => Some(text),
                Err(message) => {
                    self.problem(node, format!("`{name}`: {message}"));
                    None
                }
            },
            Value::Integer(number) => Some(number.to_string()),
            _ => {
                let quoted = matches!(node.value, Value::Boolean(_) | Value::Number(_));
                let wanted = if quoted {
                    "a text (put it in quotes)"
                } else {
                    "a text"
                };
                self.mismatch(node, name, wanted)
            }
        }
    }

    /// A text that `read` understands. `wanted` says in a message what that is.
    pub fn parsed<T>(
        &mut self,
        node: &Node,
        name: &str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(node, name)?;
        let value = read(&text);
        if value.is_none() {
            self.problem(node, format!("`{name}` takes {wanted}, not `{text}`"));
        }
        value
    }

    pub fn integer(&mut self, node: &Node, name: &str) -> Option<i64> {
        self.parsed(node, name, "an integer", |text| text.parse().ok())
    }

    pub fn boolean(&mut self, node: &Node, name: &str) -> Option<bool> {
        match node.value {
            Value::Boolean(value) => Some(value),
            Value::Text(_) => self.parsed(node, name, "true or false", |text| text.parse().ok()),
            _ => self.mismatch(node, name, "true or false"),
        }
    }

    /// One of a few words.
    pub fn word(&mut self, node: &Node, name: &str, known: &[&str]) -> Option<String> {
        let text = self.text(node, name)?;
        if known.contains(&text.as_str()) {
            return Some(text);
        }
        self.problem(
            node,
            format!("`{name}` takes {}, not `{text}`", known.join(", ")),
        );
        None
    }

    /// A list of whatever `read` makes of its items.
    pub fn list<T>(
        &mut self,
        node: &Node,
        name: &str,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(items) = node.as_list() else {
            return self.mismatch(node, name, "a list");
        };
        Some(items.iter().filter_map(|item| read(self, item)).collect())
    }

    pub fn texts(&mut self, node: &Node, name: &str) -> Option<Vec<String>> {
        self.list(node, name, |reader, item| reader.text(item, name))
    }

    /// `{A: b}` or `[A=b]`. A key without a value would take it from the caller's shell: refused, since
    /// a container must not depend on who starts it.
    pub fn pairs(&mut self, node: &Node, name: &str) -> Option<BTreeMap<String, String>> {
        let mut pairs = BTreeMap::new();
        match &node.value {
            Value::Map(map) => {
                for entry in &map.entries {
                    let value = match entry.node.value {
                        Value::Null => self.valueless(&entry.node, name, &entry.key),
                        _ => self.text(&entry.node, &format!("{name}.{}", entry.key)),
                    };
                    if let Some(value) = value {
                        pairs.insert(entry.key.clone(), value);
                    }
                }
            }
            Value::List(items) => {
                for item in items {
                    let Some(text) = self.text(item, name) else {
                        continue;
                    };
                    match text.split_once('=') {
                        Some((key, value)) => drop(pairs.insert(key.to_owned(), value.to_owned())),
                        None => drop(self.valueless(item, name, &text)),
                    }
                }
            }
            _ => return self.mismatch(node, name, "a map or a list of `KEY=value`"),
        }
        Some(pairs)
    }

    fn valueless(&mut self, node: &Node, name: &str, key: &str) -> Option<String> {
        let hint = format!("write \"\" for nothing, or ${{{key}:-}} to pass it on");
        self.problems
            .push(Problem::new(node.place, format!("`{name}.{key}` has no value")).hint(hint));
        None
    }
}
