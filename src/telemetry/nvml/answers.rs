//! From NVML's refusals to lemctl's.

use nvml_wrapper::error::NvmlError;

use crate::telemetry::{Partial, ReadCode, ReadError};

/// Why `call` gave nothing.
pub(super) fn refused(call: &str, error: &NvmlError) -> ReadError {
    ReadError::new(code(error), call, error.to_string())
}

/// Why `call` gave nothing, from NVML's return value.
pub(super) fn refused_with(call: &str, code: u32) -> ReadError {
    refused(call, &NvmlError::from(code))
}

fn code(error: &NvmlError) -> ReadCode {
    match error {
        NvmlError::NotSupported => ReadCode::NotSupported,
        NvmlError::NoPermission | NvmlError::OperatingSystem => ReadCode::NoPermission,
        NvmlError::GpuLost | NvmlError::ResetRequired => ReadCode::GpuLost,
        NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => ReadCode::MissingSymbol,
        NvmlError::Timeout => ReadCode::TimedOut,
        NvmlError::InvalidArg | NvmlError::NulError(_) => ReadCode::InvalidArgument,
        NvmlError::Utf8Error(_) => ReadCode::Implausible,
        // 26: deprecated, this driver no longer answers it. Wrapper 0.13 has no name for it.
        NvmlError::UnexpectedVariant(26) => ReadCode::NotSupported,
        _ => ReadCode::Other,
    }
}

impl<T: Default> Partial<T> {
    /// Nothing could be read.
    pub(super) fn nothing(error: ReadError) -> Self {
        Self {
            value: T::default(),
            errors: vec![error],
        }
    }
}

/// Gathers the readable parts of one reading, and the errors of the others.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) errors: Vec<ReadError>,
}

impl Parts {
    /// The part, or its error kept.
    pub(super) fn take<T>(&mut self, read: Result<T, ReadError>) -> Option<T> {
        read.map_err(|error| self.errors.push(error)).ok()
    }

    /// The same for an answer of the wrapper.
    pub(super) fn part<T>(&mut self, call: &str, read: Result<T, NvmlError>) -> Option<T> {
        self.take(read.map_err(|error| refused(call, &error)))
    }
}
