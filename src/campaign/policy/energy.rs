//! Keys `baseline` and `energy`: what is read of the GPUs, and when they are read idle.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether the idle power is measured before runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselinePolicy {
    /// No.
    Off,
    /// Where the machine allows it.
    #[default]
    Optional,
    /// Yes: without it results are rejected.
    Required,
}

/// What is read of the GPUs, and how their idle power is taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnergyPolicy {
    /// Seconds between two readings of power, temperature and clocks.
    pub reading_seconds: ReadingSeconds,
    /// Seconds of a baseline.
    #[schemars(range(min = 1, max = 3600))]
    pub baseline_seconds: f64,
    /// Seconds between the last kernel and a baseline.
    #[schemars(range(min = 0, max = 600))]
    pub settle_seconds: f64,
    /// Seconds of warm-up between the resident baseline and the window.
    #[schemars(range(min = 0, max = 3600))]
    pub rewarm_seconds: f64,
}

impl Default for EnergyPolicy {
    fn default() -> Self {
        Self {
            reading_seconds: ReadingSeconds::Auto,
            baseline_seconds: 10.0,
            settle_seconds: 3.0,
            rewarm_seconds: 10.0,
        }
    }
}

/// Runs that are expected to take this long or longer, in seconds, are read less often.
const LONG_RUN_SECONDS: f64 = 300.0;
/// The word for [`ReadingSeconds::Auto`].
const AUTO: &str = "auto";

/// Seconds between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum ReadingSeconds {
    /// 0.1 s for runs under five minutes, 1 s for longer ones.
    #[default]
    Auto,
    /// So many.
    Fixed(f64),
}

impl ReadingSeconds {
    /// The seconds, for a run that is expected to take `run_seconds`.
    #[must_use]
    pub fn seconds(self, run_seconds: f64) -> f64 {
        match self {
            Self::Fixed(seconds) => seconds,
            Self::Auto if run_seconds < LONG_RUN_SECONDS => 0.1,
            Self::Auto => 1.0,
        }
    }
}

impl TryFrom<Value> for ReadingSeconds {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        if value.as_str() == Some(AUTO) {
            return Ok(Self::Auto);
        }
        serde_json::from_value(value).map(Self::Fixed)
    }
}

impl From<ReadingSeconds> for Value {
    fn from(reading: ReadingSeconds) -> Self {
        match reading {
            ReadingSeconds::Auto => Self::from(AUTO),
            ReadingSeconds::Fixed(seconds) => Self::from(seconds),
        }
    }
}

impl JsonSchema for ReadingSeconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReadingSeconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Seconds between two readings, or `auto`: 0.1 s for runs under five minutes, 1 s for longer ones.",
            "oneOf": [
                { "type": "number", "minimum": 0.01, "maximum": 10 },
                { "type": "string", "const": AUTO },
            ],
        })
    }
}
