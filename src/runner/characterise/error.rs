//! Why a GPU could not be characterised.

use camino::Utf8PathBuf;
use miette::Diagnostic;

use crate::diagnostics::{Exit, Fault};
use crate::store::StoreError;
use crate::telemetry::{ReadError, TelemetryError};

/// Why a GPU could not be characterised.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CharacteriseError {
    /// No such GPU.
    #[error("there is no GPU{wanted}; there are: {available}")]
    #[diagnostic(code(gpu::none), help("lemctl gpu list"))]
    NoGpu {
        /// What was asked for, with a blank before it.
        wanted: String,
        /// UUIDs that there are.
        available: String,
    },
    /// Several GPUs and none named.
    #[error("there is more than one GPU: {available}")]
    #[diagnostic(code(gpu::which), help("name one: --gpu UUID"))]
    WhichGpu {
        /// UUIDs that there are.
        available: String,
    },
    /// Somebody uses it.
    #[error("GPU {gpu} is in use by {processes}")]
    #[diagnostic(
        code(gpu::in_use),
        help(
            "a known load needs the GPU for itself: wait for them to end; lemctl leaves them alone"
        )
    )]
    InUse {
        /// UUID.
        gpu: String,
        /// Pid and owner of each.
        processes: String,
    },
    /// MIG is on.
    #[error("GPU {gpu} is split into MIG devices")]
    #[diagnostic(
        code(gpu::mig),
        help("its sensor is that of the whole GPU, which no program can load while MIG is on")
    )]
    Mig {
        /// UUID.
        gpu: String,
    },
    /// The load program does not start, or is gone.
    #[error("the load program {program} {what}")]
    #[diagnostic(
        code(gpu::load_program),
        help("cargo build -p lem-load puts it beside lemctl; or name it: --load-program PATH")
    )]
    LoadProgram {
        /// Its path.
        program: Utf8PathBuf,
        /// What happened.
        what: String,
    },
    /// The load program said no.
    #[error("the GPU cannot be loaded: {message} ({reason})")]
    #[diagnostic(
        code(gpu::load),
        help(
            "the CUDA driver (libcuda.so.1) must work on this machine: nvidia-smi, then a CUDA program"
        )
    )]
    Load {
        /// Its code.
        reason: String,
        /// Its sentence.
        message: String,
    },
    /// The GPU cannot be read.
    #[error("the GPU cannot be read: {0}")]
    #[diagnostic(code(gpu::read), help("lemctl gpu list"))]
    Read(#[from] ReadError),
    /// The library cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A thread does not start.
    #[error("a polling thread does not start: {0}")]
    #[diagnostic(code(gpu::thread), help("raise the limit on threads: ulimit -u"))]
    Thread(std::io::Error),
    /// The meter's file cannot be used.
    #[error("{path} cannot be used: {reason}")]
    #[diagnostic(
        code(gpu::meter),
        help(
            "a CSV with the columns monotonic_ns or unix_us, and watts, recorded while lemctl characterised"
        )
    )]
    Meter {
        /// Its path.
        path: Utf8PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Files.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl Fault for CharacteriseError {
    fn exit(&self) -> Exit {
        match self {
            Self::WhichGpu { .. } | Self::Meter { .. } => Exit::Usage,
            Self::Telemetry(error) => error.exit(),
            Self::Store(error) => error.exit(),
            _ => Exit::EnvironmentNotReady,
        }
    }
}
