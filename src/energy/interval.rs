//! Intervals of energy, and the numbers that make them. Knows distributions, not sensors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An interval that holds the true value in 95 of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end, in joules.
    pub low_joules: f64,
    /// Upper end, in joules.
    pub high_joules: f64,
}

impl Interval {
    /// Whether it holds a value.
    #[must_use]
    pub fn holds(&self, joules: f64) -> bool {
        self.low_joules <= joules && joules <= self.high_joules
    }

    /// Half of its width, in joules.
    #[must_use]
    pub fn half_width_joules(&self) -> f64 {
        (self.high_joules - self.low_joules) / 2.0
    }
}
