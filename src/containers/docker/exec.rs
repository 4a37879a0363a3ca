//! Opens an exec and hands out its streams.

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;

use super::DockerEngine;
use super::errors::{Asked, translate};
use crate::containers::{ContainerId, EngineError, ExecOutput, ExecSession};

/// Bytes that one read may take from the socket: a worker's longest line fits a few.
const READ_BUFFER: usize = 64 * 1024;

/// Starts `argv` in the container, as the container's user, without a terminal.
pub(super) async fn open(
    docker: &Docker,
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
    let exec = DockerEngine::answer(asked, docker.create_exec(id.as_str(), config)).await?;
    let options = StartExecOptions {
        detach: false,
        tty: false,
        output_capacity: Some(READ_BUFFER),
    };
    let started = DockerEngine::answer(asked, docker.start_exec(&exec.id, Some(options))).await?;
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
        Ok(LogOutput::Console { .. }) => {
            Err(asked.broken("the exec's stream was cut off in the middle"))
        }
        Err(error) => Err(translate(&asked, error)),
    });
    Ok(ExecSession {
        id: exec.id,
        stdin: input,
        output: Box::pin(output),
    })
}
