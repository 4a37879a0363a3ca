//! `--retry VERDICT[=CODE]` of `lemctl campaign resume`: which runs it means, and what there is where it means none.

use std::collections::BTreeMap;

use crate::cli::CliError;
use crate::cli::error::near;
use crate::execution::{RunStatus, State, Verdict};

/// Which runs are done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retry {
    what: What,
    code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Failed and skipped runs.
    Failed,
    /// Skipped runs.
    Skipped,
    /// Rejected runs.
    Rejected,
    /// Runs whose files are no longer what was accepted.
    Lost,
}

impl Retry {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (word, code) = match text.split_once('=') {
            Some((_, "")) => return Err(format!("`{text}` names no code after `=`")),
            Some((word, code)) => (word, Some(code.to_owned())),
            None => (text, None),
        };
        let what = match word {
            "failed" => What::Failed,
            "skipped" => What::Skipped,
            "rejected" => What::Rejected,
            "lost" if code.is_none() => What::Lost,
            "lost" => return Err("`lost` has no code".to_owned()),
            other => {
                return Err(format!(
                    "`{other}` is none of failed, skipped, rejected, lost"
                ));
            }
        };
        Ok(Self { what, code })
    }

    /// Whether it means runs whose files are lost, which shows only when every file is read.
    pub(super) fn is_of_lost(&self) -> bool {
        self.what == What::Lost
    }

    fn wants(&self, verdict: &Verdict) -> bool {
        let fits = |code: &str| self.code.as_deref().is_none_or(|wanted| wanted == code);
        match verdict {
            Verdict::Accepted => false,
            Verdict::Rejected { reasons } => {
                self.what == What::Rejected && reasons.iter().any(|reason| fits(&reason.code))
            }
            Verdict::Failed { cause } => {
                self.what == What::Failed && (fits(&cause.code) || fits(cause.origin()))
            }
            Verdict::Skipped { cause } => {
                matches!(self.what, What::Failed | What::Skipped)
                    && (fits(&cause.code) || fits(cause.origin()))
            }
        }
    }

    /// Ids of the runs that it means.
    pub(super) fn chosen(&self, state: &State) -> Vec<String> {
        let fits = ended(state).filter(|(_, verdict)| self.wants(verdict));
        fits.map(|(run, _)| state.plan().runs[run].id.clone())
            .collect()
    }

    /// What is to be told where it means no run: a code that no run has is a mistake, and an error that names those
    /// that there are; else one sentence.
    ///
    /// # Errors
    /// [`CliError::NoSuchCode`].
    pub(super) fn means_none(&self, state: &State) -> Result<String, CliError> {
        let found = codes(state);
        let word = match self.what {
            What::Failed => "failed",
            What::Skipped => "skipped",
            What::Rejected => "rejected",
            What::Lost => "lost",
        };
        let Some(code) = &self.code else {
            return Ok(format!("no run is {word}: --retry {word} does nothing"));
        };
        let wanted = format!("{word}={code}");
        let near = near(&wanted, found.keys().map(String::as_str));
        let known = match found.is_empty() {
            true => "no run failed, was skipped or rejected".to_owned(),
            false => {
                let told = found.iter().map(|(key, runs)| format!("{key} ({runs})"));
                format!("there is: {}", told.collect::<Vec<_>>().join(", "))
            }
        };
        Err(CliError::NoSuchCode {
            wanted,
            near,
            known,
        })
    }
}

fn ended(state: &State) -> impl Iterator<Item = (usize, &Verdict)> {
    let runs = 0..state.plan().runs.len();
    runs.filter_map(|run| match state.status(run) {
        RunStatus::Ended { verdict, .. } => Some((run, verdict)),
        RunStatus::Due | RunStatus::Running => None,
    })
}

/// Every code that a retry can name, with how many runs it would find.
fn codes(state: &State) -> BTreeMap<String, usize> {
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |key: String| *codes.entry(key).or_default() += 1;
    for (_, verdict) in ended(state) {
        match verdict {
            Verdict::Accepted => {}
            Verdict::Failed { cause } => count(format!("failed={}", cause.code)),
            // What is skipped is found by what it goes back to, with what failed of that.
            Verdict::Skipped { cause } => count(format!("failed={}", cause.origin())),
            Verdict::Rejected { reasons } => {
                for reason in reasons {
                    count(format!("rejected={}", reason.code));
                }
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::{Blame, Cause, Reason};

    #[test]
    fn a_retry_names_verdict_and_code() {
        let failed = Verdict::Failed {
            cause: Cause::new(Blame::Worker, "timed_out", "x"),
        };
        let rejected = Verdict::Rejected {
            reasons: vec![Reason {
                code: "baseline_missing".into(),
                message: String::new(),
            }],
        };
        let retry = |text| Retry::parse(text).expect(text);
        assert!(retry("failed").wants(&failed) && !retry("failed").wants(&rejected));
        assert!(retry("failed=timed_out").wants(&failed) && !retry("failed=oom").wants(&failed));
        assert!(retry("rejected=baseline_missing").wants(&rejected));
        assert!(!retry("rejected").wants(&Verdict::Accepted));
        for wrong in ["accepted", "failed=", "lost=x", ""] {
            assert!(Retry::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_code_finds_what_was_skipped_because_of_it() {
        let mut cause = Cause::new(Blame::Config, "same_as:load-engine:0", "x");
        cause.origin = Some("out_of_memory".into());
        let skipped = Verdict::Skipped { cause };
        let wants = |text| Retry::parse(text).expect(text).wants(&skipped);
        for text in [
            "failed",
            "skipped",
            "failed=out_of_memory",
            "skipped=out_of_memory",
            "skipped=same_as:load-engine:0",
        ] {
            assert!(wants(text), "{text}");
        }
        assert!(!wants("failed=timed_out") && !wants("rejected=out_of_memory"));
    }
}
