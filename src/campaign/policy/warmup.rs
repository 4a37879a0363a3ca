//! Key `warmup`: what happens before the measured window of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::energy::WarmupRule;

/// What happens before the measured window of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WarmupPolicy {
    /// Whether runs are warmed up at all.
    pub enabled: bool,
    /// Seconds after which warming up ends even if throughput has not settled.
    #[schemars(range(min = 0, max = 86400))]
    pub max_seconds: f64,
    /// Iterations at least; also the number of the last iterations over which the spread is taken.
    #[schemars(range(min = 2, max = 1000))]
    pub min_iterations: u32,
    /// Warm once the coefficient of variation of the throughput is at most this.
    #[schemars(range(min = 0, max = 1), extend("exclusiveMinimum" = 0))]
    pub throughput_cv: f64,
    /// ... and its fitted trend across those iterations, relative to their mean, is at most this. Judged
    /// from three iterations up: a line through two is their difference.
    #[schemars(range(min = 0, max = 1), extend("exclusiveMinimum" = 0))]
    pub throughput_trend: f64,
    /// ... and, where there is a GPU, the fitted trend of its power over the last `power_window_seconds`,
    /// relative to its mean, is at most this.
    #[schemars(range(min = 0, max = 1), extend("exclusiveMinimum" = 0))]
    pub power_trend: f64,
    /// Seconds over which the trend of the power is fitted.
    #[schemars(range(min = 1, max = 3600))]
    pub power_window_seconds: f64,
    /// ... and the GPU's temperature rose by 1 °C at most over the last 120 s; and a warm-up that reaches
    /// `max_seconds` rejects its run.
    pub strict: bool,
}

impl Default for WarmupPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            max_seconds: 60.0,
            min_iterations: 5,
            throughput_cv: 0.05,
            throughput_trend: 0.02,
            power_trend: 0.005,
            power_window_seconds: 30.0,
            strict: false,
        }
    }
}

impl WarmupPolicy {
    /// The rule that a warm-up is judged by.
    #[must_use]
    pub fn rule(&self) -> WarmupRule {
        WarmupRule {
            min_iterations: self.min_iterations,
            throughput_cv: self.throughput_cv,
            throughput_trend: self.throughput_trend,
            power_trend: self.power_trend,
            strict: self.strict,
            max_seconds: self.max_seconds,
        }
    }
}
