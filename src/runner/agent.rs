//! Short commands of the agent in a running container: sweep and probe.

use std::time::Duration;

use futures_util::StreamExt;
use lem_protocol::{AGENT, ProbeReport, SweepReport};
use serde::de::DeserializeOwned;

use crate::containers::{ContainerEngine, ContainerId, EngineError, ExecOutput};

/// How long a short command may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Bytes of its output that are read.
const MAX_OUTPUT: usize = 64 * 1024;

/// Kills every process of the container but PID 1.
///
/// # Errors
/// If the command could not be run or did not say what it did.
pub(super) async fn sweep<E: ContainerEngine>(
    engine: &E,
    container: &ContainerId,
) -> Result<SweepReport, EngineError> {
    ask(engine, container, "sweep").await
}

/// Looks at the container from inside.
///
/// # Errors
/// As [`sweep`].
pub(super) async fn probe<E: ContainerEngine>(
    engine: &E,
    container: &ContainerId,
) -> Result<ProbeReport, EngineError> {
    // It may be given again, so one whose answer cannot be read is: the answer may have gone to an exec of which the
    // start arrived twice, where nobody reads it.
    match ask(engine, container, "probe").await {
        Err(EngineError::Broken { .. } | EngineError::Conflict { .. }) => {
            ask(engine, container, "probe").await
        }
        answer => answer,
    }
}

async fn ask<E: ContainerEngine, T: DeserializeOwned>(
    engine: &E,
    container: &ContainerId,
    command: &str,
) -> Result<T, EngineError> {
    let command = [AGENT.to_owned(), command.to_owned()];
    let Said {
        said,
        complaint,
        what,
    } = output(engine, container, &command, LIMIT, MAX_OUTPUT).await?;
    serde_json::from_slice(&said).map_err(|_| {
        let text = if complaint.is_empty() {
            &said
        } else {
            &complaint
        };
        EngineError::Broken {
            what,
            message: crate::worker::printable(text),
        }
    })
}

/// What a short command said.
pub(super) struct Said {
    /// On stdout.
    pub said: Vec<u8>,
    /// On stderr.
    pub complaint: Vec<u8>,
    /// The command, for messages.
    pub what: String,
}

/// Runs a short command in a running container and reads what it says, up to a bound.
///
/// # Errors
/// If it could not be run, or did not end in time.
pub(super) async fn output<E: ContainerEngine>(
    engine: &E,
    container: &ContainerId,
    command: &[String],
    limit: Duration,
    most: usize,
) -> Result<Said, EngineError> {
    let what = format!("{} in container {container}", command.join(" "));
    let mut session = engine.exec(container, command).await?;
    let mut said = Vec::new();
    let mut complaint = Vec::new();
    let read = async {
        while let Some(piece) = session.output.next().await {
            let (kept, bytes) = match piece? {
                ExecOutput::Stdout(bytes) => (&mut said, bytes),
                ExecOutput::Stderr(bytes) => (&mut complaint, bytes),
            };
            let room = most.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        Ok(())
    };
    match tokio::time::timeout(limit, read).await {
        Ok(Ok(())) => Ok(Said {
            said,
            complaint,
            what,
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(EngineError::TimedOut {
            what,
            seconds: limit.as_secs(),
        }),
    }
}
