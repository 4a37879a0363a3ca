//! Key `execution.retries`: how often lemctl tries a run again without being asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a run is tried again without being asked: after a thermal rejection, or a failure that is the
/// environment's. Every attempt stays in journal and manifest, with the reason of the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// So often at most; 0 is never.
    #[schemars(range(min = 0, max = 10))]
    pub max: u32,
    /// Idle seconds at least before the attempt that follows a thermal rejection; a gap that is longer anyway stays.
    #[schemars(range(min = 0, max = 86400))]
    pub thermal_gap_seconds: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max: 1,
            thermal_gap_seconds: 120.0,
        }
    }
}
