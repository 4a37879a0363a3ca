//! JSON → a condition, with everything that is wrong with it.

use serde_json::{Map, Value};

use super::{Comparison, Flaw, Operand, Predicate};
use crate::diagnostics::nearest;

const COMPARISONS: [(&str, Comparison); 7] = [
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("lt", Comparison::Lt),
    ("le", Comparison::Le),
    ("gt", Comparison::Gt),
    ("ge", Comparison::Ge),
    ("divisible_by", Comparison::DivisibleBy),
];

/// Deepest nesting of `all`, `any` and `not`.
const MAX_DEPTH: usize = 48;

pub(super) struct Reader {
    path: Vec<String>,
    flaws: Vec<Flaw>,
}

impl Reader {
    pub fn read(value: &Value) -> (Predicate, Vec<Flaw>) {
        let mut reader = Self {
            path: Vec::new(),
            flaws: Vec::new(),
        };
        let predicate = reader.predicate(value);
        (predicate, reader.flaws)
    }

    /// A message that begins with `takes` gets what it is about before it.
    fn flaw(&mut self, message: impl Into<String>, hint: Option<String>) {
        let mut message: String = message.into();
        if message.starts_with("takes") {
            let subject = self
                .path
                .last()
                .map_or("a condition".to_owned(), |key| format!("`{key}`"));
            message = format!("{subject} {message}");
        }
        self.flaws.push(Flaw {
            path: self.path.clone(),
            message,
            hint,
        });
    }

    fn at<T>(&mut self, step: impl ToString, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.to_string());
        let read = read(self);
        self.path.pop();
        read
    }

    fn predicate(&mut self, value: &Value) -> Predicate {
        let nothing = Predicate::All(Vec::new());
        let Value::Object(map) = value else {
            self.flaw(
                "takes a map of names to values",
                Some("for example {dtype: bfloat16, batch_size: {ge: 16}}".into()),
            );
            return nothing;
        };
        if map.is_empty() {
            self.flaw("an empty condition would hold everywhere", None);
        }
        if self.path.len() > MAX_DEPTH {
            self.flaw("the condition is nested too deeply", None);
            return nothing;
        }
        let mut parts = Vec::new();
        for (key, value) in map {
            let part = self.at(key, |reader| match key.as_str() {
                "all" => Predicate::All(reader.parts(value)),
                "any" => Predicate::Any(reader.parts(value)),
                "not" => Predicate::Not(Box::new(reader.predicate(value))),
                name => reader.condition(name, value),
            });
            parts.push(part);
        }
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Predicate::All(parts)
        }
    }

    fn parts(&mut self, value: &Value) -> Vec<Predicate> {
        match value {
            Value::Array(parts) if !parts.is_empty() => parts
                .iter()
                .enumerate()
                .map(|(index, part)| self.at(index, |reader| reader.predicate(part)))
                .collect(),
            _ => {
                self.flaw("takes a list of conditions", None);
                Vec::new()
            }
        }
    }

    fn condition(&mut self, name: &str, value: &Value) -> Predicate {
        let name = name.to_owned();
        match value {
            Value::Object(map) => self.comparisons(&name, map),
            Value::Array(values) => Predicate::In {
                name,
                values: self.values(values),
            },
            value => Predicate::Compare {
                name,
                comparison: Comparison::Eq,
                operand: Operand::Value(value.clone()),
            },
        }
    }

    fn values(&mut self, values: &[Value]) -> Vec<Value> {
        if values.is_empty() {
            self.flaw("an empty list never matches", None);
        }
        for (index, value) in values.iter().enumerate() {
            if value.is_object() || value.is_array() {
                self.at(index, |reader| reader.flaw("takes single values", None));
            }
        }
        values.to_vec()
    }

    fn comparisons(&mut self, name: &str, map: &Map<String, Value>) -> Predicate {
        if map.is_empty() {
            self.flaw("an empty condition would hold everywhere", None);
        }
        let mut parts = Vec::new();
        for (key, value) in map {
            let part = self.at(key, |reader| reader.comparison(name, key, value));
            parts.extend(part);
        }
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Predicate::All(parts)
        }
    }

    fn comparison(&mut self, name: &str, key: &str, value: &Value) -> Option<Predicate> {
        let name = name.to_owned();
        if key == "in" {
            let Value::Array(values) = value else {
                self.flaw("takes a list of values", None);
                return None;
            };
            return Some(Predicate::In {
                name,
                values: self.values(values),
            });
        }
        let Some((_, comparison)) = COMPARISONS.iter().find(|(known, _)| *known == key) else {
            let known = COMPARISONS.iter().map(|(known, _)| *known).chain(["in"]);
            let hint = match nearest(key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "a comparison is one of eq, ne, lt, le, gt, ge, divisible_by, in".to_owned()
                }
            };
            self.flaw(format!("`{key}` is not a comparison"), Some(hint));
            return None;
        };
        let operand = self.operand(value)?;
        Some(Predicate::Compare {
            name,
            comparison: *comparison,
            operand,
        })
    }

    fn operand(&mut self, value: &Value) -> Option<Operand> {
        let map = match value {
            Value::Object(map) => map,
            Value::Array(_) => {
                self.flaw("takes one value; a list goes with `in`", None);
                return None;
            }
            value => return Some(Operand::Value(value.clone())),
        };
        if map.len() == 1
            && let Some(Value::Array(factors)) = map.get("product")
            && factors.len() > 1
            && let Some(names) = factors
                .iter()
                .map(|factor| Some(factor.as_str()?.to_owned()))
                .collect()
        {
            return Some(Operand::Product(names));
        }
        let known = map.keys().all(|key| key == "param" || key == "times");
        let name = map.get("param").and_then(Value::as_str);
        let times = map.get("times").map_or(Some(1), Value::as_i64);
        match (known, name, times) {
            (true, Some(name), Some(times)) => Some(Operand::Name {
                name: name.to_owned(),
                times,
            }),
            _ => {
                self.flaw(
                    "takes a value, {param: name, times: integer} or {product: [name, name]}",
                    None,
                );
                None
            }
        }
    }
}
