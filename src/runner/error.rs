//! What ends a session of the runner early.

use miette::Diagnostic;

use super::space::NoSpace;
use crate::campaign::CampaignReport;
use crate::catalogue::CatalogueError;
use crate::containers::{EngineError, SpecError};
use crate::diagnostics::{Exit, Fault};
use crate::execution::IllegalEvent;
use crate::journal::JournalError;
use crate::manifest::SealError;
use crate::store::StoreError;

/// Errors that no verdict can express: the session cannot go on. The journal stays resumable.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum RunnerError {
    /// Journal.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
    /// Files.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// Engine.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineError),
    /// Compose file against overlay.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Spec(#[from] SpecError),
    /// Sealing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Seal(#[from] SealError),
    /// A campaign file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Campaign(#[from] CampaignReport),
    /// A catalogue.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Catalogue(#[from] CatalogueError),
    /// There is no room.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NoSpace(#[from] NoSpace),
    /// What is on disk does not fit what was asked.
    #[error("{what}")]
    #[diagnostic(code(runner::conflict), help("{fix}"))]
    Conflict {
        /// What does not fit.
        what: String,
        /// The way out.
        fix: String,
    },
    /// A bug.
    #[error("{0}")]
    #[diagnostic(
        code(runner::internal),
        help("this is a bug of lemctl: please report it with the journal")
    )]
    Internal(#[from] IllegalEvent),
}

impl Fault for RunnerError {
    fn exit(&self) -> Exit {
        match self {
            Self::Journal(error) => error.exit(),
            Self::Store(error) => error.exit(),
            Self::Engine(error) => error.exit(),
            Self::Spec(error) => error.exit(),
            Self::Seal(error) => error.exit(),
            Self::Campaign(error) => error.exit(),
            Self::Catalogue(error) => error.exit(),
            Self::NoSpace(error) => error.exit(),
            Self::Conflict { .. } => Exit::ResumeConflict,
            Self::Internal(_) => Exit::Internal,
        }
    }
}
