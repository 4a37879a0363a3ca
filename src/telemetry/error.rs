//! What can go wrong with the management library: opening it, and each single read.

use miette::Diagnostic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostics::{Exit, Fault};

/// Why there is no telemetry at all. All lead to exit 4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum TelemetryError {
    /// The library's file is not there or cannot be loaded.
    #[error("the NVIDIA management library {path} cannot be loaded: {reason}")]
    #[diagnostic(
        code(telemetry::library_missing),
        help(
            "install the NVIDIA driver (nvidia-smi must work), or name the library with --nvml-library"
        )
    )]
    LibraryMissing {
        /// Path or name that was tried.
        path: String,
        /// What the loader said.
        reason: String,
    },
    /// The file is a library, but not NVML.
    #[error("{path} is not an NVIDIA management library: it lacks {symbol}")]
    #[diagnostic(
        code(telemetry::not_nvml),
        help("name libnvidia-ml.so.1 with --nvml-library, or leave it out")
    )]
    NotNvml {
        /// Path or name that was tried.
        path: String,
        /// The symbol that every NVML has.
        symbol: String,
    },
    /// The kernel module is not loaded.
    #[error("the NVIDIA driver is not loaded")]
    #[diagnostic(
        code(telemetry::driver_not_loaded),
        help("load it (sudo modprobe nvidia), then nvidia-smi must work")
    )]
    DriverNotLoaded,
    /// Library and kernel module are of different versions.
    #[error("the NVIDIA driver in the kernel and {path} are of different versions")]
    #[diagnostic(
        code(telemetry::driver_mismatch),
        help("reboot, or reload the kernel module: the driver was updated while it was loaded")
    )]
    DriverMismatch {
        /// Path or name of the library.
        path: String,
    },
    /// The device files are not for this user.
    #[error("no permission to read the NVIDIA driver")]
    #[diagnostic(
        code(telemetry::permission_denied),
        help("give this user read and write access to /dev/nvidiactl and /dev/nvidia*")
    )]
    PermissionDenied,
    /// Any other refusal of the library to start.
    #[error("the NVIDIA management library {path} does not start: {message}")]
    #[diagnostic(code(telemetry::init_failed), help("nvidia-smi must work first"))]
    InitFailed {
        /// Path or name of the library.
        path: String,
        /// What it said.
        message: String,
    },
    /// A GPU that the library does not know.
    #[error("no GPU {gpu} on this machine; there are: {available}")]
    #[diagnostic(code(telemetry::unknown_gpu), help("lemctl gpu list"))]
    UnknownGpu {
        /// UUID that was asked.
        gpu: String,
        /// UUIDs that there are.
        available: String,
    },
    /// The system gave no thread for the sampler.
    #[error("the sampler cannot start a thread: {message}")]
    #[diagnostic(
        code(telemetry::no_thread),
        help("raise the limit on threads (ulimit -u)")
    )]
    NoThread {
        /// What the system said.
        message: String,
    },
    /// Readings could not be encoded.
    #[error("the readings cannot be encoded: {message}")]
    #[diagnostic(code(telemetry::encoding_failed))]
    EncodingFailed {
        /// What the encoder said.
        message: String,
    },
    /// The readings file could not be written.
    #[error("cannot write {path}: {message}")]
    #[diagnostic(
        code(telemetry::cannot_write),
        help("free space, or check the folder's rights")
    )]
    CannotWrite {
        /// Its path.
        path: String,
        /// What the system said.
        message: String,
    },
}

impl Fault for TelemetryError {
    fn exit(&self) -> Exit {
        match self {
            Self::EncodingFailed { .. } => Exit::Internal,
            _ => Exit::EnvironmentNotReady,
        }
    }
}

/// What kind of refusal a read met.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReadCode {
    /// This GPU or driver does not have it.
    NotSupported,
    /// Not for this user.
    NoPermission,
    /// No device of that UUID.
    UnknownGpu,
    /// The GPU fell off the bus or needs a reset.
    GpuLost,
    /// The library lacks the function.
    MissingSymbol,
    /// The library did not answer in time.
    TimedOut,
    /// The library refused the arguments.
    InvalidArgument,
    /// The library answered with something that cannot be right.
    Implausible,
    /// Anything else.
    Other,
}

impl ReadCode {
    /// Its name in results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSupported => "not_supported",
            Self::NoPermission => "no_permission",
            Self::UnknownGpu => "unknown_gpu",
            Self::GpuLost => "gpu_lost",
            Self::MissingSymbol => "missing_symbol",
            Self::TimedOut => "timed_out",
            Self::InvalidArgument => "invalid_argument",
            Self::Implausible => "implausible",
            Self::Other => "other",
        }
    }

    /// True when asking again cannot help: the GPU, driver or library will never have it.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::NotSupported
                | Self::NoPermission
                | Self::UnknownGpu
                | Self::MissingSymbol
                | Self::InvalidArgument
        )
    }
}

/// Why one read gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{call}: {message}")]
#[serde(deny_unknown_fields)]
pub struct ReadError {
    /// What kind of refusal.
    pub code: ReadCode,
    /// What was read, such as `energy` or `power_instant`.
    pub call: String,
    /// What the library said.
    pub message: String,
}

impl ReadError {
    /// A refusal of `call`.
    #[must_use]
    pub fn new(code: ReadCode, call: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            call: call.to_owned(),
            message: message.into(),
        }
    }

    /// `call: code`, the key under which refusals are counted.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}: {}", self.call, self.code.as_str())
    }
}
