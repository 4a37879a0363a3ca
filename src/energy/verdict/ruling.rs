//! What rules say of a run: flags that readers must see, and reasons to reject it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a run is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectReason {
    /// Stable code of docs/verdicts.md.
    pub code: String,
    /// One sentence with the values involved.
    pub message: String,
}

impl RejectReason {
    /// A reason.
    #[must_use]
    pub fn new(code: &str, message: String) -> Self {
        Self {
            code: code.to_owned(),
            message,
        }
    }
}

/// Flags and reasons, each once, in the order in which they were found. A run without reasons is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Codes of docs/verdicts.md.
    pub flags: Vec<String>,
    /// Why the run is rejected.
    pub reasons: Vec<RejectReason>,
}

impl Ruling {
    /// Adds a flag.
    pub fn flag(&mut self, code: &str) {
        if !self.flags.iter().any(|flag| flag == code) {
            self.flags.push(code.to_owned());
        }
    }

    /// Adds a reason.
    pub fn reject(&mut self, reason: RejectReason) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Self) {
        for flag in &other.flags {
            self.flag(flag);
        }
        for reason in other.reasons {
            self.reject(reason);
        }
    }
}
