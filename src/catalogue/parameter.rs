//! One parameter of a backend.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bounds, Entry};

/// A parameter that a grid can vary.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name in the campaign file, the protocol and the backend.
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The value when a campaign names none; `null` if that is to leave it unset.
    pub default: Value,
    /// The only values it takes, if there are few.
    #[serde(default)]
    pub choices: Vec<Value>,
    /// Smallest value of a number.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest value of a number.
    #[serde(default)]
    pub max: Option<f64>,
    /// Whether a new value needs a newly loaded engine.
    pub level: Level,
    /// What it does, in one sentence.
    pub doc: String,
    /// Why it is here: what it moves.
    pub reason: String,
    /// A number that it must be above.
    #[serde(skip)]
    pub above: Option<f64>,
    /// A number that it must be below.
    #[serde(skip)]
    pub below: Option<f64>,
    /// Whether `null` leaves it to the engine.
    #[serde(skip)]
    pub nullable: bool,
    /// Where the engine has it; nothing for what the worker or a catalogue written by hand brings.
    #[serde(skip)]
    pub origin: Option<Origin>,
    /// What of it is not as the engine's source says, and why.
    #[serde(skip)]
    pub changed: BTreeMap<String, String>,
}

/// Where a parameter comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// What the engine's source says of it.
    pub entry: Entry,
}

/// The type of a parameter's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Any finite number.
    Number,
    /// A text.
    String,
    /// `true` or `false`.
    Boolean,
}

/// When a parameter takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// At load: runs that differ in it need different engines.
    Engine,
    /// Per request: runs that differ in it can share an engine.
    Request,
}

/// Why a value does not fit a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What is wrong.
    pub message: String,
    /// What would fit.
    pub hint: String,
}

impl Kind {
    /// The kind with its article: `an integer`.
    #[must_use]
    pub fn article(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a text",
            Self::Boolean => "a boolean",
        }
    }

    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

impl Parameter {
    /// A parameter of a catalogue that is one file: it can be unset where that is its default.
    pub(super) fn whole(mut self) -> Self {
        self.nullable = self.default.is_null();
        self
    }

    /// Whether the parameter takes this value.
    ///
    /// # Errors
    /// Why it does not.
    pub fn admit(&self, value: &Value) -> Result<(), Mismatch> {
        let name = &self.name;
        let refuse = |message: String| {
            Err(Mismatch {
                message,
                hint: self.admits(),
            })
        };
        if value.is_null() && self.nullable {
            return Ok(());
        }
        if !self.kind.holds(value) {
            return refuse(format!(
                "`{name}` takes {}, not {value}",
                self.kind.article()
            ));
        }
        if !self.choices.is_empty()
            && !self
                .choices
                .iter()
                .any(|choice| super::compare(choice, value).is_some_and(|o| o.is_eq()))
        {
            return refuse(format!("`{name}` does not take {value}"));
        }
        if let Some(number) = value.as_f64() {
            if self.min.is_some_and(|min| number < min) {
                return refuse(format!("`{name}` is {value}, below its minimum"));
            }
            if self.max.is_some_and(|max| number > max) {
                return refuse(format!("`{name}` is {value}, above its maximum"));
            }
            let open = Bounds {
                gt: self.above,
                lt: self.below,
                ..Bounds::default()
            };
            if let Some(bound) = open.broken(number) {
                return refuse(format!("`{name}` is {value}, but must be {bound}"));
            }
        }
        Ok(())
    }

    /// Whether a condition can compare the parameter with this value: of its kind and, where there are few
    /// choices, one of them. Bounds of a range need not be in it.
    #[must_use]
    pub fn comparable(&self, value: &Value) -> bool {
        let kind = match self.kind {
            Kind::Integer | Kind::Number => value.is_number(),
            Kind::String | Kind::Boolean => self.kind.holds(value),
        };
        if value.is_null() {
            return self.nullable;
        }
        let choice =
            |choice: &Value| super::compare(choice, value).is_some_and(std::cmp::Ordering::is_eq);
        kind && (self.choices.is_empty() || value.is_number() || self.choices.iter().any(choice))
    }

    /// What it takes, in words.
    #[must_use]
    pub fn admits(&self) -> String {
        if !self.choices.is_empty() {
            let choices: Vec<String> = self.choices.iter().map(ToString::to_string).collect();
            let unset = if self.nullable { ", or null" } else { "" };
            return format!("`{}` takes one of {}{unset}", self.name, choices.join(", "));
        }
        let mut range = match (self.min, self.max) {
            (Some(min), Some(max)) => format!(" from {min} to {max}"),
            (Some(min), None) => format!(" of at least {min}"),
            (None, Some(max)) => format!(" of at most {max}"),
            (None, None) => String::new(),
        };
        for (bound, word) in [(self.above, "above"), (self.below, "below")] {
            if let Some(bound) = bound {
                range += &format!(", {word} {bound}");
            }
        }
        let unset = if self.nullable {
            ", or null for unset"
        } else {
            ""
        };
        format!(
            "`{}` takes {}{range}{unset}",
            self.name,
            self.kind.article()
        )
    }
}
