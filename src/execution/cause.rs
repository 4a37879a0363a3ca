//! Why something did not work: typed, so that the campaign can decide what follows from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose fault a failure is. It decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The experiment's own config (a refused parameter, out of memory): it would fail again, so later
    /// cycles of it are skipped.
    Config,
    /// The worker crashed, hung or broke the protocol: later runs try again with a fresh one.
    Worker,
    /// Engine, container, GPU or disk: counts for the breaker.
    Environment,
}

/// The cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Whose fault it is.
    pub blame: Blame,
    /// Stable code in snake_case.
    pub code: String,
    /// The code that it goes back to, where this cause only repeats that of another run or step: `code` then
    /// names the other, and this one can be chosen by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// One sentence with the values involved.
    pub message: String,
    /// What the user can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Cause {
    /// A cause without a hint. Its texts are cut to a bound: some come from containers.
    #[must_use]
    pub fn new(blame: Blame, code: &str, message: impl Into<String>) -> Self {
        Self {
            blame,
            code: bounded(code),
            origin: None,
            message: bounded(&message.into()),
            hint: None,
        }
    }

    /// Whether the Engine itself did not answer, or a disk takes no more: that says nothing about the step that
    /// needed it, so the step is due again until the breaker opens.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        let outage = OUTAGES.contains(&self.code.as_str());
        self.blame == Blame::Environment && (outage || self.is_of_disk())
    }

    /// Whether a disk takes no more: nothing can be measured until somebody mends that.
    #[must_use]
    pub fn is_of_disk(&self) -> bool {
        self.blame == Blame::Environment && [DISK_FULL, DISK].contains(&self.code.as_str())
    }

    /// The code of the failure that all began with: its own, unless it repeats another's.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.code)
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(bounded(&hint.into()));
        self
    }
}

/// Code of somebody else's process on a GPU of the campaign: no number made beside it can be trusted.
pub const FOREIGN_PROCESS: &str = "foreign_process";

/// Code of a GPU that answers nothing any more: only its reset or a reboot brings it back.
pub const GPU_LOST: &str = "gpu_lost";

/// Code of a disk without room: no space, no inodes, a quota or a limit on sizes reached.
pub const DISK_FULL: &str = "disk_full";

/// Code of a disk that cannot be written for another reason: read-only, no permission, broken.
pub const DISK: &str = "disk";

/// Codes of an Engine that does not answer.
const OUTAGES: [&str; 3] = [
    "engine_unreachable",
    "engine_timed_out",
    "connection_broken",
];

/// Longest text of a cause, in characters.
const MAX_TEXT: usize = 2000;

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{} ({origin}): {}", self.code, self.message)?,
            None => write!(f, "{}: {}", self.code, self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_of_the_engine_or_a_disk_and_nobody_elses_fault() {
        let cause = |blame, code| Cause::new(blame, code, "x");
        let outages = [
            "engine_unreachable",
            "engine_timed_out",
            "connection_broken",
            "disk",
            "disk_full",
        ];
        let known = outages.map(|code| cause(Blame::Environment, code).is_outage());
        assert_eq!(known, [true; 5], "{outages:?}");
        for code in outages {
            for blame in [Blame::Config, Blame::Worker] {
                let cause = cause(blame, code);
                assert!(!cause.is_outage() && !cause.is_of_disk(), "{code}");
            }
        }
        for code in [
            "engine_error",
            "container_start_failed",
            "container_lost",
            "image_missing",
            FOREIGN_PROCESS,
            GPU_LOST,
        ] {
            assert!(!cause(Blame::Environment, code).is_outage(), "{code}");
        }
    }
}
