//! How long a plan takes, as far as the campaign file says.

use serde::Serialize;

use super::Plan;
use crate::campaign::{BaselinePolicy, Campaign};

/// Seconds that the campaign file fixes or bounds. Loading an engine is not among them: only running
/// it tells; [`Estimate::loads`] says how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Measuring, at least: the sum of `min_seconds`, or of what a schedule takes.
    pub measuring_seconds: f64,
    /// Gaps.
    pub gap_seconds: f64,
    /// Baselines around the windows: idle power before and after each, once the GPU has settled.
    pub baseline_seconds: f64,
    /// Warm-up, at most.
    pub warmup_cap_seconds: f64,
    /// Engines to load.
    pub loads: usize,
}

impl Estimate {
    /// Adds up the plan's runs.
    #[must_use]
    pub fn of(plan: &Plan, campaign: &Campaign) -> Self {
        let mut estimate = Self {
            measuring_seconds: 0.0,
            gap_seconds: 0.0,
            baseline_seconds: 0.0,
            warmup_cap_seconds: 0.0,
            loads: plan.loads.len(),
        };
        let has_baseline = campaign.baseline != BaselinePolicy::Off && !campaign.gpus.is_empty();
        let energy = &campaign.energy;
        let around =
            2.0 * (energy.baseline_seconds + energy.settle_seconds) + energy.rewarm_seconds;
        for (index, run) in plan.runs.iter().enumerate() {
            estimate.measuring_seconds += plan.experiment_of(index).workload.least_seconds();
            estimate.gap_seconds += run.gap_seconds;
            if has_baseline {
                estimate.baseline_seconds += around;
            }
            if campaign.warmup.enabled {
                estimate.warmup_cap_seconds += campaign.warmup.max_seconds;
            }
        }
        estimate
    }

    /// Seconds that it takes at least.
    #[must_use]
    pub fn at_least(&self) -> f64 {
        self.measuring_seconds + self.gap_seconds + self.baseline_seconds
    }

    /// Seconds that it takes at most, loads and overlong windows aside.
    #[must_use]
    pub fn with_warmup(&self) -> f64 {
        self.at_least() + self.warmup_cap_seconds
    }
}
