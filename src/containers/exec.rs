//! An exec with open streams: the path on which work is dispatched.

use std::fmt;
use std::pin::Pin;

use futures_util::Stream;
use tokio::io::AsyncWrite;

use super::EngineError;

/// A process in a container with its streams. Dropping it leaves the process running: end it through
/// the protocol or by the agent's sweep.
pub struct ExecSession {
    /// The Engine's id of the exec, for [`exec_status`](super::ContainerEngine::exec_status).
    pub id: String,
    /// Its stdin. Shutting it down is EOF for the process.
    pub stdin: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its output in pieces as the Engine cuts them: never assume a piece is a line. The end of the
    /// stream is not success: a dying daemon ends it as cleanly.
    pub output: Pin<Box<dyn Stream<Item = Result<ExecOutput, EngineError>> + Send>>,
}

impl fmt::Debug for ExecSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSession")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecOutput {
    /// From stdout.
    Stdout(Vec<u8>),
    /// From stderr.
    Stderr(Vec<u8>),
}

/// What the Engine knows of an exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecStatus {
    /// Its leader still runs.
    pub running: bool,
    /// Its exit code as the Engine has it; it can lie, so the agent's exit record is what counts.
    pub exit_code: Option<i64>,
}
