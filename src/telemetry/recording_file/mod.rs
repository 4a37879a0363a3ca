//! The readings file: one Parquet table in long form, one row per reading, written once at the end of a run.
//!
//! | column | type | meaning |
//! | --- | --- | --- |
//! | `monotonic_ns` | int64 | when, CLOCK_MONOTONIC; of a counter's step: end of the first call with the new value |
//! | `before_ns` | int64? | of a counter's step: start of the last call with the old value; of a failure: its start |
//! | `gpu` | string | UUID of the GPU or MIG device; `host` for the CPUs |
//! | `series` | string | what was read, see below |
//! | `value` | double? | in `unit`; null where the number only fits `raw` |
//! | `raw` | uint64? | integers as the driver gave them: mJ, reasons, ns, bytes |
//! | `unit` | string | unit of `value` |
//!
//! Series and units: `counter` J (raw: mJ) · `sample`, `average`, `instant`, `module` W · `temperature`,
//! `memory_temperature` celsius · `sm_clock`, `memory_clock` MHz · `pstate` 1 · `event_reasons` bits (raw only) ·
//! `gpu_utilisation`, `memory_utilisation` percent · `enforced_limit` W · `memory_used` B · `violation_…` s (raw: ns) · `xid` 1 ·
//! `counter_went_back` J · `counter_failed` 1 · `cpu_package-N`, `cpu_dram-N` J since the start.
//!
//! One row group per GPU, rows by series, then by time. Key-value metadata `lemctl.…`: schema version, library,
//! `simulated`, clock pair, start and stop, settings, scope, errors, dropped and sampler cost, as JSON.

mod encode;
mod rows;

use std::io::Write;
use std::path::Path;

use super::{Recording, TelemetryError};

/// Version of the table's columns, series and metadata keys.
pub const READINGS_SCHEMA: u32 = 1;

impl Recording {
    /// The bytes of the readings file (Parquet, zstd).
    ///
    /// # Errors
    /// [`TelemetryError::EncodingFailed`].
    pub fn encode(&self) -> Result<Vec<u8>, TelemetryError> {
        encode::encode(self).map_err(|error| TelemetryError::EncodingFailed {
            message: error.to_string(),
        })
    }

    /// Writes the readings file to `path`, which must not exist, and syncs the file. The folder is not synced: a
    /// runner that keeps results writes [`Self::encode`]'s bytes through its store.
    ///
    /// # Errors
    /// [`TelemetryError::EncodingFailed`] and [`TelemetryError::CannotWrite`].
    pub fn write(&self, path: &Path) -> Result<(), TelemetryError> {
        let bytes = self.encode()?;
        let written = std::fs::File::create_new(path).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        written.map_err(|error| TelemetryError::CannotWrite {
            path: path.display().to_string(),
            message: error.to_string(),
        })
    }
}
