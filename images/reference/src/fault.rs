//! Why a request ended badly: the stable codes, and what the user can do.

use lem_protocol::Event;

/// Longest message, in characters, that goes over stdout: some quote what they were given.
const MAX_MESSAGE: usize = 1_000;

/// The stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A line that is not of the protocol, or a request that makes no sense now.
    BadRequest,
    /// A parameter that is unknown, missing, of the wrong type or out of its range.
    BadParameter,
    /// `load` came a second time.
    AlreadyLoaded,
    /// Work came before `load`.
    NotLoaded,
    /// Work came while other work is in progress.
    Busy,
    /// A GPU was asked for.
    GpuUnavailable,
    /// There is no workload file of that digest.
    WorkloadMissing,
    /// The workload file's bytes do not have the digest in its name.
    WorkloadMismatch,
    /// The workload file is not one, or not for this vocabulary.
    WorkloadInvalid,
    /// A prompt with its output is longer than the context.
    ContextExceeded,
    /// This backend cannot do it, whatever the values.
    Unsupported,
    /// The weights or the caches would not fit.
    OutOfMemory,
    /// A `cancel`, or lemctl is gone.
    Cancelled,
    /// The record could not be written.
    RecordFailed,
    /// The arithmetic failed: a flaw of this worker.
    EngineFailed,
}

impl Code {
    /// As it stands in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::BadParameter => "bad_parameter",
            Self::AlreadyLoaded => "already_loaded",
            Self::NotLoaded => "not_loaded",
            Self::Busy => "busy",
            Self::GpuUnavailable => "gpu_unavailable",
            Self::Unsupported => "unsupported",
            Self::WorkloadMissing => "workload_missing",
            Self::WorkloadMismatch => "workload_mismatch",
            Self::WorkloadInvalid => "workload_invalid",
            Self::ContextExceeded => "context_exceeded",
            Self::OutOfMemory => "out_of_memory",
            Self::Cancelled => "cancelled",
            Self::RecordFailed => "record_failed",
            Self::EngineFailed => "engine_failed",
        }
    }
}

/// A request's bad end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind.
    pub code: Code,
    /// One sentence with the values involved.
    pub message: String,
    /// What the user can do.
    pub hint: Option<&'static str>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// As it goes over stdout.
    pub fn to_event(&self) -> Event {
        Event::Error {
            code: self.code.as_str().to_owned(),
            message: self.message.chars().take(MAX_MESSAGE).collect(),
            hint: self.hint.map(str::to_owned),
        }
    }
}

impl From<candle_core::Error> for Fault {
    fn from(error: candle_core::Error) -> Self {
        Self::new(Code::EngineFailed, format!("the engine failed: {error}")).hint(
            "this is a flaw of the reference worker: please report it with the experiment's config",
        )
    }
}
