//! The readings file: one Parquet table in long form, written once at the end of a run.

use std::path::Path;

use super::{Recording, TelemetryError};

impl Recording {
    /// The bytes of the readings file (Parquet, zstd).
    ///
    /// # Errors
    /// [`TelemetryError::EncodingFailed`].
    pub fn encode(&self) -> Result<Vec<u8>, TelemetryError> {
        unimplemented!("M0")
    }

    /// Writes the readings file to `path`, which must not exist. Not durable by itself: a runner that keeps
    /// results writes [`Self::encode`]'s bytes through its store.
    ///
    /// # Errors
    /// [`TelemetryError::EncodingFailed`] and [`TelemetryError::CannotWrite`].
    pub fn write(&self, path: &Path) -> Result<(), TelemetryError> {
        let _ = path;
        unimplemented!("M0")
    }
}
