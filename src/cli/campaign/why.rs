//! `lemctl campaign why`.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::{CliError, output, target};
use crate::diagnostics::Exit;
use crate::execution::RunStatus;
use crate::manifest::check_result;
use crate::report::why;
use crate::runner;

/// Arguments of `why`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lemctl campaign why reference-batch_size4-3fa9c1.c2 --campaign quickstart"
)]
pub(in crate::cli) struct Why {
    /// The run's id, as `status` prints it.
    run: String,
    /// A campaign's name, id, or name/id [default: the latest].
    #[arg(long)]
    campaign: Option<String>,
}

pub(super) fn run(arguments: &Why, root: &Root) -> Outcome {
    let folders = target::find(root, arguments.campaign.as_deref())?;
    let (_, state, _) = runner::replayed(&folders)?;
    let Some(run) = state.run_index(&arguments.run) else {
        let names = state.plan().runs.iter().map(|run| run.id.as_str());
        return Err(CliError::no_run(folders.campaign, &arguments.run, names).into());
    };
    let lost = match state.status(run) {
        RunStatus::Ended {
            result: Some(result),
            ..
        } => check_result(&folders, result).err(),
        _ => None,
    };
    let lost = lost.map(|error| error.to_string());
    output::text(&why(&state, run, lost.as_deref()));
    Ok(Exit::Ok)
}
