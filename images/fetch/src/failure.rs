//! Why a fetch did not work: a code, a sentence, and what the user can do.

use std::io;
use std::path::Path;

use lem_protocol::FetchReply;

/// A failure on its way to the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the file system said of `path`.
    pub fn disk(action: &str, path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot {action} {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::full(message),
            _ => Self::new("disk", message).hint(
                "check that the models' folder belongs to the user who measures (PUID in .env)",
            ),
        }
    }

    /// There is no room.
    pub fn full(message: impl Into<String>) -> Self {
        Self::new("disk_full", message).hint(
            "make room, or set LEM_MODELS to a folder on a larger disk; what was fetched so far is kept and gone on with",
        )
    }

    /// As the last line of the conversation.
    pub fn into_reply(self) -> FetchReply {
        FetchReply::Error {
            code: self.code.to_owned(),
            message: self.message,
            hint: self.hint,
        }
    }
}
