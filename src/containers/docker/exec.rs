//! What processes say: an exec's open streams, and PID 1's log.

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;

use super::DockerEngine;
use super::errors::{Asked, translate};
use crate::containers::{ContainerId, EngineError, ExecOutput, ExecSession};

/// Bytes that one read may take from the socket: a worker's longest line fits a few.
const READ_BUFFER: usize = 64 * 1024;

/// Starts `argv` in the container, as the container's user, without a terminal.
pub(super) async fn open(
    engine: &DockerEngine,
    asked: &Asked,
    id: &ContainerId,
    argv: &[String],
) -> Result<ExecSession, EngineError> {
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        cmd: Some(argv.to_vec()),
        ..ExecConfig::default()
    };
    let docker = engine.docker();
    let created = docker.create_exec(id.as_str(), config);
    let exec = engine.answer(asked, created).await?;
    let options = StartExecOptions {
        detach: false,
        tty: false,
        output_capacity: Some(READ_BUFFER),
    };
    let started = docker.start_exec(&exec.id, Some(options));
    let started = engine.answer(asked, started).await?;
    let StartExecResults::Attached { output, input } = started else {
        return Err(asked.broken("the Engine detached an exec that was to stay attached"));
    };
    let asked = asked.clone();
    let output = output.map(move |piece| match piece {
        Ok(LogOutput::StdOut { message }) => Ok(ExecOutput::Stdout(message.into())),
        Ok(LogOutput::StdErr { message } | LogOutput::StdIn { message }) => {
            Ok(ExecOutput::Stderr(message.into()))
        }
        // Without a terminal every piece has a header: bytes without one are a stream cut in the middle.
        Ok(LogOutput::Console { .. }) => Err(asked.cut("the exec's stream ended in the middle")),
        Err(error) => Err(translate(&asked, error)),
    });
    Ok(ExecSession {
        id: exec.id,
        stdin: input,
        output: Box::pin(output),
    })
}

/// Most bytes of a log that are read.
const MAX_LOG: usize = 64 * 1024;

/// The end of PID 1's log, both streams as they came.
pub(super) async fn logs(
    docker: &Docker,
    asked: &Asked,
    id: &ContainerId,
    lines: u32,
) -> Result<String, EngineError> {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: lines.to_string(),
        ..LogsOptions::default()
    };
    let mut pieces = docker.logs(id.as_str(), Some(options));
    let mut log = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| translate(asked, error))?.into_bytes();
        let room = MAX_LOG - log.len();
        log.extend_from_slice(&piece[..piece.len().min(room)]);
        if log.len() == MAX_LOG {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&log).into_owned())
}
