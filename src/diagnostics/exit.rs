//! The exit codes of lemctl: part of its contract with scripts.

use serde::Serialize;

/// What a command's end means to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// The command line is wrong.
    Usage = 2,
    /// The campaign file is invalid; nothing was written.
    CampaignInvalid = 3,
    /// Something that lemctl needs of this machine is not there.
    EnvironmentNotReady = 4,
    /// Some runs failed or were skipped. Wins over [`Exit::RunsRejected`].
    RunsFailed = 5,
    /// Some results were rejected.
    RunsRejected = 6,
    /// What is on disk does not fit what was asked.
    ResumeConflict = 7,
    /// A sealed campaign does not verify.
    VerificationFailed = 8,
    /// A bug in lemctl.
    Internal = 70,
    /// Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}
