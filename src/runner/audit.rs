//! What is really installed in a backend's image: its extraction, taken in a throwaway container.
//!
//! Knows nothing of the catalogue that it is compared with.

use std::time::Duration;

use crate::catalogue::Extracted;
use crate::containers::{ContainerEngine, ContainerId, ContainerSpec, EngineError, SpecError};
use crate::diagnostics::{Exit, Fault};
use crate::runner::prerequisites::Facts;
use crate::runner::prerequisites::probe::{FOLDER, overlay, prepare, user, why};
use crate::runner::project::ProjectError;
use crate::runner::{Identity, agent, live};
use crate::store::{Folders, StoreError};

/// How long an extraction may take: it parses a few hundred files.
const LIMIT: Duration = Duration::from_secs(180);
/// Bytes of an extraction that are read.
const MAX_OUTPUT: usize = 8 * 1024 * 1024;

/// Bytes of something else that are told.
const MAX_TOLD: usize = 400;

/// Why an image could not be asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AuditError {
    /// The backend's description.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Project(#[from] ProjectError),
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
    /// The container did not get so far.
    #[error("{problem}")]
    #[diagnostic(code(audit::not_run), help("{fix}"))]
    NotRun {
        /// What went wrong.
        problem: String,
        /// What mends it.
        fix: String,
    },
    /// What came back is no extraction.
    #[error("{what} gave no extraction: {said}")]
    #[diagnostic(
        code(audit::no_extraction),
        help(
            "lemctl images build {backend}; or extract where the engine is, and compare with --against FILE"
        )
    )]
    NoExtraction {
        /// The command.
        what: String,
        /// What it said.
        said: String,
        /// The backend.
        backend: String,
    },
}

impl Fault for AuditError {
    fn exit(&self) -> Exit {
        match self {
            Self::Project(error) => error.exit(),
            Self::Store(error) => error.exit(),
            Self::Engine(error) => error.exit(),
            Self::Spec(error) => error.exit(),
            Self::NotRun { .. } | Self::NoExtraction { .. } => Exit::EnvironmentNotReady,
        }
    }
}

/// Starts a backend's container, has it extract the parameters of the engine that is installed there, and
/// removes it.
///
/// # Errors
/// If the container cannot be started, or gives no extraction.
pub async fn installed<E: ContainerEngine>(
    engine: &E,
    facts: &Facts<'_>,
    backend: &str,
) -> Result<Extracted, AuditError> {
    let file = facts.project.compose(backend)?;
    let folders = Folders::new(
        &facts.project.root,
        "check",
        &format!("{FOLDER}{}", std::process::id()),
    );
    let identity = user(&file).unwrap_or(Identity {
        uid: facts.project.uid,
        gid: facts.project.gid,
    });
    let live = prepare(facts, &folders, backend, identity)?;
    let spec = ContainerSpec::new(&file.worker, &overlay(facts, backend, &live))?;
    let id = engine.create(&spec).await?;
    let extracted = extracted(engine, &id, backend).await;
    // Whatever came of it.
    let removed = engine.remove(&id).await;
    let cleared = live::remove(&folders.live());
    let extracted = extracted?;
    removed?;
    cleared?;
    Ok(extracted)
}

async fn extracted<E: ContainerEngine>(
    engine: &E,
    id: &ContainerId,
    backend: &str,
) -> Result<Extracted, AuditError> {
    engine.start(id).await?;
    let command = ["python3", "-m", "lem_extract", backend, "--installed"].map(str::to_owned);
    let said = match agent::output(engine, id, &command, LIMIT, MAX_OUTPUT).await {
        Ok(said) => said,
        Err(error) => {
            let (problem, fix) = why(engine, id, error).await;
            return Err(AuditError::NotRun { problem, fix });
        }
    };
    let text = String::from_utf8_lossy(&said.said);
    if let Ok(extracted) = Extracted::parse(&said.what, &text) {
        return Ok(extracted);
    }
    let told = if said.complaint.is_empty() {
        said.said
    } else {
        said.complaint
    };
    let told = crate::worker::printable(&told[..told.len().min(MAX_TOLD)]);
    // An agent that refuses lets the command begin, and takes it along when it ends.
    if let Ok(Some(state)) = engine.inspect(id).await
        && !state.running
    {
        let error = EngineError::Broken {
            what: said.what,
            message: told,
        };
        let (problem, fix) = why(engine, id, error).await;
        return Err(AuditError::NotRun { problem, fix });
    }
    Err(AuditError::NoExtraction {
        what: said.what,
        said: told,
        backend: backend.to_owned(),
    })
}
