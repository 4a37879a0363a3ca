//! The runs of a campaign from its manifest alone, where results and journal are not at hand. Every file is absent then,
//! and with them the flags.

use std::collections::BTreeMap;

use super::best::{Best, Candidate};
use super::{ResultLine, ResultsView, why_not};
use crate::manifest::{ExperimentEntry, Manifest};
use crate::quality::{Quality, QualityStatus};

/// Lines and the best experiment as a manifest has them. One of version 1 knows no quality, and so no best.
#[must_use]
pub fn results_of_manifest(manifest: &Manifest) -> ResultsView {
    let experiments: BTreeMap<&str, &ExperimentEntry> = manifest
        .experiments
        .iter()
        .map(|experiment| (experiment.id.as_str(), experiment))
        .collect();
    let quality = |experiment: &str| {
        let entry = experiments.get(experiment);
        let quality: Option<&Quality> = entry.and_then(|entry| entry.quality.as_ref());
        quality.map_or(QualityStatus::NotAssessed, |quality| quality.status)
    };
    let runs = manifest.runs.iter().map(|run| ResultLine {
        run: run.run.clone(),
        experiment: run.experiment.clone(),
        cycle: run.cycle,
        verdict: run.verdict.word(),
        why: why_not(&run.verdict),
        quality: quality(&run.experiment).word(),
        simulated: run.measured_on.as_ref().map(|made| made.simulated),
        engine_load: run.measured_on.as_ref().map(|made| made.engine_load),
        attempts: u32::try_from(run.attempts.len()).unwrap_or(u32::MAX),
        figures: run.figures.clone(),
        flags: Vec::new(),
        result: run.result.clone(),
        file: run.result.as_ref().map(|_| "absent"),
    });
    ResultsView {
        campaign: manifest.campaign.name.clone(),
        id: manifest.campaign.id.clone(),
        sealed: true,
        best: Best::of(manifest.experiments.iter().filter_map(candidate)),
        runs: runs.collect(),
    }
}

fn candidate(entry: &ExperimentEntry) -> Option<Candidate<'_>> {
    Some(Candidate {
        experiment: &entry.id,
        cycles: entry.cycles.as_ref()?,
        quality: entry.quality.as_ref()?,
        open_loop: entry
            .config
            .pointer("/workload/arrival/kind")
            .is_some_and(|kind| kind == "open_loop"),
    })
}
