//! What can be wrong with a journal.

use camino::Utf8PathBuf;
use miette::Diagnostic;

use crate::diagnostics::{Exit, Fault};

/// Errors of the journal.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum JournalError {
    /// The file system said no.
    #[error("cannot {action} {path}: {source}")]
    #[diagnostic(
        code(journal::io),
        help(
            "make room there, or give its permissions back (df -h, ls -ld), then: lemctl campaign resume"
        )
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what was written.
    #[error("{path}:{line}: {what}")]
    #[diagnostic(
        code(journal::damaged),
        help(
            "the journal was edited or damaged; restore it from a copy, or start the campaign anew with `lemctl campaign up`"
        )
    )]
    Damaged {
        /// The journal.
        path: Utf8PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Another lemctl holds the campaign.
    #[error("{path} is held by another lemctl{}", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    #[diagnostic(
        code(journal::locked),
        help("wait for it to end, or stop it with Ctrl-C there")
    )]
    Locked {
        /// The lock file.
        path: Utf8PathBuf,
        /// The holder, if it could be read.
        pid: Option<u32>,
    },
}

impl Fault for JournalError {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::EnvironmentNotReady,
            Self::Damaged { .. } | Self::Locked { .. } => Exit::ResumeConflict,
        }
    }
}
