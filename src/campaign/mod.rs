//! Campaigns: the text of a campaign file → a validated [`Campaign`] → its grid → experiments → hashes.
//!
//! Pure: no file, clock or environment; prompt files come through [`PromptSource`]. Knows nothing of plans,
//! containers or workers. Every problem of a file is reported at once, at its place.

mod expand;
mod grid;
mod identity;
mod length;
mod load;
mod model;
mod policy;
mod prompts;
mod prune;
mod quality;
mod report;
mod resolve;
mod schema;
mod spec;
mod workload;

pub use expand::{Expansion, Experiment, PrunedPoint};
pub use grid::{Grid, GridCount, MAX_RAW_POINTS, Point};
pub use load::load;
pub use model::{MAX_CONFIG_BYTES, ModelConfig, ModelRequest, is_commit};
pub use policy::{
    AutoCycles, BaselinePolicy, Breaker, Cycles, EnergyPolicy, ExecutionPolicy, FIRST_AUTO_CYCLES,
    GapPolicy, GapUntil, LeakPolicy, Profiler, QualityPolicy, ReadingSeconds, ReferenceSpec,
    RetryPolicy, Structure, Timeouts, WarmupPolicy,
};
pub use prompts::{MAX_PROMPT_FILE_BYTES, PromptSource};
pub use prune::{Pruned, Survey};
pub use quality::{QualityGate, QualityPrompts};
pub use report::CampaignReport;
pub use schema::schema;
pub use workload::{PromptLength, Workload, WorkloadContent};

use crate::energy::{Slo, VerdictRules};
use crate::units::Digest;

/// A validated campaign, not yet expanded.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// Its name: safe in paths.
    pub name: String,
    /// The text of its file.
    pub text: String,
    /// The model.
    pub model: ModelRequest,
    /// How runs are ordered and paced.
    pub execution: ExecutionPolicy,
    /// How runs are warmed up.
    pub warmup: WarmupPolicy,
    /// Whether the idle power is measured.
    pub baseline: BaselinePolicy,
    /// What is read of the GPUs, and how baselines are taken.
    pub energy: EnergyPolicy,
    /// What a run may leave on a GPU.
    pub leaks: LeakPolicy,
    /// Thresholds of verdicts.
    pub rules: VerdictRules,
    /// How outputs are judged.
    pub quality: QualityGate,
    /// Whether an engine of another version than the catalogue's is refused.
    pub strict_versions: bool,
    /// Latencies that the service has to keep, if the campaign says.
    pub slo: Option<Slo>,
    /// UUIDs of the GPUs to run on.
    pub gpus: Vec<String>,
    /// The grid.
    pub grid: Grid,
    plan: workload::WorkloadPlan,
}

impl Campaign {
    /// Raw points per backend, by arithmetic.
    #[must_use]
    pub fn count(&self) -> GridCount {
        self.grid.count()
    }

    /// Which raw points are valid, without making experiments of them.
    #[must_use]
    pub fn survey(&self) -> Survey {
        self.grid.survey(&self.plan, &self.model)
    }

    /// The campaign's hash: its experiments, and what decides their order, number, gaps and choice.
    #[must_use]
    pub fn policy_digest(&self, experiments: &[Experiment]) -> Digest {
        let hashes: Vec<&Digest> = experiments
            .iter()
            .map(|experiment| &experiment.hash)
            .collect();
        let rules: Vec<_> = self
            .grid
            .catalogues()
            .into_iter()
            .map(|(backend, catalogue)| {
                let ids: Vec<&str> = catalogue
                    .rules()
                    .iter()
                    .map(|rule| rule.id.as_str())
                    .collect();
                serde_json::json!({ "backend": backend, "rules": ids })
            })
            .collect();
        let exclude: Vec<_> = self
            .grid
            .exclude
            .iter()
            .map(|exclude| serde_json::json!({ "when": exclude.written, "reason": exclude.reason }))
            .collect();
        let execution = &self.execution;
        let mut form = serde_json::json!({
            "form": 2,
            "experiments": hashes,
            "cycles": execution.cycles,
            "auto_cycles": (execution.cycles == Cycles::Auto).then_some(execution.auto_cycles),
            "structure": execution.structure,
            "seed": execution.seed,
            "config_gap_seconds": execution.config_gap_seconds,
            "cycle_gap_seconds": execution.cycle_gap_seconds,
            "gap": gap_form(&execution.gap),
            "reading_seconds": self.energy.reading_seconds,
            "leaks": self.leaks,
            "verdict_rules": self.rules,
            "force_cold_start": execution.force_cold_start,
            "gpus": self.gpus,
            "rules": rules,
            "exclude": exclude,
        });
        // Keys that came later: a campaign that does not write them keeps its hash.
        if self.strict_versions {
            form["strict_versions"] = true.into();
        }
        if execution.retries != RetryPolicy::default() {
            form["retries"] = serde_json::json!(execution.retries);
        }
        if self.unassessed().is_none() {
            form["quality"] = self.quality.form();
        }
        if let Some(slo) = self.slo {
            form["slo"] = serde_json::json!(slo);
        }
        Digest::of_canonical(&form)
    }
}

/// A gap of fixed seconds is one thing, whatever else is written beside it.
fn gap_form(gap: &GapPolicy) -> serde_json::Value {
    match gap.until {
        GapUntil::Settled => serde_json::json!(gap),
        GapUntil::Fixed => serde_json::json!({ "until": gap.until }),
    }
}
