//! The energy of several GPUs together. Each is kept: the sum never stands alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GpuEnergy;
use crate::energy::interval::Interval;

/// The energy of a window on several GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalEnergy {
    /// Sum over the GPUs, in joules. Null if any GPU has none: see `reason`.
    pub joules: Option<f64>,
    /// Which GPU has no energy, and why.
    pub reason: Option<String>,
    /// 95 % interval of `joules` from timing alone; the GPUs' errors are independent.
    pub timing: Option<Interval>,
    /// 95 % interval of the true energy; each GPU has its own gain.
    pub absolute: Option<Interval>,
    /// `joules` by the window's length, in watts.
    pub mean_watts: Option<f64>,
    /// What must be known of it: the flags of all GPUs, each once.
    pub flags: Vec<String>,
    /// Each GPU's own.
    pub gpus: Vec<GpuEnergy>,
}

/// Sums windows over GPUs.
#[must_use]
pub fn total(parts: &[GpuEnergy]) -> TotalEnergy {
    let _ = parts;
    unimplemented!()
}
