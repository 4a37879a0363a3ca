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
    ask(engine, container, "probe").await
}

async fn ask<E: ContainerEngine, T: DeserializeOwned>(
    engine: &E,
    container: &ContainerId,
    command: &str,
) -> Result<T, EngineError> {
    let what = || format!("{AGENT} {command} in container {container}");
    let mut session = engine
        .exec(container, &[AGENT.to_owned(), command.to_owned()])
        .await?;
    let mut said = Vec::new();
    let mut complaint = Vec::new();
    let read = async {
        while let Some(piece) = session.output.next().await {
            let (kept, bytes) = match piece? {
                ExecOutput::Stdout(bytes) => (&mut said, bytes),
                ExecOutput::Stderr(bytes) => (&mut complaint, bytes),
            };
            let room = MAX_OUTPUT.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        Ok(())
    };
    match tokio::time::timeout(LIMIT, read).await {
        Ok(result) => result?,
        Err(_) => {
            return Err(EngineError::TimedOut {
                what: what(),
                seconds: LIMIT.as_secs(),
            });
        }
    }
    serde_json::from_slice(&said).map_err(|_| {
        let text = if complaint.is_empty() {
            &said
        } else {
            &complaint
        };
        EngineError::Broken {
            what: what(),
            message: crate::worker::printable(text),
        }
    })
}
