//! Why the agent did not do what it was asked: always one line.

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

use lem_protocol::{AGENT_FAILED, AGENT_REFUSED, AGENT_USAGE, WORKER_NOT_STARTED};

/// The kinds, each with its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Called in a way it does not know.
    Usage(String),
    /// The container is not as it must be.
    Refused(Refusal),
    /// A system call failed.
    System(String),
    /// A worker's program could not be started.
    NotStarted(String),
}

/// What was found, what should have been, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code.
    pub code: &'static str,
    /// The path or variable it is about.
    pub at: String,
    /// Its value, or its owner and mode.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// The command that mends it.
    pub mend: String,
}

impl Failure {
    /// A system call that failed.
    pub fn system(doing: &str, at: impl Display, error: impl Display) -> Self {
        Self::System(format!("{doing} {at}: {error}"))
    }

    /// The process's exit code for it.
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Usage(_) => AGENT_USAGE,
            Self::Refused(_) => AGENT_REFUSED,
            Self::System(_) => AGENT_FAILED,
            Self::NotStarted(_) => WORKER_NOT_STARTED,
        };
        exit_code(code)
    }
}

/// Exit codes beyond a byte do not exist; they become 255.
pub fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

impl Display for Failure {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => write!(
                out,
                "[agent::usage] {what}; known are: init, exec --id ID [--exits DIR] -- PROGRAM [ARG…], sweep, probe, --version"
            ),
            Self::Refused(refusal) => write!(
                out,
                "refused [{}] {}: found {}; expected {}; mend it with: {}",
                refusal.code, refusal.at, refusal.found, refusal.expected, refusal.mend
            ),
            Self::System(what) => write!(out, "[agent::system] {what}"),
            Self::NotStarted(what) => write!(out, "[agent::worker_not_started] {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_with_all_five_parts() {
        let text = Failure::Refused(Refusal {
            code: "agent::outbox_not_writable",
            at: "/outbox".into(),
            found: "owner 0:0 mode 0755".into(),
            expected: "a folder that 1000:1000 can write".into(),
            mend: "chown 1000:1000 DIR".into(),
        })
        .to_string();
        assert_eq!(
            text,
            "refused [agent::outbox_not_writable] /outbox: found owner 0:0 mode 0755; \
             expected a folder that 1000:1000 can write; mend it with: chown 1000:1000 DIR"
        );
    }
}
