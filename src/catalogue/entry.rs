//! One entry of an extraction: what an engine's source says of a parameter.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Level, Mismatch};

/// What the source says of a parameter. Nobody judged whether it matters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name in campaigns: the engine's own, with the group that it belongs to.
    pub name: String,
    /// The class or function that has it.
    pub owner: String,
    /// Its name there.
    pub member: String,
    /// When it takes effect.
    pub level: Level,
    /// The type as it is written in the source.
    #[serde(rename = "type", default)]
    pub type_text: String,
    /// The kinds of JSON values it takes.
    pub kinds: Vec<EntryKind>,
    /// Whether the engine has no default for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The default, if the source alone tells it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub default: Option<Value>,
    /// The member of an enumeration that the default is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_member: Option<String>,
    /// The default as it is written, where only running it would tell its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_expression: Option<String>,
    /// The only values it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    /// Names that it takes for its values: members of an enumeration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choice_names: Vec<String>,
    /// Values that the source names, where it takes others as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Value>,
    /// Bounds of a number.
    #[serde(default, skip_serializing_if = "Bounds::is_empty")]
    pub bounds: Bounds,
    /// What the engine calls it: `prototype`, `deprecated`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// File and line.
    pub source: String,
    /// How the entry came about.
    pub status: Status,
}

/// A kind of JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A text.
    String,
    /// `true` or `false`.
    Boolean,
    /// Nothing: unset.
    Null,
    /// A list.
    List,
    /// A map.
    Object,
    /// The source does not say, or says something that has no JSON.
    Any,
}

/// How an entry came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Read out of the source of this version.
    Extracted,
    /// Written down from documentation or the source of another state: `audit` settles it.
    Transcribed,
}

/// Bounds of a number: at least, above, at most, below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ge: Option<f64>,
    /// Above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gt: Option<f64>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub le: Option<f64>,
    /// Below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lt: Option<f64>,
}

/// `null` is a default like any other; only a missing key is none.
fn present<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(input).map(Some)
}

impl EntryKind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Null => value.is_null(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::Any => true,
        }
    }

    fn article(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a text",
            Self::Boolean => "a boolean",
            Self::Null => "null",
            Self::List => "a list",
            Self::Object => "a map",
            Self::Any => "anything",
        }
    }
}

impl Bounds {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What of the bounds a number does not keep, in words.
    #[must_use]
    pub fn broken(&self, number: f64) -> Option<String> {
        let checks = [
            (self.ge, "at least", self.ge.is_some_and(|b| number < b)),
            (self.gt, "more than", self.gt.is_some_and(|b| number <= b)),
            (self.le, "at most", self.le.is_some_and(|b| number > b)),
            (self.lt, "less than", self.lt.is_some_and(|b| number >= b)),
        ];
        let broken = checks.into_iter().find(|(_, _, broken)| *broken)?;
        Some(format!("{} {}", broken.1, broken.0?))
    }
}

impl Entry {
    /// Whether the source lets the parameter have a value, as far as it says.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, value: &Value) -> Result<(), Mismatch> {
        let refuse = |message: String| {
            Err(Mismatch {
                message,
                hint: format!("{} says: {}", self.source, self.admits()),
            })
        };
        if !self.kinds.iter().any(|kind| kind.holds(value)) {
            return refuse(format!("`{}` does not take {value}", self.name));
        }
        let open = self.choices.is_empty() && self.choice_names.is_empty();
        let scalar = value.is_string() || value.is_number() || value.is_boolean();
        if scalar && !open && !self.is_choice(value) {
            return refuse(format!("`{}` does not take {value}", self.name));
        }
        if let Some(bound) = value.as_f64().and_then(|number| self.bounds.broken(number)) {
            return refuse(format!("`{}` is {value}, but must be {bound}", self.name));
        }
        Ok(())
    }

    fn is_choice(&self, value: &Value) -> bool {
        let equal =
            |choice: &Value| super::compare(choice, value).is_some_and(std::cmp::Ordering::is_eq);
        let named = |name: &str| self.choice_names.iter().any(|known| known == name);
        self.choices.iter().any(equal) || value.as_str().is_some_and(named)
    }

    /// Whether it may be unset by `null`.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.kinds.contains(&EntryKind::Null) || self.default == Some(Value::Null)
    }

    /// What it takes, in words.
    #[must_use]
    pub fn admits(&self) -> String {
        let mut words: Vec<String> = self
            .kinds
            .iter()
            .map(|kind| kind.article().to_owned())
            .collect();
        let choices = self.choice_texts();
        if !choices.is_empty() {
            words = vec![format!("one of {}", choices.join(", "))];
            if self.is_nullable() {
                words.push("null".to_owned());
            }
        }
        let Bounds { ge, gt, le, lt } = self.bounds;
        let bounds = [
            (ge, "at least"),
            (gt, "more than"),
            (le, "at most"),
            (lt, "less than"),
        ]
        .into_iter()
        .filter_map(|(bound, word)| Some(format!(", {word} {}", bound?)));
        words.join(" or ") + &bounds.collect::<String>()
    }

    /// Its choices as a campaign writes them: where an enumeration's values are texts, its members' names.
    #[must_use]
    pub fn choice_texts(&self) -> Vec<String> {
        let by_name = !self.choice_names.is_empty()
            && (self.choices.len() < self.choice_names.len()
                || self.choices.iter().all(Value::is_string));
        if by_name {
            return self.choice_names.clone();
        }
        self.choices.iter().map(ToString::to_string).collect()
    }

    /// The default in words: its value, or the expression that makes it.
    #[must_use]
    pub fn default_text(&self) -> String {
        match (
            &self.default,
            &self.default_expression,
            &self.default_member,
        ) {
            (_, _, Some(member)) => member.clone(),
            (Some(value), _, _) => value.to_string(),
            (None, Some(expression), _) => format!("({expression})"),
            (None, None, _) => "required".to_owned(),
        }
    }
}
