//! What lemctl writes about one attempt that ended with a record.

use std::collections::BTreeMap;

use lem_protocol::{Mark, Parameters, Profile, Weights};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EnergyNote;
use crate::energy::split::PhaseEnergy;
use crate::energy::{
    Baseline, Convergence, FlopsEstimate, GapReading, GapState, Iteration, LeakVerdict, SloFigures,
    Throttle, WarmupCriterion, WindowFigures,
};
use crate::execution::Verdict;
use crate::store::ModelIdentity;
use crate::units::Digest;

/// Version of the result's layout.
pub const RESULT_SCHEMA_VERSION: u32 = 2;

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Version of this layout.
    pub schema_version: u32,
    /// Version of lemctl that wrote it.
    pub lemctl: String,
    /// Name of the campaign.
    pub campaign: String,
    /// Id of the campaign.
    pub campaign_id: String,
    /// The run.
    pub run: String,
    /// The attempt's number.
    pub attempt: u32,
    /// The session it was made in.
    pub session: u32,
    /// When its window ended, wall clock, RFC 3339.
    pub ended_at: String,
    /// Id of the experiment.
    pub experiment: String,
    /// Hash of the experiment: of `config`.
    pub experiment_hash: Digest,
    /// The experiment, fully resolved: what was asked.
    pub config: Value,
    /// Parameters as the engine really holds them, those of its own choosing included.
    #[serde(default)]
    pub effective: Parameters,
    /// Parameters that the engine holds with another value than was asked. Where nothing was asked (null) there is
    /// no change: `effective` says what it chose.
    pub changed_parameters: BTreeMap<String, ParameterChange>,
    /// Version of the engine that answered; the pinned one is in `config`.
    pub backend_version: String,
    /// Versions of packages that matter.
    pub packages: BTreeMap<String, String>,
    /// `cpu` or `cuda`.
    pub device: String,
    /// What the weights are.
    pub weights: Weights,
    /// Which files it was loaded from; null where the shape came from parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelIdentity>,
    /// Number of weights.
    pub model_parameters: u64,
    /// Identity of the image.
    pub image: Value,
    /// Salted hash of the host.
    pub host: String,
    /// Hash of the session's environment.
    pub environment_hash: Digest,
    /// The worker's record.
    pub record: RecordFile,
    /// When the engine's load began and ended.
    pub load_marks: Vec<Mark>,
    /// Seconds that took; null where the worker does not say.
    #[serde(default)]
    pub load_seconds: Option<f64>,
    /// Which load of the plan it was measured on.
    pub load: usize,
    /// How many runs this worker had measured before.
    pub runs_before_on_load: u32,
    /// The gap before it.
    pub gap: GapNote,
    /// Warm-up, if there was one.
    pub warmup: Option<WarmupNote>,
    /// Throughput and latency.
    pub figures: WindowFigures,
    /// How the window kept the campaign's `slo`. Null without one.
    #[serde(default)]
    pub slo: Option<SloFigures>,
    /// Floating-point operations of the window, estimated. Null where the model's size is not known.
    #[serde(default)]
    pub flops: Option<FlopsEstimate>,
    /// What the engine's profiler counted, if the campaign asked for it: times and energy hold its cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Readings are of lemctl's GPU simulator: never compared with those of a GPU.
    pub simulated: bool,
    /// Energy.
    pub energy: EnergyNote,
    /// How each GPU was held back in the window.
    pub throttling: Vec<Throttle>,
    /// Prefill and decode apart.
    pub split: Split,
    /// Idle power.
    pub baseline: BaselineNote,
    /// What was left over after the run.
    pub leak_check: LeakNote,
    /// What of the GPUs and the host differs from the session's start, by name.
    pub environment_drift: Vec<String>,
    /// What does not reject the result but must be known of it: stable codes.
    pub flags: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
}

/// A parameter that the engine changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterChange {
    /// What was asked.
    pub requested: Value,
    /// What the engine holds; null if it does not name it.
    pub effective: Value,
}

/// Names a parameter whose effective value differs from the requested one.
#[must_use]
pub fn changes(
    requested: &Parameters,
    effective: &Parameters,
) -> BTreeMap<String, ParameterChange> {
    requested
        .iter()
        .filter_map(|(name, asked)| {
            let held = effective.get(name).unwrap_or(&Value::Null);
            let same = left_open(asked)
                || asked == held
                || asked
                    .as_f64()
                    .is_some_and(|asked| held.as_f64() == Some(asked));
            (!same).then(|| {
                let change = ParameterChange {
                    requested: asked.clone(),
                    effective: held.clone(),
                };
                (name.clone(), change)
            })
        })
        .collect()
}

/// Whether a value leaves the choice to the engine: what it chose is then no change of what was asked.
fn left_open(asked: &Value) -> bool {
    asked.is_null() || asked == "auto"
}

/// The record's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordFile {
    /// Its name, beside the result.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// How the warm-up went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmupNote {
    /// How it ended.
    pub ended: Convergence,
    /// Its conditions, as they stood at the end.
    pub criteria: Vec<WarmupCriterion>,
    /// Its iterations.
    pub series: Vec<Iteration>,
    /// When the first began and the last ended, those after an idle baseline included, by the worker's own clock readings;
    /// empty where it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

/// How the gap went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GapNote {
    /// Seconds that it had to last.
    pub floor_seconds: f64,
    /// Seconds that it lasted.
    pub seconds: f64,
    /// How it ended.
    pub ended: GapState,
    /// What each GPU read at its end; empty where nothing had to settle.
    pub gpus: Vec<GapGpu>,
}

/// One GPU at the end of a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GapGpu {
    /// UUID.
    pub gpu: String,
    /// What it read.
    pub reading: Option<GapReading>,
    /// What it read in the same state after the load: the gap waits for that. Null without a baseline.
    pub reference: Option<GapReading>,
}

/// Whether prefill and decode are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// How token times were had: `measured` or `estimated`.
    pub token_timing: lem_protocol::TimingKind,
    /// Energy of prefill and of decode by GPU, or why it is refused.
    pub energy: BTreeMap<String, PhaseEnergy>,
}

/// Idle power beside the result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineNote {
    /// Before any worker ran in the container, one per GPU.
    pub bare: Vec<Baseline>,
    /// Model loaded, hot, right before the window's last warm-up, one per GPU.
    pub before: Vec<Baseline>,
    /// The same right after the window.
    pub after: Vec<Baseline>,
    /// Mean of both over the same GPUs, summed. Null without a baseline.
    pub resident_watts: Option<f64>,
    /// Why a baseline is missing: one sentence each.
    pub reasons: Vec<String>,
}

/// Leftovers beside the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakNote {
    /// What was found on each GPU, by UUID.
    pub gpus: BTreeMap<String, LeakVerdict>,
    /// Why none was checked, if so.
    pub reason: Option<String>,
}

impl LeakNote {
    /// Nothing was checked.
    #[must_use]
    pub fn none(reason: &str) -> Self {
        Self {
            gpus: BTreeMap::new(),
            reason: Some(reason.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_parameter_is_named_and_number_spelling_is_not_a_change() {
        let parameters =
            |value: Value| -> Parameters { serde_json::from_value(value).expect("an object") };
        let found = changes(
            &parameters(
                json!({"threads": 2, "temperature": 1, "dtype": "bfloat16", "gone": 1, "unset": null, "kernels": "auto"}),
            ),
            &parameters(
                json!({"threads": 1, "temperature": 1.0, "dtype": "bfloat16", "unset": 8192, "kernels": "triton"}),
            ),
        );
        assert_eq!(found.keys().collect::<Vec<_>>(), ["gone", "threads"]);
        assert_eq!(found["threads"].effective, json!(1));
    }
}
