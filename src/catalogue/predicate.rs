//! One small language of conditions, for a catalogue's rules and a campaign's `exclude` alike.
//!
//! A map holds when each of its keys does: `{dtype: bfloat16, batch_size: {ge: 16}}`. A value stands for
//! `eq`, a list for `in`; `{param: name, times: 2}` compares with another parameter. `all`, `any` and
//! `not` combine. A comparison with nothing (`null`) never holds, except `eq` and `ne`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// A condition over named values.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// All hold; true when empty.
    All(Vec<Predicate>),
    /// One holds at least.
    Any(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
    /// A named value compared with an operand.
    Compare {
        /// The name on the left.
        name: String,
        /// How.
        comparison: Comparison,
        /// The right side.
        operand: Operand,
    },
    /// A named value is among some values.
    In {
        /// The name.
        name: String,
        /// The values.
        values: Vec<Value>,
    },
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// A whole multiple of the operand.
    DivisibleBy,
}

/// The right side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A value.
    Value(Value),
    /// Another named value, times a factor.
    Name {
        /// The name.
        name: String,
        /// The factor.
        times: i64,
    },
}

/// What is wrong with a condition, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Keys and indices from the condition's root.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What would mend it.
    pub hint: Option<String>,
}

const COMPARISONS: [(&str, Comparison); 7] = [
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("lt", Comparison::Lt),
    ("le", Comparison::Le),
    ("gt", Comparison::Gt),
    ("ge", Comparison::Ge),
    ("divisible_by", Comparison::DivisibleBy),
];

/// Names that mean something in a condition, so that no parameter may have them.
pub(super) const RESERVED: [&str; 3] = ["all", "any", "not"];

impl Predicate {
    /// Reads a condition.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, Vec<Flaw>> {
        let (predicate, flaws) = Self::read(value);
        if flaws.is_empty() {
            Ok(predicate)
        } else {
            Err(flaws)
        }
    }

    /// Reads as much of a condition as can be read, and everything that is wrong with it.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<Flaw>) {
        let mut reader = Reader {
            path: Vec::new(),
            flaws: Vec::new(),
        };
        let predicate = reader.predicate(value);
        (predicate, reader.flaws)
    }

    /// Whether it holds for the values that `lookup` gives for names.
    pub fn holds<'a>(&self, lookup: &impl Fn(&str) -> &'a Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(lookup)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(lookup)),
            Self::Not(part) => !part.holds(lookup),
            Self::In { name, values } => {
                let left = lookup(name);
                values.iter().any(|value| equal(left, value))
            }
            Self::Compare {
                name,
                comparison,
                operand,
            } => {
                let left = lookup(name);
                match operand {
                    Operand::Value(right) => comparison.holds(left, right),
                    Operand::Name { name, times: 1 } => comparison.holds(left, lookup(name)),
                    Operand::Name { name, times } => {
                        let right = lookup(name)
                            .as_i64()
                            .and_then(|right| right.checked_mul(*times));
                        right.is_some_and(|right| comparison.holds(left, &Value::from(right)))
                    }
                }
            }
        }
    }

    /// Calls `see` for every name it reads, with the values it compares the name with.
    pub fn visit<'a>(&'a self, see: &mut impl FnMut(&'a str, &'a [Value])) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(see)),
            Self::Not(part) => part.visit(see),
            Self::In { name, values } => see(name, values),
            Self::Compare {
                name,
                operand: Operand::Value(value),
                ..
            } => see(name, std::slice::from_ref(value)),
            Self::Compare {
                name,
                operand: Operand::Name { name: other, .. },
                ..
            } => {
                see(name, &[]);
                see(other, &[]);
            }
        }
    }

    /// The names it reads, sorted, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.visit(&mut |name, _| names.push(name));
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Self::Eq => equal(left, right),
            Self::Ne => !equal(left, right),
            Self::Lt => compare(left, right).is_some_and(Ordering::is_lt),
            Self::Le => compare(left, right).is_some_and(Ordering::is_le),
            Self::Gt => compare(left, right).is_some_and(Ordering::is_gt),
            Self::Ge => compare(left, right).is_some_and(Ordering::is_ge),
            Self::DivisibleBy => match (left.as_i64(), right.as_i64()) {
                (Some(left), Some(right)) => right != 0 && left % right == 0,
                _ => false,
            },
        }
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match compare(left, right) {
        Some(ordering) => ordering.is_eq(),
        None => left == right,
    }
}

/// The order of two numbers, or the equality of two texts or booleans; nothing for anything else.
#[must_use]
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => (left == right).then_some(Ordering::Equal),
        (Value::Bool(left), Value::Bool(right)) => (left == right).then_some(Ordering::Equal),
        _ => None,
    }
}

/// Deepest nesting of `all`, `any` and `not`.
const MAX_DEPTH: usize = 48;

struct Reader {
    path: Vec<String>,
    flaws: Vec<Flaw>,
}

impl Reader {
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
            let hint = match crate::diagnostics::nearest(key, known) {
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
        let known = map.keys().all(|key| key == "param" || key == "times");
        let name = map.get("param").and_then(Value::as_str);
        let times = map.get("times").map_or(Some(1), Value::as_i64);
        match (known, name, times) {
            (true, Some(name), Some(times)) => Some(Operand::Name {
                name: name.to_owned(),
                times,
            }),
            _ => {
                self.flaw("takes a value or {param: name, times: integer}", None);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(condition: &Value, values: &Value) -> bool {
        let predicate = Predicate::parse(condition).unwrap();
        predicate.holds(&|name: &str| values.get(name).unwrap_or(&Value::Null))
    }

    #[test]
    fn every_comparison_has_its_meaning() {
        let values = json!({ "n": 8, "m": 4, "f": 0.5, "t": "bf16", "b": true, "z": null });
        for (condition, expected) in [
            (json!({"n": 8}), true),
            (json!({"n": 8.0}), true),
            (json!({"n": [1, 8]}), true),
            (json!({"n": {"in": [1, 2]}}), false),
            (json!({"n": {"ne": 8}}), false),
            (json!({"n": {"lt": 9, "gt": 7}}), true),
            (json!({"n": {"le": 8}, "m": {"ge": 5}}), false),
            (json!({"f": {"lt": 1}}), true),
            (json!({"t": "bf16", "b": true}), true),
            (json!({"t": {"lt": "z"}}), false),
            (json!({"t": 8}), false),
            (json!({"z": null}), true),
            (json!({"z": {"lt": 1}}), false),
            (json!({"z": {"ne": 1}}), true),
            (json!({"n": {"divisible_by": {"param": "m"}}}), true),
            (
                json!({"n": {"divisible_by": {"param": "m", "times": 3}}}),
                false,
            ),
            (json!({"n": {"divisible_by": 0}}), false),
            (json!({"n": {"gt": {"param": "z"}}}), false),
            (json!({"n": {"eq": {"param": "m", "times": 2}}}), true),
            (json!({"any": [{"n": 1}, {"m": 4}]}), true),
            (json!({"all": [{"n": 1}, {"m": 4}]}), false),
            (json!({"not": {"n": 1}, "m": 4}), true),
        ] {
            assert_eq!(holds(&condition, &values), expected, "{condition}");
        }
    }

    #[test]
    fn all_flaws_of_a_condition_are_told_with_their_paths() {
        let flaws = Predicate::parse(&json!({
            "a": {"gte": 1, "lt": [1]},
            "any": [{"b": []}, 5],
            "c": [1, {"x": 1}],
            "d": {"eq": {"name": "e"}},
            "not": {},
        }));
        let paths: Vec<String> = flaws
            .unwrap_err()
            .iter()
            .map(|flaw| flaw.path.join("."))
            .collect();
        assert_eq!(
            paths,
            ["a.gte", "a.lt", "any.0.b", "any.1", "c.1", "d.eq", "not"]
        );
    }

    #[test]
    fn a_condition_names_what_it_reads() {
        let predicate = Predicate::parse(
            &json!({"a": {"lt": {"param": "c"}}, "not": {"b": 1}, "any": [{"a": 2}]}),
        )
        .unwrap();
        assert_eq!(predicate.names(), ["a", "b", "c"]);
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = (0..100).fold(json!({"a": 1}), |inner, _| json!({ "not": inner }));
        assert!(Predicate::parse(&deep).is_err());
    }
}
