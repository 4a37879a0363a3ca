//! The C interface of NVML.

/// Every function that the library exports.
pub(crate) const FUNCTIONS: [&str; 1] = ["nvmlDeviceGetFieldValues"];
