//! `lemctl results list`.

use clap::{Args, ValueEnum};

use super::{Outcome, Root, gather};
use crate::cli::error::near;
use crate::cli::{CliError, Format, output, target};
use crate::diagnostics::Exit;
use crate::journal::Lock;
use crate::manifest::{MANIFEST_FILE, Manifest};
use crate::report::{ResultsView, results_of_manifest, results_text, standing};
use crate::runner;
use crate::store::Folders;

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
    let folders = target::find_sealed(root, arguments.campaign.as_deref())?;
    if !folders.results().exists() {
        return of_manifest(arguments, &folders);
    }
    let (planned, state, _) = runner::replayed(&folders)?;
    let live = Lock::is_held(&folders.results());
    let plan = state.plan();
    let experiments = plan.experiments.iter();
    arguments.known(
        &folders,
        experiments.map(|experiment| experiment.id.as_str()),
    )?;
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
    arguments.print(&view);
    Ok(Exit::Ok)
}

/// Where only the manifest came along: its own words, and what is absent.
fn of_manifest(arguments: &List, folders: &Folders) -> Outcome {
    let manifest = Manifest::read(folders).map_err(|error| CliError::Unreadable {
        path: folders.manifests().join(MANIFEST_FILE),
        reason: error,
        fix: "take it from where it was sealed: git checkout".to_owned(),
    })?;
    let experiments = manifest.experiments.iter();
    arguments.known(
        folders,
        experiments.map(|experiment| experiment.id.as_str()),
    )?;
    let mut view = results_of_manifest(&manifest);
    view.runs.retain(|line| {
        let of = arguments.experiment.as_ref();
        of.is_none_or(|text| line.experiment.contains(text))
            && arguments.verdict.is_none_or(|word| word.fits(line.verdict))
    });
    let files = view.runs.iter().filter(|line| line.file.is_some()).count();
    output::note(&format!(
        "note: results/{}/{} is absent, and with it {files} result files and the journal: listed from the manifest alone, without flags",
        folders.campaign, folders.id
    ));
    arguments.print(&view);
    Ok(Exit::Ok)
}

impl List {
    /// An experiment that is asked for is one of the campaign's.
    fn known<'a>(
        &self,
        folders: &Folders,
        experiments: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), CliError> {
        match &self.experiment {
            Some(text) if !experiments.clone().any(|id| id.contains(text.as_str())) => {
                Err(CliError::NoExperiment {
                    campaign: folders.campaign.clone(),
                    wanted: text.clone(),
                    near: near(text, experiments),
                })
            }
            _ => Ok(()),
        }
    }

    fn print(&self, view: &ResultsView) {
        match self.format {
            Format::Text => output::text(&results_text(view)),
            Format::Json => output::json(view),
        }
    }
}
