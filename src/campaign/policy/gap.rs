//! Key `execution.gap`: when the idle time between runs is over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::energy::GapRule;

/// When the idle time between two runs is over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GapPolicy {
    /// What ends it.
    pub until: GapUntil,
    /// Settled: the GPU is at most so many degrees from its reference for the same state.
    #[schemars(range(min = 0, max = 50))]
    pub temperature_celsius: f64,
    /// Settled: the GPU's power is at most so many watts from its reference for the same state.
    #[schemars(range(min = 0, max = 500), extend("exclusiveMinimum" = 0))]
    pub power_watts: f64,
    /// Seconds after which it ends anyway, with the flag `gap_capped`; `config_gap_seconds` and
    /// `cycle_gap_seconds` hold even where they are longer.
    #[schemars(range(min = 0, max = 86400))]
    pub max_seconds: f64,
}

impl Default for GapPolicy {
    fn default() -> Self {
        Self {
            until: GapUntil::Settled,
            temperature_celsius: 3.0,
            power_watts: 5.0,
            max_seconds: 300.0,
        }
    }
}

/// What ends a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapUntil {
    /// Temperature and power are back at their reference. Without a GPU: its seconds.
    #[default]
    Settled,
    /// Its seconds, and nothing else.
    Fixed,
}

impl GapPolicy {
    /// The rule that a gap of at least `floor_seconds` is judged by.
    #[must_use]
    pub fn rule(&self, floor_seconds: f64) -> GapRule {
        GapRule {
            floor_seconds,
            fixed: self.until == GapUntil::Fixed,
            temperature_celsius: self.temperature_celsius,
            power_watts: self.power_watts,
            max_seconds: self.max_seconds,
        }
    }
}
