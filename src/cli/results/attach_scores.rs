//! `lemctl results attach-scores`.

use camino::Utf8PathBuf;
use clap::Args;

use super::{Outcome, Root};
use crate::cli::{CliError, output, target};
use crate::clock::HostClock;
use crate::diagnostics::Exit;
use crate::execution::Event;
use crate::manifest::seal;
use crate::quality::{MAX_SCORES_BYTES, Scores};
use crate::runner;
use crate::store::{Inputs, read_bounded};

/// Arguments of `attach-scores`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is kept by its hash beside the campaign's inputs, its numbers stand in the manifest. A sealed campaign is
sealed again; the new manifest names the one before it.

Examples:
  lemctl results attach-scores quantisation vllm-fp8-3fa9c1 results_2026-11-24.json")]
pub(in crate::cli) struct AttachScores {
    /// A campaign's name, id, or name/id.
    campaign: String,
    /// An experiment's id, as `results list` and `campaign plan` print it.
    experiment: String,
    /// The results file of lm-evaluation-harness (JSON).
    file: Utf8PathBuf,
}

pub(super) fn run(arguments: &AttachScores, root: &Root) -> Outcome {
    let unreadable = |reason: String| CliError::Unreadable {
        path: arguments.file.clone(),
        reason,
        fix: "name the JSON file that lm_eval wrote with --output_path".to_owned(),
    };
    let bytes = read_bounded(&arguments.file, MAX_SCORES_BYTES)
        .map_err(|error| unreadable(error.source.to_string()))?;
    let scores = Scores::parse(&bytes).map_err(unreadable)?;
    let folders = target::find(root, Some(&arguments.campaign))?;
    let mut opened = runner::reopen(folders)?;
    if opened.state.session_open() {
        return Err(CliError::Unfinished {
            campaign: opened.folders.campaign.clone(),
            id: opened.folders.id.clone(),
            due: opened.state.tally().due,
        }
        .into());
    }
    let experiments = &opened.planned.plan.experiments;
    let found = experiments
        .iter()
        .find(|experiment| experiment.id == arguments.experiment);
    let Some(experiment) = found.map(|experiment| experiment.hash) else {
        let names = experiments.iter().map(|experiment| experiment.id.as_str());
        let near = crate::cli::error::near(&arguments.experiment, names);
        return Err(CliError::NoExperiment {
            campaign: opened.folders.campaign.clone(),
            wanted: arguments.experiment.clone(),
            near,
        }
        .into());
    };
    if opened.state.scores(&experiment).contains(&scores) {
        output::text("these scores are attached already");
        return Ok(Exit::Ok);
    }
    let sealed = opened.state.sealed().is_some();
    Inputs::new(opened.folders.inputs()).keep([bytes.as_slice()])?;
    let tasks = scores.tasks.len();
    opened.record(&Event::ScoresAttached { experiment, scores }, &HostClock)?;
    if sealed {
        let campaign = opened.planned.campaign.clone();
        seal(
            &opened.folders,
            &campaign,
            &mut opened.state,
            &mut opened.journal,
            &HostClock,
        )?;
    }
    let again = if sealed { "; sealed again" } else { "" };
    output::text(&format!(
        "scores of {tasks} tasks attached to {}{again}",
        arguments.experiment
    ));
    Ok(Exit::Ok)
}
