//! What was done at one run: its attempts, how each ended, and why the next one was made.

use std::sync::Arc;

use super::{IllegalEvent, RunStatus};
use crate::execution::{Attempt, Because, ResultFile, Tries, Verdict};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::execution) enum Ended {
    Interrupted,
    With(Verdict, Option<ResultFile>),
}

/// Under which conditions the result that stands was made: what tells whether results may be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The session.
    pub session: u32,
    /// Which load of an engine since the campaign began, from 1: runs of one number shared it.
    pub engine_load: u32,
    /// UUIDs of the session's GPUs.
    pub gpus: Arc<[String]>,
    /// Whether they were simulated.
    pub simulated: bool,
}

/// One attempt.
#[derive(Debug, Clone)]
pub(super) struct Try {
    /// How it ended; none while it is open.
    pub(super) ended: Option<Ended>,
    /// Why it was made, if it is not the first.
    pub(super) because: Option<Because>,
    /// The run's id when it was made: an edit may give the run another one, and files lie where they were written.
    pub(super) made_as: String,
}

/// An attempt, and where its files lie.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The run's id when it was made.
    pub made_as: String,
    /// Its number.
    pub number: u32,
    /// Whether the run has another id now.
    pub renamed: bool,
    /// How it ended.
    pub attempt: Attempt,
}

/// A run's history.
#[derive(Debug, Clone)]
pub(super) struct RunState {
    pub(super) status: RunStatus,
    pub(super) attempts: Vec<Try>,
    pub(super) made: Option<Made>,
    /// Attempts that lemctl made by itself since the user last asked, or a result was lost.
    pub(super) retries: u32,
    /// Whether lemctl is to try it again by itself.
    pub(super) again: bool,
    /// Why the next attempt is made, and idle seconds at least before it, where the plan's are too few.
    pub(super) because: Option<Because>,
    pub(super) gap_seconds: Option<f64>,
}

impl RunState {
    pub(super) fn new() -> Self {
        Self {
            status: RunStatus::Due,
            attempts: Vec::new(),
            made: None,
            retries: 0,
            again: false,
            because: None,
            gap_seconds: None,
        }
    }

    pub(super) fn begin(&mut self, run: &str) {
        self.status = RunStatus::Running;
        let because = self.because.take();
        self.attempts.push(Try {
            ended: None,
            because,
            made_as: run.to_owned(),
        });
    }

    /// Forgets the result of an attempt. Tells whether it is the one that stands.
    pub(super) fn lose(&mut self, attempt: u32) -> Result<bool, IllegalEvent> {
        let place = (attempt as usize).checked_sub(1);
        let one = place.and_then(|place| self.attempts.get_mut(place));
        let ended = one.and_then(|one| one.ended.as_mut());
        let Some(Ended::With(_, result @ Some(_))) = ended else {
            return Err(IllegalEvent {
                event: "result_lost",
                why: format!("attempt {attempt} has no result"),
            });
        };
        let lost = result.take();
        Ok(matches!(
            &self.status,
            RunStatus::Ended { result, .. } if *result == lost
        ))
    }

    pub(super) fn end(&mut self, ended: Ended) {
        if let Some(last) = self.attempts.last_mut() {
            last.ended = Some(ended);
        }
    }

    pub(super) fn history(&self) -> impl Iterator<Item = Attempt> {
        self.attempts.iter().map(|one| {
            let (verdict, result) = match &one.ended {
                Some(Ended::With(verdict, result)) => (Some(verdict.clone()), result.clone()),
                Some(Ended::Interrupted) | None => (None, None),
            };
            Attempt {
                verdict,
                result,
                because: one.because.clone(),
            }
        })
    }

    /// Every attempt with its place, for a run that is called `run` now.
    pub(super) fn placed(&self, run: &str) -> impl Iterator<Item = Placed> {
        let named = self.attempts.iter().zip(1_u32..).zip(self.history());
        named.map(move |((one, number), attempt)| Placed {
            made_as: one.made_as.clone(),
            number,
            renamed: one.made_as != run,
            attempt,
        })
    }

    pub(super) fn count(&self, tries: &mut Tries) {
        for one in &self.attempts {
            tries.count(one.because.as_ref());
        }
    }
}
