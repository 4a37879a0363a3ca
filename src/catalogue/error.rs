//! What is wrong with a catalogue.

use crate::diagnostics::{Exit, Fault};

/// A catalogue that cannot be used. Catalogues come with lemctl, so this is damage or a bad edit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum CatalogueError {
    /// The text is not a catalogue.
    #[error("{file}: not a catalogue: {detail}")]
    #[diagnostic(
        code(catalogue::malformed),
        help("restore the file: git checkout -- {file}")
    )]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong and where.
        detail: String,
    },
    /// The text is a catalogue, but does not make sense.
    #[error("{file}: {detail}")]
    #[diagnostic(
        code(catalogue::inconsistent),
        help("mend the entry that is named, or restore the file: git checkout -- {file}")
    )]
    Inconsistent {
        /// The file.
        file: String,
        /// What is wrong and where.
        detail: String,
    },
    /// Two catalogues for one backend.
    #[error("two catalogues for the backend `{backend}`: {first} and {second}")]
    #[diagnostic(
        code(catalogue::duplicate),
        help("keep the one whose version is pinned")
    )]
    Duplicate {
        /// The backend.
        backend: String,
        /// Version of the first.
        first: String,
        /// Version of the second.
        second: String,
    },
}

impl Fault for CatalogueError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}
