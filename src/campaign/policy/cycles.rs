//! Keys `execution.cycles` and `execution.auto_cycles`: how often everything is repeated.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Cycles that `auto` plans at first: enough for a half-width of one coefficient of variation (docs/measurement.md).
pub const FIRST_AUTO_CYCLES: u32 = 7;
/// The word for [`Cycles::Auto`].
const AUTO: &str = "auto";

/// Passes over all experiments: the repetitions from which the spread is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Cycles {
    /// So many.
    Fixed(u32),
    /// As many as the intervals need, by [`AutoCycles`].
    Auto,
}

impl Cycles {
    /// Cycles that a plan begins with.
    #[must_use]
    pub fn initial(self) -> u32 {
        match self {
            Self::Fixed(cycles) => cycles,
            Self::Auto => FIRST_AUTO_CYCLES,
        }
    }

    /// Cycles that a campaign can come to.
    #[must_use]
    pub fn most(self, auto: &AutoCycles) -> u32 {
        match self {
            Self::Fixed(cycles) => cycles,
            Self::Auto => auto.max,
        }
    }
}

impl Default for Cycles {
    fn default() -> Self {
        Self::Fixed(3)
    }
}

impl TryFrom<Value> for Cycles {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        if value.as_str() == Some(AUTO) {
            return Ok(Self::Auto);
        }
        serde_json::from_value(value).map(Self::Fixed)
    }
}

impl From<Cycles> for Value {
    fn from(cycles: Cycles) -> Self {
        match cycles {
            Cycles::Fixed(cycles) => Self::from(cycles),
            Cycles::Auto => Self::from(AUTO),
        }
    }
}

impl JsonSchema for Cycles {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cycles".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Passes over all experiments, or `auto`: as many as the intervals need.",
            "oneOf": [
                { "type": "integer", "minimum": 1, "maximum": 1000 },
                { "type": "string", "const": AUTO },
            ],
        })
    }
}

/// When `cycles: auto` stops.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoCycles {
    /// Half-width of the 95 % interval over the cycles, relative to the mean, that every experiment is to
    /// reach: of the joules per output token, or of the throughput where there is no energy.
    #[schemars(range(min = 0, max = 1), extend("exclusiveMinimum" = 0))]
    pub target_half_width: f64,
    /// Cycles at which it stops anyway.
    #[schemars(range(min = 7, max = 1000))]
    pub max: u32,
}

impl Default for AutoCycles {
    fn default() -> Self {
        Self {
            target_half_width: 0.05,
            max: 20,
        }
    }
}
