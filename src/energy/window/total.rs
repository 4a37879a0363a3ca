//! The energy of several GPUs together. Each is kept: the sum never stands alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GpuEnergy;
use crate::energy::interval::{Interval, NORMAL_95};

/// The energy of a window on several GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotalEnergy {
    /// Sum over the GPUs, in joules, as their sensors have it. Null if any GPU has none: see `reason`.
    pub joules: Option<f64>,
    /// Which GPU has no energy, and why.
    pub reason: Option<String>,
    /// 95 % interval of `joules` from timing alone; the GPUs' errors are independent.
    pub timing: Option<Interval>,
    /// Sum of the energies after each sensor's gain and offset, in joules.
    pub absolute_joules: Option<f64>,
    /// 95 % interval of the true energy; each GPU has its own gain, so their errors are independent.
    pub absolute: Option<Interval>,
    /// Sum of the GPUs' mean powers, in watts.
    pub mean_watts: Option<f64>,
    /// What must be known of it: the flags of all GPUs, each once.
    pub flags: Vec<String>,
    /// Each GPU's own.
    pub gpus: Vec<GpuEnergy>,
}

/// Sums windows over GPUs.
///
/// Independent errors add by their variances, and a sum of several is near enough to normal: its 95 % half-width
/// is 1.96 standard deviations. (Adding the squares of the 95 % half-widths would be too narrow: that of one
/// rectangular gain is only 1.65 standard deviations.) The sum over one GPU is that GPU's own.
#[must_use]
pub fn total(parts: &[GpuEnergy]) -> TotalEnergy {
    let mut flags: Vec<String> = Vec::new();
    for flag in parts.iter().flat_map(|part| &part.flags) {
        if !flags.contains(flag) {
            flags.push(flag.clone());
        }
    }
    let missing = parts.iter().find(|part| part.joules.is_none());
    let reason = match missing {
        Some(part) => {
            let reason = part.reason.as_deref().unwrap_or("no reason given");
            Some(format!("{}: {reason}", part.gpu))
        }
        None if parts.is_empty() => Some("no_gpu: no GPU was measured".into()),
        None => None,
    };
    let joules = sum(parts, reason.is_none(), |part| part.joules);
    let absolute_joules = sum(parts, reason.is_none(), |part| part.absolute_joules);
    TotalEnergy {
        joules,
        timing: joules.and_then(|joules| {
            combined(parts, joules, |part| {
                Some((part.timing?, part.timing_sd_joules?))
            })
        }),
        absolute_joules,
        absolute: absolute_joules.and_then(|joules| {
            combined(parts, joules, |part| {
                Some((part.absolute?, part.absolute_sd_joules?))
            })
        }),
        mean_watts: sum(parts, reason.is_none(), |part| part.mean_watts),
        reason,
        flags,
        gpus: parts.to_vec(),
    }
}

fn sum(parts: &[GpuEnergy], usable: bool, of: impl Fn(&GpuEnergy) -> Option<f64>) -> Option<f64> {
    if usable {
        parts.iter().map(of).sum()
    } else {
        None
    }
}

fn combined(
    parts: &[GpuEnergy],
    joules: f64,
    of: impl Fn(&GpuEnergy) -> Option<(Interval, f64)>,
) -> Option<Interval> {
    if let [only] = parts {
        return Some(of(only)?.0);
    }
    let mut variance = 0.0;
    for part in parts {
        variance += of(part)?.1.powi(2);
    }
    let half_width = NORMAL_95 * variance.sqrt();
    Some(Interval {
        low_joules: joules - half_width,
        high_joules: joules + half_width,
    })
}
