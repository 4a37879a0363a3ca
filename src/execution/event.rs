//! What can happen to a campaign. These events are the journal's content; replaying them gives the
//! state back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Assessed, Cause, Figures, Reason, ResultFile, Verdict};
use crate::quality::Scores;
use crate::units::Digest;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A campaign folder was made. Always the first event, and only that.
    CampaignCreated(Fingerprint),
    /// A life of lemctl began. Conditions of an earlier one hold no more; its open attempt is interrupted.
    SessionStarted {
        /// Counts from 1.
        session: u32,
        /// Version of lemctl.
        lemctl: String,
        /// The kernel's boot id: monotonic times compare only within one.
        boot_id: String,
        /// Hash of the environment below.
        environment_hash: Digest,
        /// Host, engine and images as found.
        environment: serde_json::Value,
    },
    /// The campaign file was edited and the user accepted what follows from it.
    ChangesAccepted(Fingerprint),
    /// The user let a difference pass that lemctl refuses by itself.
    OverrideAccepted {
        /// What differs, each by name.
        differences: Vec<String>,
    },
    /// A step other than a measurement begins.
    StepStarted {
        /// Its id in the plan.
        step: String,
    },
    /// It is done: the goal is reached or the condition holds.
    StepDone {
        /// Its id in the plan.
        step: String,
        /// What is worth keeping of it.
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        detail: serde_json::Value,
    },
    /// It did not work.
    StepFailed {
        /// Its id in the plan.
        step: String,
        /// Why.
        cause: Cause,
    },
    /// A container that was there is gone or useless.
    ContainerLost {
        /// Its backend.
        backend: String,
        /// How that was seen.
        reason: String,
    },
    /// The worker is gone; its container may be fine.
    WorkerLost {
        /// Its backend.
        backend: String,
        /// How that was seen.
        reason: String,
    },
    /// An attempt at a run begins.
    AttemptStarted {
        /// The run.
        run: String,
        /// Its number, from 1.
        attempt: u32,
    },
    /// It ended with a verdict.
    AttemptEnded {
        /// The run.
        run: String,
        /// Its number.
        attempt: u32,
        /// The verdict on the run, for now: a later attempt can replace it.
        verdict: Verdict,
        /// The result file; always there when accepted or rejected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<ResultFile>,
        /// Headline figures.
        #[serde(default, skip_serializing_if = "Figures::is_empty")]
        figures: Figures,
        /// Whether its GPUs were simulated: such results are never compared with real ones.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        simulated: bool,
    },
    /// It was cut short by the user; the run is due again.
    AttemptInterrupted {
        /// The run.
        run: String,
        /// Its number.
        attempt: u32,
    },
    /// An experiment's outputs were judged, or could not be. A later one of the same experiment replaces it.
    QualityAssessed {
        /// Hash of the experiment.
        experiment: Digest,
        /// What was found.
        assessed: Assessed,
    },
    /// The user attached a harness's scores to an experiment, after a seal or before it.
    ScoresAttached {
        /// Hash of the experiment.
        experiment: Digest,
        /// The scores.
        scores: Scores,
    },
    /// A run is not tried.
    RunSkipped {
        /// The run.
        run: String,
        /// Why.
        cause: Cause,
    },
    /// A kept result no longer hashes right. If it is the one that stands, the run is due again.
    ResultLost {
        /// The run.
        run: String,
        /// The attempt whose result it was.
        attempt: u32,
        /// What was found.
        reason: String,
    },
    /// Runs are due again by the user's wish, after a seal or before it.
    RunsReopened {
        /// The runs.
        runs: Vec<String>,
    },
    /// A run is due again without having been asked for: what its last attempt ended with says nothing of the
    /// experiment. That attempt stays what it was.
    RunRetried {
        /// The run.
        run: String,
        /// The attempt that it follows.
        attempt: u32,
        /// What that one ended with.
        reason: Reason,
        /// Idle seconds at least before the next one; none where the plan's hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gap_seconds: Option<f64>,
    },
    /// `cycles: auto`: nothing was due, an interval was wider than its target, and the plan grew by a cycle.
    CycleAdded {
        /// The cycle: one more than the plan had.
        cycle: u32,
        /// Hash of all run ids of the grown plan in order: a lemctl that grows it otherwise is found by it.
        plan_hash: Digest,
        /// Which interval was too wide, in one sentence with its values.
        reason: String,
    },
    /// Too many environment failures in a row: nothing more is started in this session.
    BreakerOpened {
        /// The last of them.
        cause: Cause,
    },
    /// The user or a signal asked for an end: nothing more is started in this session.
    StopRequested {
        /// What asked.
        reason: String,
    },
    /// The life of lemctl that began last ends in order.
    SessionEnded {},
    /// Nothing is due and the manifest is written.
    Sealed {
        /// SHA-256 of manifest.json.
        manifest_sha256: Digest,
    },
}

/// What a campaign was when it was created or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The campaign's name.
    pub campaign: String,
    /// The campaign's id: the folder's name.
    pub id: String,
    /// SHA-256 of the campaign file's text.
    pub file_sha256: Digest,
    /// The campaign hash: experiments, cycles, order, gaps, rules.
    pub campaign_hash: Digest,
    /// Hash of the plan's run ids in order, as it began: a lemctl that plans otherwise is found by it.
    pub plan_hash: Digest,
    /// SHA-256 of each catalogue used, by backend.
    pub catalogues: BTreeMap<String, Digest>,
    /// SHA-256 of each prompt file, by its path in the campaign file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prompts: BTreeMap<String, Digest>,
    /// Runs in the plan, as it began.
    pub runs: u32,
}
