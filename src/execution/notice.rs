//! What those who watch a campaign are told.

use super::{Event, State};
use crate::plan::Plan;

/// Something that a watcher may show.
#[derive(Debug, Clone)]
pub enum Notice<'a> {
    /// An event, journaled and on disk.
    Journaled(&'a Event),
    /// The attempt in progress entered a phase.
    Phase {
        /// The run.
        run: usize,
        /// The phase.
        phase: Phase,
    },
    /// Seconds of the gap that are left.
    GapLeft {
        /// Seconds.
        seconds: f64,
    },
    /// How far the model's files are.
    Fetched {
        /// Bytes that are there.
        done_bytes: u64,
        /// Bytes there will be.
        total_bytes: u64,
    },
    /// How far the measurement is.
    Measured {
        /// Requests finished.
        completed_requests: u64,
    },
    /// Something that the user should know and that stops nothing.
    Warning {
        /// One or two sentences.
        message: String,
    },
}

/// Phases of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the machine to settle.
    Gap,
    /// Work that is not measured.
    Warmup,
    /// Idle power is read.
    Baseline,
    /// The window.
    Measure,
    /// Copying, checking and writing.
    Store,
    /// The engine is asked for its quality.
    Assess,
}

impl Phase {
    /// The phase's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Warmup => "warm-up",
            Self::Baseline => "baseline",
            Self::Measure => "measure",
            Self::Store => "store",
            Self::Assess => "assess",
        }
    }
}

/// Somebody who watches. Must not block and cannot fail.
pub trait EventSink {
    /// Told after the fact: what a notice names is already on disk.
    fn notice(&mut self, plan: &Plan, state: &State, notice: &Notice<'_>);
}
