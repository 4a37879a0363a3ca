//! The nodes and edges of the plan.

use serde::Serialize;

/// One thing to do. A closed set: the runner matches it exhaustively.
///
/// `EnsureImage`, `EnsureModel` and `Measure` are goals: done once (a model's files once a session, since they may have
/// been removed since). `StartContainer`,
/// `ProbeContainer`, `Baseline` and `LoadEngine` are conditions: they hold only while observed, and
/// are due again after a loss or in a new session. `UnloadEngine` and `StopContainer` end them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// The backend's image is on the Engine and is the one it was.
    EnsureImage {
        /// The backend.
        backend: String,
    },
    /// The model's files are on this host.
    EnsureModel {
        /// The backend whose container will mount it.
        backend: String,
    },
    /// The backend's container runs.
    StartContainer {
        /// The backend.
        backend: String,
    },
    /// It is what was asked for: user, capabilities, clock, mounts, GPUs.
    ProbeContainer {
        /// The backend.
        backend: String,
    },
    /// Idle power is known for a state of the GPUs.
    Baseline {
        /// The backend.
        backend: String,
        /// The state.
        state: BaselineState,
        /// The load it belongs to, for [`BaselineState::Resident`].
        load: Option<usize>,
    },
    /// A worker holds a loaded engine.
    LoadEngine {
        /// The backend.
        backend: String,
        /// Which load of the plan: index into [`Plan::loads`](super::Plan::loads).
        load: usize,
    },
    /// One run is measured.
    Measure {
        /// Index into [`Plan::runs`](super::Plan::runs).
        run: usize,
    },
    /// The worker has ended and what it held is free.
    UnloadEngine {
        /// The backend.
        backend: String,
        /// Index into [`Plan::loads`](super::Plan::loads).
        load: usize,
    },
    /// The container is gone.
    StopContainer {
        /// The backend.
        backend: String,
    },
}

/// States of a GPU whose idle power is a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineState {
    /// No context on the GPU: the container runs, no worker does.
    Bare,
    /// Model loaded, hot, no request.
    Resident,
}

impl BaselineState {
    /// The state's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Resident => "resident",
        }
    }
}

/// Why one step comes after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// The later one cannot be done if the earlier one failed.
    Needs,
    /// It only waits for the earlier one's end, however that was.
    After,
}
