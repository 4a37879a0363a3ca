//! Key `rules` of the campaign file: the thresholds of verdicts, with their defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::energy::window::EnergyRules;

/// Thresholds by which runs and campaigns are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerdictRules {
    /// What the campaign has to pass.
    pub kind: RulesKind,
    /// Kind `quick`: seconds under which the campaign must have ended.
    #[schemars(range(min = 1, max = 86400))]
    pub quick_seconds: f64,
    /// Largest coefficient of variation over the cycles of an experiment.
    #[schemars(range(min = 0, max = 10), extend("exclusiveMinimum" = 0))]
    pub cycle_cv: f64,
    /// Largest drift over the cycles of an experiment, relative to their mean.
    #[schemars(range(min = 0, max = 10), extend("exclusiveMinimum" = 0))]
    pub cycle_drift: f64,
    /// Watts by which a baseline may differ when it is taken again.
    #[schemars(range(min = 0, max = 1000), extend("exclusiveMinimum" = 0))]
    pub baseline_watts: f64,
    /// Largest relative difference of the energy counter and the integrated power of a window.
    #[schemars(range(min = 0, max = 1), extend("exclusiveMinimum" = 0))]
    pub source_agreement: f64,
    /// Largest share of a window in thermal slowdown or power brake.
    #[schemars(range(min = 0, max = 1))]
    pub thermal_share: f64,
    /// What becomes of a run whose load is coherent with the sensor.
    pub coherent: Coherent,
}

impl Default for VerdictRules {
    fn default() -> Self {
        Self {
            kind: RulesKind::Campaign,
            quick_seconds: 300.0,
            cycle_cv: 0.10,
            cycle_drift: 0.05,
            baseline_watts: 5.0,
            source_agreement: 0.03,
            thermal_share: 0.001,
            coherent: Coherent::Flag,
        }
    }
}

impl VerdictRules {
    /// The thresholds of windows.
    #[must_use]
    pub fn energy_rules(&self) -> EnergyRules {
        EnergyRules {
            source_agreement: self.source_agreement,
            ..EnergyRules::default()
        }
    }
}

/// What a campaign has to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RulesKind {
    /// All runs complete, and their spread and drift over the cycles small.
    #[default]
    Campaign,
    /// A result in a short time.
    Quick,
}

/// What becomes of a run whose load is coherent with the sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Coherent {
    /// It is accepted with the flag `load_coherent_with_sensor`, and its interval is wider.
    #[default]
    Flag,
    /// It is rejected.
    Reject,
}
