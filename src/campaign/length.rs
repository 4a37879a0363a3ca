//! Lengths in tokens as they are written: a number, or a distribution.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest input or output that a campaign can ask for, in tokens.
pub(super) const MAX_LENGTH: u32 = 1 << 20;

/// A fixed number of tokens, or a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub(super) enum LengthSpec {
    Exact(u32),
    Lognormal(Lognormal),
}

/// Lengths drawn from a log-normal distribution, rounded and clamped to `min` and `max`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lognormal {
    /// Mean of the distribution before clamping, in tokens (not of its logarithm).
    #[schemars(range(min = 1, max = 1_048_576))]
    pub mean: f64,
    /// Standard deviation of the logarithm.
    #[schemars(range(min = 0, max = 5))]
    pub sigma: f64,
    /// Shortest length.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub min: u32,
    /// Longest length.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max: u32,
}

/// The keyed form of a length.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Distribution {
    /// Lengths drawn from a log-normal distribution.
    Lognormal(Lognormal),
}

impl TryFrom<Value> for LengthSpec {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        if value.is_number() {
            return serde_json::from_value(value).map(Self::Exact);
        }
        serde_json::from_value(value)
            .map(|Distribution::Lognormal(lognormal)| Self::Lognormal(lognormal))
    }
}

impl From<LengthSpec> for Value {
    fn from(length: LengthSpec) -> Self {
        match length {
            LengthSpec::Exact(tokens) => Self::from(tokens),
            LengthSpec::Lognormal(lognormal) => serde_json::json!({ "lognormal": lognormal }),
        }
    }
}

impl JsonSchema for LengthSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A fixed number of tokens, or a distribution.",
            "oneOf": [
                { "type": "integer", "minimum": 1, "maximum": MAX_LENGTH },
                generator.subschema_for::<Distribution>(),
            ],
        })
    }
}
