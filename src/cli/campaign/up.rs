//! `lemctl campaign up`.

use camino::Utf8PathBuf;
use clap::Args;

use super::plan::MANY_EXPERIMENTS;
use super::{Outcome, Root};
use crate::cli::gpu_wait::GpuWaitArguments;
use crate::cli::nvml::NvmlArguments;
use crate::cli::session::{self, ProgressArguments, Signals};
use crate::cli::{CliError, output};
use crate::clock::HostClock;
use crate::diagnostics::{Exit, Failure};
use crate::runner::{self, Need, Planned, space};
use crate::store::Folders;

/// Arguments of `up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl campaign up campaigns/quickstart.yaml
  lemctl campaign up campaigns/large.yaml --yes --progress json > progress.jsonl")]
pub(in crate::cli) struct Up {
    /// The campaign file.
    file: Utf8PathBuf,
    /// Do not ask before a campaign of more than 100 experiments.
    #[arg(long)]
    yes: bool,
    /// Begin anew although a campaign of this name is not finished.
    #[arg(long)]
    new: bool,
    #[command(flatten)]
    nvml: NvmlArguments,
    #[command(flatten)]
    wait: GpuWaitArguments,
    #[command(flatten)]
    progress: ProgressArguments,
}

pub(super) async fn run(arguments: &Up, root: &Root) -> Outcome {
    let planned = root.plan(&arguments.file)?;
    if planned.plan.runs.is_empty() {
        let campaign = planned.campaign.name.clone();
        return Err(CliError::NothingToRun {
            campaign,
            points: planned.expansion.raw_points,
        }
        .into());
    }
    if !arguments.new {
        refuse_unfinished(root, &planned.campaign.name)?;
    }
    if !confirmed(arguments, &planned) {
        let (experiments, runs) = (planned.plan.experiments.len(), planned.plan.runs.len());
        return Err(CliError::NotConfirmed { experiments, runs }.into());
    }
    let (setting, stopper) = session::prepare(
        root,
        &planned,
        &arguments.nvml,
        arguments.wait,
        arguments.progress,
    )
    .await?;
    let need = Need::of(&planned.plan, &planned.campaign, planned.plan.runs.len());
    space::require(root.path(), &need, &setting.engine_info)?;
    let signals = Signals::hear()?;
    runner::remove_unborn(root.path(), &planned.campaign.name)?;
    let opened = runner::create(root.path(), planned, &HostClock)?;
    session::run(
        root,
        setting,
        (stopper, signals),
        opened,
        arguments.progress,
    )
    .await
}

fn confirmed(arguments: &Up, planned: &Planned) -> bool {
    let experiments = planned.plan.experiments.len();
    let question = || {
        format!(
            "{experiments} experiments, {} runs: begin?",
            planned.plan.runs.len()
        )
    };
    arguments.yes || experiments <= MANY_EXPERIMENTS || output::ask(&question()) == Some(true)
}

fn refuse_unfinished(root: &Root, name: &str) -> Result<(), Failure> {
    for folders in Folders::all(root.path())?
        .into_iter()
        .filter(|folders| folders.campaign == name)
    {
        // A folder without a readable journal never ran anything: it does not stand in the way.
        let Ok((_, state, _)) = runner::replayed(&folders) else {
            continue;
        };
        if state.sealed().is_none() {
            let due = state.tally().due;
            return Err(CliError::Unfinished {
                campaign: name.to_owned(),
                id: folders.id,
                due,
            }
            .into());
        }
    }
    Ok(())
}

/// The exit code of a campaign that is finished already.
pub(super) fn finished(state: &crate::execution::State) -> Exit {
    session::of_tally(&state.tally())
}
