//! `--nvml-library`: which NVML a command reads GPUs through.

use camino::Utf8PathBuf;
use clap::Args;

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
