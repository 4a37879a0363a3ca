//! The verdict on a run, and what backs it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Because, Cause};
use crate::quality::Quality;
use crate::units::Digest;

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// The result stands.
    Accepted,
    /// There is a result, but it must not be used.
    Rejected {
        /// Why, at least one.
        reasons: Vec<Reason>,
    },
    /// There is no result.
    Failed {
        /// Why.
        cause: Cause,
    },
    /// The run was not tried.
    Skipped {
        /// Why.
        cause: Cause,
    },
}

impl Verdict {
    /// The verdict's word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// Why a result is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stable code in snake_case; documented in docs/formats.md.
    pub code: String,
    /// One sentence with the values involved.
    pub message: String,
}

/// A result file that the journal cites.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultFile {
    /// Path below the campaign's results folder, with `/`.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

impl ResultFile {
    /// Whether its path can only mean a file below the folder that it begins in: a journal may come from a stranger.
    #[must_use]
    pub fn is_below(&self) -> bool {
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        self.path.split('/').all(plain) && !self.path.contains(char::is_control)
    }
}

/// How the quality of an experiment was judged, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assessed {
    /// The run after which its engine was asked.
    pub run: String,
    /// The attempt's number.
    pub attempt: u32,
    /// SHA-256 of the workload file with the prompts.
    pub prompts: Digest,
    /// The engine's answers, beside the result; none if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<ResultFile>,
    /// The outcome.
    pub quality: Quality,
}

/// An attempt, as history tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Its verdict; none if it was interrupted or is still open.
    pub verdict: Option<Verdict>,
    /// Its result; none if it has none, or its file was lost.
    pub result: Option<ResultFile>,
    /// Why it was made, if another one came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
}

/// Headline figures by name (units are in the name), for tables and manifests.
pub type Figures = BTreeMap<String, f64>;
