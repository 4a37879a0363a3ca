//! Key `leaks`: what a run may leave on a GPU, and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::energy::LeakRule;

/// What may be left on a GPU after a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeakPolicy {
    /// Memory in MiB by which a GPU may stay above its reference.
    #[schemars(range(min = 0, max = 1_048_576))]
    pub tolerance_mib: u64,
    /// Seconds after the end of a worker within which memory and processes must be gone.
    #[schemars(range(min = 0, max = 3600))]
    pub deadline_seconds: f64,
}

impl Default for LeakPolicy {
    fn default() -> Self {
        Self {
            tolerance_mib: 64,
            deadline_seconds: 10.0,
        }
    }
}

impl LeakPolicy {
    /// The rule that leaks are judged by; `ours` are the full ids of the campaign's containers.
    #[must_use]
    pub fn rule<'a>(&self, ours: &'a [String]) -> LeakRule<'a> {
        LeakRule {
            tolerance_mib: self.tolerance_mib,
            ours,
        }
    }
}
