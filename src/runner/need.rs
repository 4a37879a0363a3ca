//! What a campaign will write, and so the room that it needs on disks. An estimate: how fast an engine is shows only when
//! it runs. It looks at no disk.

use lem_protocol::MAX_RECORD_BYTES;

use super::Planned;
use crate::campaign::{BaselinePolicy, Campaign, Workload};
use crate::plan::Plan;

/// A result beside its record: the config twice, figures, environment, intervals.
const RESULT_BYTES: u64 = 48 << 10;
/// A run's events, and its entry in the manifest.
const JOURNAL_BYTES: u64 = 8 << 10;
/// What an engine says while it loads and works.
const LOG_BYTES: u64 = 256 << 10;
/// A second of a window in a record: a line for each request and a number for each token, at some thousand tokens a
/// second. Faster engines write more, which shows after the first run.
const RECORD_BYTES_PER_SECOND: f64 = 48.0 * 1024.0;
/// A token in a record.
const TOKEN_BYTES: u64 = 12;
/// A second of one GPU's readings, and what their file has besides.
const READING_BYTES_PER_SECOND: f64 = 2048.0;
const READINGS_BYTES: u64 = 24 << 10;
/// Files and folders of a run.
const FILES_PER_RUN: u64 = 6;

/// What a campaign will write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Of its results, bytes.
    pub results: u64,
    /// Of its results, files and folders.
    pub files: u64,
    /// Of its manifest, bytes.
    pub manifest: u64,
    /// Of what containers mount while they run, bytes: records that are not fetched yet, and prompts.
    pub live: u64,
    /// Of its largest run, bytes.
    pub largest: u64,
}

impl Need {
    /// What all runs of a campaign will write.
    pub(super) fn of_all(planned: &Planned) -> Self {
        Self::of(&planned.plan, &planned.campaign, planned.plan.runs.len())
    }

    /// What `due` runs of a plan will write; which of them they are makes no difference here.
    #[must_use]
    pub fn of(plan: &Plan, campaign: &Campaign, due: usize) -> Self {
        let experiments = plan.experiments.iter();
        let sizes: Vec<u64> = experiments
            .map(|experiment| run_bytes(campaign, &experiment.workload))
            .collect();
        let of_runs = plan.runs.iter().map(|run| sizes[run.experiment]);
        let (sum, largest) = of_runs.fold((0_u64, 0_u64), |(sum, largest), bytes| {
            (sum.saturating_add(bytes), largest.max(bytes))
        });
        let runs = plan.runs.len().max(1) as u64;
        let due = due as u64;
        let share = |all: u64| (u128::from(all) * u128::from(due) / u128::from(runs)) as u64;
        let prompts = plan.experiments.iter();
        let prompts = prompts.map(|experiment| experiment.workload.content.bytes.len() as u64);
        Self {
            results: share(sum.saturating_add(plan.loads.len() as u64 * LOG_BYTES)),
            files: due * FILES_PER_RUN + 32,
            manifest: runs * JOURNAL_BYTES,
            live: largest.saturating_add(prompts.max().unwrap_or(0)),
            largest,
        }
    }
}

fn run_bytes(campaign: &Campaign, workload: &Workload) -> u64 {
    let window = workload.least_seconds();
    let tokens = |length: &crate::campaign::PromptLength| u64::from(length.output_tokens);
    let each = workload.content.lengths.iter().map(tokens).max();
    let requests = u64::from(workload.measure.min_requests);
    let requests = requests.max(workload.content.arrivals_ns.len() as u64);
    let asked = requests.saturating_mul(each.unwrap_or(0).saturating_mul(TOKEN_BYTES) + 256);
    let record = asked.max(bytes(window, RECORD_BYTES_PER_SECOND));
    let mut all = RESULT_BYTES + JOURNAL_BYTES + record.min(MAX_RECORD_BYTES);
    if !campaign.gpus.is_empty() {
        let energy = &campaign.energy;
        let around = match campaign.baseline {
            BaselinePolicy::Off => 0.0,
            _ => 2.0 * (energy.baseline_seconds + energy.settle_seconds) + energy.rewarm_seconds,
        };
        let warming = if campaign.warmup.enabled {
            campaign.warmup.max_seconds
        } else {
            0.0
        };
        let readings = bytes(window + around + warming, READING_BYTES_PER_SECOND);
        let gpus = campaign.gpus.len() as u64;
        all = all.saturating_add(readings.saturating_mul(gpus) + READINGS_BYTES);
    }
    all
}

fn bytes(seconds: f64, per_second: f64) -> u64 {
    (seconds * per_second).clamp(0.0, 1e15) as u64
}
