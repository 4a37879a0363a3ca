//! `--nvml-library`: which NVML a command reads GPUs through.

use std::sync::Arc;

use camino::Utf8PathBuf;
use clap::Args;

use crate::telemetry::{GpuTelemetry, NvmlTelemetry, TelemetryError};

/// Flattened into every command that reads GPUs.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct NvmlArguments {
    /// The NVML library to read GPUs through: a path [default: the system's libnvidia-ml.so.1].
    #[arg(
        long = "nvml-library",
        env = "LEM_NVML_LIBRARY",
        value_name = "PATH",
        help_heading = "GPU"
    )]
    pub(super) library: Option<Utf8PathBuf>,
}

impl NvmlArguments {
    /// Opens it.
    ///
    /// # Errors
    /// If there is no such library, or no driver behind it.
    pub(super) fn open(&self) -> Result<Arc<dyn GpuTelemetry>, TelemetryError> {
        Ok(Arc::new(NvmlTelemetry::open(self.library.as_deref())?))
    }
}
