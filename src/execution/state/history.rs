//! What was done at one run: its attempts, how each ended, and why the next one was made.

use std::sync::Arc;

use super::RunStatus;
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
}

/// A run's history.
#[derive(Debug, Clone)]
pub(super) struct RunState {
    pub(super) status: RunStatus,
    pub(super) attempts: Vec<Try>,
    pub(super) made: Option<Made>,
    /// Attempts that lemctl made by itself since the user last asked.
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

    pub(super) fn begin(&mut self) {
        self.status = RunStatus::Running;
        let because = self.because.take();
        self.attempts.push(Try {
            ended: None,
            because,
        });
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

    pub(super) fn count(&self, tries: &mut Tries) {
        for one in &self.attempts {
            tries.count(one.because.as_ref());
        }
    }
}
