//! What lemctl and `lem-fetch`, the program that fills the model store, say to each other.
//!
//! One request on the program's stdin, as one line of JSON, and after it, on a line of its own, the token of the hub if
//! there is one: there it stands in no file, no variable and no list of processes. JSON lines on its stdout. The last is `resolved`,
//! `done` or `error`. Folders are relative to the program's root, which is [`MODELS`](crate::MODELS) in a container.

use serde::{Deserialize, Serialize};

/// What names the way in which random weights are drawn; another way must have another name.
pub const RANDOM_WEIGHTS: &str = "lemctl random weights 1";

/// Most files of one model.
pub const MAX_MODEL_FILES: usize = 4096;

/// Longest request, in bytes: a `config.json` of 1 MiB as a JSON text.
pub const MAX_FETCH_REQUEST_BYTES: u64 = 8 * 1024 * 1024;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fetch", rename_all = "snake_case", deny_unknown_fields)]
pub enum FetchRequest {
    /// Write weights drawn from a seed. Answered by [`FetchReply::Done`].
    Random {
        /// Text of the `config.json`; it is written as it is.
        config: String,
        /// Seed of the weights.
        seed: u64,
        /// Folder to write into; what is in it is replaced.
        folder: String,
    },
    /// Which commit is a revision of a repository? Answered by [`FetchReply::Resolved`].
    Resolve {
        /// The hub's address.
        endpoint: String,
        /// `organisation/name`.
        id: String,
        /// Commit, branch or tag.
        revision: String,
    },
    /// Download the files of a commit that a model needs. Answered by [`FetchReply::Done`].
    Hub {
        /// The hub's address.
        endpoint: String,
        /// `organisation/name`.
        id: String,
        /// The commit.
        commit: String,
        /// Folder to write into; what an earlier try left there is gone on with.
        folder: String,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case", deny_unknown_fields)]
pub enum FetchReply {
    /// How far it is; a few a second at most.
    Progress {
        /// Bytes on disk.
        done_bytes: u64,
        /// Bytes there will be.
        total_bytes: u64,
    },
    /// The commit that a revision is now.
    Resolved {
        /// The commit.
        commit: String,
    },
    /// All files are there, whole and synced.
    Done {
        /// The files, by path.
        files: Vec<ModelFile>,
    },
    /// It did not work.
    Error {
        /// Stable code in snake_case.
        code: String,
        /// One sentence: what went wrong, with the values involved.
        message: String,
        /// What the user can do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Path below the model's folder.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 (hex) of its bytes.
    pub sha256: String,
}
