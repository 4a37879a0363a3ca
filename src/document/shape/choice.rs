//! `const`, `enum` and `oneOf`: the alternatives of an enum.

use serde_json::Value as Json;

use super::Shape;
use super::words::{article, is, list, types, words};
use crate::diagnostics::nearest;
use crate::document::{Node, Value};

impl<'a> Shape<'a> {
    pub(super) fn choice(&mut self, node: &Node, wanted: &[&Json], name: &str) -> Option<Json> {
        let value = node.to_json();
        if wanted.contains(&&value) {
            return Some(value);
        }
        let wanted: Vec<&str> = wanted.iter().filter_map(|value| value.as_str()).collect();
        let near = node
            .as_text()
            .and_then(|text| nearest(text, wanted.iter().copied()));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        let message = format!(
            "{name} takes {}, not {}",
            list(wanted.iter().map(|name| format!("`{name}`")), "or"),
            node.describe()
        );
        self.say(node.place, message, hint);
        None
    }

    /// The alternatives of an externally tagged enum: words, single-key maps, or plain types.
    pub(super) fn one_of(&mut self, node: &Node, schema: &'a Json, name: &str) -> Option<Json> {
        let mut branches = Vec::new();
        self.flatten(schema, &mut branches);
        let keyed = |branch: &&'a Json| {
            branch
                .get("required")
                .and_then(|keys| keys.get(0))
                .and_then(Json::as_str)
        };
        match &node.value {
            Value::Map(map) => {
                let tagged: Vec<(&str, &'a Json)> = branches
                    .iter()
                    .filter_map(|branch| Some((keyed(branch)?, *branch)))
                    .collect();
                if let Some((_, branch)) = tagged.iter().find(|(key, _)| map.get(key).is_some()) {
                    return self.check(node, branch, name);
                }
                if !tagged.is_empty() {
                    let (place, found) = match map.entries.first() {
                        Some(entry) => (entry.key_place, format!("`{}`", entry.key)),
                        None => (node.place, "an empty map".to_owned()),
                    };
                    let near = map
                        .entries
                        .first()
                        .and_then(|entry| nearest(&entry.key, tagged.iter().map(|(key, _)| *key)));
                    let keys = list(tagged.iter().map(|(key, _)| format!("`{key}`")), "or");
                    self.say(
                        place,
                        format!("{name} takes {keys}, not {found}"),
                        near.map(|near| format!("did you mean `{near}`?")),
                    );
                    return None;
                }
            }
            Value::Text(_) => {
                let known: Vec<&Json> = branches.iter().flat_map(|branch| words(branch)).collect();
                if branches.iter().all(|branch| !words(branch).is_empty()) {
                    return self.choice(node, &known, name);
                }
                if let Some(word) = known.iter().find(|word| word.as_str() == node.as_text()) {
                    return Some((*word).clone());
                }
            }
            _ => {}
        }
        if let Some(branch) = branches.iter().find(|branch| {
            words(branch).is_empty() && types(branch).iter().any(|wanted| is(node, wanted))
        }) {
            return self.check(node, branch, name);
        }
        let wanted = branches
            .iter()
            .flat_map(|branch| match (words(branch), keyed(branch)) {
                (words, _) if !words.is_empty() => words
                    .iter()
                    .filter_map(|word| Some(format!("`{}`", word.as_str()?)))
                    .collect(),
                (_, Some(key)) => vec![format!("`{{{key}: …}}`")],
                _ => types(branch).iter().map(|wanted| article(wanted)).collect(),
            });
        let wanted = list(wanted, "or");
        self.mismatch(node, &wanted, name)
    }

    fn flatten(&self, schema: &'a Json, branches: &mut Vec<&'a Json>) {
        match schema.get("oneOf") {
            Some(Json::Array(inner)) => inner
                .iter()
                .for_each(|branch| self.flatten(self.resolve(branch), branches)),
            _ => branches.push(schema),
        }
    }
}
