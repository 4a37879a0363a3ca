//! Whether an engine's outputs can be believed: what it made of pinned prompts, judged by itself and against a
//! reference experiment. A setting that is fast because it is broken must not win.
//!
//! Pure: it knows neither engines nor files, and nothing of time or energy.

mod check;
mod judge;
mod repetition;
mod scores;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Digest;

pub use check::{AskedPrompt, check};
pub use judge::{Limits, judge};
pub use scores::{MAX_SCORES_BYTES, Scores};

/// Whether an experiment's outputs are good. Only `passed` may be called best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QualityStatus {
    /// Sound by itself, and close to the reference.
    Passed,
    /// Not sound, or too far from the reference.
    Failed,
    /// Nothing can be said.
    NotAssessed,
}

impl QualityStatus {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotAssessed => "not_assessed",
        }
    }
}

/// Why a quality is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QualityReason {
    /// Stable code in snake_case; docs/verdicts.md explains each.
    pub code: String,
    /// One sentence with the values involved.
    pub message: String,
}

/// The quality of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// The outcome.
    pub status: QualityStatus,
    /// Why: at least one unless passed.
    pub reasons: Vec<QualityReason>,
    /// What was seen; null if nothing was.
    pub seen: Option<Seen>,
    /// Hash of the reference experiment, if the campaign names one.
    pub reference: Option<Digest>,
}

/// What was seen on the pinned prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Prompts.
    pub prompts: u32,
    /// Output tokens of all of them.
    pub output_tokens: u64,
    /// Log-probabilities that are not finite.
    pub not_finite: u64,
    /// Share of the outputs of which more than half is one short piece again and again.
    pub repetitive: f64,
    /// Mean absolute difference of the prompt tokens' log-probabilities from the reference's. Null without a reference.
    pub logprob_difference: Option<f64>,
    /// Share of the reference's greedy output tokens that come before the first difference, over all prompts. Null
    /// without a reference.
    pub greedy_agreement: Option<f64>,
}

/// Codes of reasons: stable names that scripts can rely on.
pub mod codes {
    /// The weights are dummy or random: their outputs mean nothing.
    pub const WEIGHTS: &str = "weights";
    /// `quality.assess: false`.
    pub const DISABLED: &str = "disabled";
    /// No run of the experiment was accepted, or lemctl ended before it could ask.
    pub const NOT_ASKED: &str = "not_asked";
    /// The engine refuses to say in this configuration.
    pub const ASSESS_REFUSED: &str = "assess_refused";
    /// The worker could not say; it is asked again after the experiment's next accepted run.
    pub const ASSESS_FAILED: &str = "assess_failed";
    /// The environment kept the worker from saying; it is asked again by itself, as often as a run is tried again.
    pub const ASSESS_LOST: &str = "assess_lost";
    /// What the worker left is no quality record of this.
    pub const RECORD_INVALID: &str = "record_invalid";
    /// The campaign names no reference.
    pub const NO_REFERENCE: &str = "no_reference";
    /// There is no record of the reference experiment yet, or it cannot be read.
    pub const REFERENCE_MISSING: &str = "reference_missing";
    /// The reference experiment is not sound itself.
    pub const REFERENCE_FAILED: &str = "reference_failed";
    /// The engine gives no log-probabilities of prompts.
    pub const LOGPROBS_MISSING: &str = "logprobs_missing";
    /// Log-probabilities that are not finite.
    pub const NOT_FINITE: &str = "not_finite";
    /// Not the tokens that were asked for.
    pub const TOKEN_COUNT: &str = "token_count";
    /// Outputs that go round in circles.
    pub const REPETITION: &str = "repetition";
    /// Prompts are as likely as for the reference, but not closely enough.
    pub const LOGPROB_DIFFERENCE: &str = "logprob_difference";
    /// Greedy outputs leave the reference's too early.
    pub const GREEDY_AGREEMENT: &str = "greedy_agreement";

    /// Every code.
    pub const ALL: &[&str] = &[
        WEIGHTS,
        DISABLED,
        NOT_ASKED,
        ASSESS_REFUSED,
        ASSESS_FAILED,
        ASSESS_LOST,
        RECORD_INVALID,
        NO_REFERENCE,
        REFERENCE_MISSING,
        REFERENCE_FAILED,
        LOGPROBS_MISSING,
        NOT_FINITE,
        TOKEN_COUNT,
        REPETITION,
        LOGPROB_DIFFERENCE,
        GREEDY_AGREEMENT,
    ];
}

impl Quality {
    /// Nothing can be said, for one reason.
    #[must_use]
    pub fn not_assessed(code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status: QualityStatus::NotAssessed,
            reasons: vec![QualityReason {
                code: code.to_owned(),
                message,
            }],
            seen: None,
            reference: None,
        }
    }

    /// Status and codes in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let codes: Vec<&str> = self.reasons.iter().map(|one| one.code.as_str()).collect();
        match codes.is_empty() {
            true => self.status.word().to_owned(),
            false => format!("{} ({})", self.status.word(), codes.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::codes::ALL;

    #[test]
    fn the_page_explains_every_code() {
        const PAGE: &str = include_str!("../../docs/verdicts.md");
        let part = PAGE.split("\n## Quality").nth(1);
        let part = part.expect("the page has a part on quality");
        for code in ALL {
            assert!(part.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
