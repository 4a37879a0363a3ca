//! The rules of one run: what was seen of it → flags and reasons.

use super::codes;
use super::identities::Identities;
use super::rules::{Coherent, VerdictRules};
use super::ruling::{RejectReason, Ruling};
use crate::energy::{Baseline, Convergence, GapState, Throttle, TotalEnergy};

/// What was seen of one run.
#[derive(Debug, Default)]
pub struct RunEvidence<'a> {
    /// Energy of its window; none where the experiment uses no GPU.
    pub energy: Option<&'a TotalEnergy>,
    /// Its figures.
    pub figures: Identities,
    /// How each GPU was held back.
    pub throttles: &'a [Throttle],
    /// How its warm-up ended; none without one.
    pub warmup: Option<Convergence>,
    /// `warmup.strict`.
    pub strict: bool,
    /// How the gap before it ended; none without one.
    pub gap: Option<GapState>,
    /// Its resident baselines.
    pub baseline: BaselineEvidence<'a>,
    /// The window is shorter than its kind needs.
    pub window_too_short: bool,
    /// Open loop: the queue grew over the window.
    pub saturated: bool,
    /// Open loop: requests of the window outlasted the drain, so its latencies leave them out.
    pub latencies_incomplete: bool,
    /// The window did not keep the campaign's `slo`.
    pub slo_missed: bool,
    /// (UUID, Xid) of the driver's errors during the run.
    pub xids: &'a [(String, u64)],
    /// UUIDs of GPUs that stopped answering.
    pub lost_gpus: &'a [String],
    /// Names of what changed in the environment since the experiment's first cycle.
    pub environment_drift: &'a [String],
    /// Readings come from the simulator.
    pub simulated: bool,
    /// The energy of some MIG device is its whole GPU's.
    pub parent_gpu: bool,
}

/// The resident baselines around a window.
#[derive(Debug, Default, Clone, Copy)]
pub struct BaselineEvidence<'a> {
    /// `baseline: required`.
    pub required: bool,
    /// Why there is none; none where there is one, or where none was asked for.
    pub missing: Option<&'a str>,
    /// One per GPU: before and after the window.
    pub around: &'a [(Baseline, Baseline)],
}

/// Judges one run. Everything that speaks against it is told, not the first thing only.
#[must_use]
pub fn judge_run(evidence: &RunEvidence<'_>, rules: &VerdictRules) -> Ruling {
    let mut ruling = Ruling::default();
    if evidence.simulated {
        ruling.flag(codes::SIMULATED);
    }
    if evidence.parent_gpu {
        ruling.flag(codes::PARENT_GPU_ENERGY);
    }
    if evidence.window_too_short {
        ruling.flag(codes::WINDOW_TOO_SHORT);
    }
    if evidence.saturated {
        ruling.flag(codes::SATURATED);
    }
    if evidence.latencies_incomplete {
        ruling.flag(codes::LATENCIES_INCOMPLETE);
    }
    if evidence.slo_missed {
        ruling.flag(codes::SLO_MISSED);
    }
    if evidence.warmup == Some(Convergence::Capped) {
        ruling.flag(codes::WARMUP_CAPPED);
        if evidence.strict {
            let message = "the warm-up ended at `warmup.max_seconds` before it had settled, and `warmup.strict` asks that it does";
            ruling.reject(RejectReason::new(codes::WARMUP_CAPPED, message.to_owned()));
        }
    }
    if evidence.gap == Some(GapState::Capped) {
        ruling.flag(codes::GAP_CAPPED);
    }
    if !evidence.environment_drift.is_empty() {
        ruling.flag(codes::ENVIRONMENT_DRIFTED);
    }
    energy(evidence, rules, &mut ruling);
    baselines(&evidence.baseline, rules, &mut ruling);
    for throttle in evidence.throttles {
        ruling.extend(throttle.judge(rules));
    }
    if !evidence.xids.is_empty() {
        ruling.flag(codes::XID_REPORTED);
    }
    for gpu in evidence.lost_gpus {
        let message = format!("{gpu} stopped answering during the run");
        ruling.reject(RejectReason::new(codes::GPU_LOST, message));
    }
    for reason in evidence.figures.reasons() {
        ruling.reject(reason);
    }
    ruling
}

fn energy(evidence: &RunEvidence<'_>, rules: &VerdictRules, ruling: &mut Ruling) {
    let Some(energy) = evidence.energy else {
        return;
    };
    if energy.joules.is_none() {
        ruling.flag(codes::ENERGY_MISSING);
    }
    for flag in &energy.flags {
        ruling.flag(flag);
    }
    for part in &energy.gpus {
        let Some(coherence) = part.coherence.filter(|coherence| coherence.coherent) else {
            continue;
        };
        ruling.flag(codes::LOAD_COHERENT);
        if rules.coherent == Coherent::Reject {
            let message = format!(
                "{}: the load repeats every {:.1} ms and the sensor updates every {:.1} ms: its errors do not average out, and `rules.coherent` asks to reject that",
                part.gpu,
                coherence.load_period_ns / 1e6,
                coherence.update_period_ns / 1e6
            );
            ruling.reject(RejectReason::new(codes::LOAD_COHERENT, message));
        }
    }
}

fn baselines(evidence: &BaselineEvidence<'_>, rules: &VerdictRules, ruling: &mut Ruling) {
    if let Some(why) = evidence.missing.filter(|_| evidence.required) {
        let message = format!("the campaign requires a baseline and there is none: {why}");
        ruling.reject(RejectReason::new(codes::BASELINE_MISSING, message));
    }
    if evidence
        .around
        .iter()
        .any(|(before, after)| before.unstable(after, rules.baseline_watts).is_some())
    {
        ruling.flag(codes::BASELINE_UNSTABLE);
    }
}

#[cfg(test)]
mod tests;
