//! When a run is tried again without being asked, and why an attempt followed another: the rule, and its words.
//! Who counts the attempts is the state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Blame, FOREIGN_PROCESS, GPU_LOST, Reason, Verdict};
use crate::campaign::RetryPolicy;
use crate::energy::codes;

/// Why an attempt was made after an earlier one at the same run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Because {
    /// The one before was cut short: by a stop, a kill or a crash.
    Interrupted,
    /// lemctl tried again by itself.
    Retried {
        /// What the one before ended with.
        reason: Reason,
    },
    /// The user asked for it.
    Reopened,
    /// The files of a result were gone or altered.
    ResultLost,
}

/// How often runs were tried: what a reader must know, since each further try is a choice among results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tries {
    /// Attempts that were begun.
    pub attempts: u32,
    /// Of them, after one that was cut short.
    pub after_interruption: u32,
    /// Of them, made by lemctl itself.
    pub retried: u32,
    /// Of them, made by the user's wish.
    pub reopened: u32,
    /// Of them, made since a result was lost.
    pub after_loss: u32,
}

impl Tries {
    /// Counts one attempt.
    pub(in crate::execution) fn count(&mut self, because: Option<&Because>) {
        self.attempts += 1;
        match because {
            None => {}
            Some(Because::Interrupted) => self.after_interruption += 1,
            Some(Because::Retried { .. }) => self.retried += 1,
            Some(Because::Reopened) => self.reopened += 1,
            Some(Because::ResultLost) => self.after_loss += 1,
        }
    }

    /// In words, where some run was tried more than once: `7 attempts, of them again: 1 by lemctl itself`.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let parts = [
            (self.retried, "by lemctl itself"),
            (self.reopened, "by --retry"),
            (self.after_interruption, "after an interruption"),
            (self.after_loss, "after a result was lost"),
        ];
        let told: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!told.is_empty()).then(|| {
            format!(
                "{} attempts, of them again: {}",
                self.attempts,
                told.join(", ")
            )
        })
    }
}

/// Another attempt that lemctl makes by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Again {
    /// What the attempt before it ended with.
    pub(super) reason: Reason,
    /// Idle seconds at least before it; none where the plan's hold.
    pub(super) gap_seconds: Option<f64>,
}

/// Whether what ended so is tried again.
///
/// Heat says nothing of the experiment, and is over after a while: it is waited for. Neither does a failure of the
/// environment, or somebody else's hand on the container. Whatever else a result was rejected for would be so again, and what a worker or a config does is
/// the experiment's own: to repeat that until it works would hide how often it does not. A stranger or a lost GPU is not waited for.
pub(super) fn again(verdict: &Verdict, policy: &RetryPolicy) -> Option<Again> {
    match verdict {
        Verdict::Rejected { reasons } => {
            let thermal = |reason: &Reason| reason.code == codes::THERMAL_THROTTLING;
            let passes =
                |reason: &Reason| thermal(reason) || reason.code == codes::CONTAINER_DISTURBED;
            let reason = reasons.first().filter(|_| reasons.iter().all(passes))?;
            let hot = reasons.iter().any(thermal);
            Some(Again {
                reason: reason.clone(),
                gap_seconds: hot.then_some(policy.thermal_gap_seconds),
            })
        }
        Verdict::Failed { cause } => {
            let stays = [FOREIGN_PROCESS, GPU_LOST].contains(&&*cause.code);
            let environment = cause.blame == Blame::Environment && !stays;
            environment.then(|| Again {
                reason: Reason {
                    code: cause.code.clone(),
                    message: cause.message.clone(),
                },
                gap_seconds: None,
            })
        }
        Verdict::Accepted | Verdict::Skipped { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::Cause;

    fn rejected(codes: &[&str]) -> Verdict {
        let reason = |code: &&str| Reason {
            code: (*code).to_owned(),
            message: "x".to_owned(),
        };
        Verdict::Rejected {
            reasons: codes.iter().map(reason).collect(),
        }
    }

    #[test]
    fn heat_and_the_environment_are_tried_again_and_nothing_else() {
        let failed = |blame, code| Verdict::Failed {
            cause: Cause::new(blame, code, "x"),
        };
        let policy = RetryPolicy::default();
        let gap = |verdict: &Verdict| again(verdict, &policy).map(|again| again.gap_seconds);
        let heat = rejected(&["thermal_throttling_detected"]);
        assert_eq!(gap(&heat), Some(Some(120.0)), "after a longer gap");
        assert_eq!(gap(&rejected(&["container_disturbed"])), Some(None));
        let lost = failed(Blame::Environment, "container_lost");
        assert_eq!(gap(&lost), Some(None));
        for verdict in [
            Verdict::Accepted,
            rejected(&["thermal_throttling_detected", "baseline_missing"]),
            rejected(&["gpu_lost"]),
            rejected(&[FOREIGN_PROCESS]),
            failed(Blame::Environment, FOREIGN_PROCESS),
            failed(Blame::Environment, GPU_LOST),
            failed(Blame::Worker, "worker_gone"),
            failed(Blame::Config, "out_of_memory"),
            Verdict::Skipped {
                cause: Cause::new(Blame::Environment, "needs:x", "x"),
            },
        ] {
            assert_eq!(gap(&verdict), None, "{verdict:?}");
        }
    }

    #[test]
    fn tries_are_told_only_where_there_is_something_to_tell() {
        let mut tries = Tries::default();
        tries.count(None);
        assert_eq!(tries.words(), None);
        tries.count(Some(&Because::Reopened));
        tries.count(Some(&Because::Interrupted));
        assert_eq!(
            tries.words().as_deref(),
            Some("3 attempts, of them again: 1 by --retry, 1 after an interruption")
        );
    }
}
