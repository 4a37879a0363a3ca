//! `lemctl results list`.

use clap::{Args, ValueEnum};

use super::{Outcome, Root, gather};
use crate::cli::error::near;
use crate::cli::{CliError, Format, output, target};
use crate::diagnostics::Exit;
use crate::journal::Lock;
use crate::report::{ResultsView, results_text, standing};
use crate::runner;

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl results list
  lemctl results list quickstart --verdict rejected
  lemctl results list quickstart --experiment batch_size4 --format json | jq '.runs[].figures'")]
pub(in crate::cli) struct List {
    /// A campaign's name, id, or name/id [default: the latest].
    campaign: Option<String>,
    /// Only runs of experiments whose id holds this text.
    #[arg(long, value_name = "TEXT")]
    experiment: Option<String>,
    /// Only runs that stand so.
    #[arg(long, value_enum)]
    verdict: Option<VerdictWord>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum VerdictWord {
    /// Its result stands.
    Accepted,
    /// It has a result that must not be used.
    Rejected,
    /// It has no result.
    Failed,
    /// It was not tried.
    Skipped,
    /// It is still to be measured.
    Due,
}

impl VerdictWord {
    fn fits(self, verdict: &str) -> bool {
        match self {
            Self::Accepted => verdict == "accepted",
            Self::Rejected => verdict == "rejected",
            Self::Failed => verdict == "failed",
            Self::Skipped => verdict == "skipped",
            Self::Due => matches!(verdict, "due" | "running" | "interrupted"),
        }
    }
}

pub(super) fn run(arguments: &List, root: &Root) -> Outcome {
    let folders = target::find(root, arguments.campaign.as_deref())?;
    let (planned, state, _) = runner::replayed(&folders)?;
    let live = Lock::is_held(&folders.results());
    let plan = state.plan();
    if let Some(text) = &arguments.experiment
        && !plan
            .experiments
            .iter()
            .any(|experiment| experiment.id.contains(text))
    {
        let names = plan
            .experiments
            .iter()
            .map(|experiment| experiment.id.as_str());
        let near = near(text, names);
        return Err(CliError::NoExperiment {
            campaign: folders.campaign,
            wanted: text.clone(),
            near,
        }
        .into());
    }
    let wanted = |run: &usize| {
        let of = arguments.experiment.as_ref();
        let verdict = arguments.verdict;
        of.is_none_or(|text| plan.experiment_of(*run).id.contains(text))
            && verdict.is_none_or(|word| word.fits(standing(&state, *run, live).0))
    };
    let runs = (0..plan.runs.len()).filter(wanted);
    let view = ResultsView {
        campaign: folders.campaign.clone(),
        id: folders.id.clone(),
        sealed: state.sealed().is_some(),
        tries: state.tries(),
        best: gather::best(&planned.campaign, &state),
        runs: runs
            .map(|run| gather::line(&folders, &planned.campaign, &state, run, live))
            .collect(),
    };
    match arguments.format {
        Format::Text => output::text(&results_text(&view)),
        Format::Json => output::json(&view),
    }
    Ok(Exit::Ok)
}
