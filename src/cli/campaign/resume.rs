//! `lemctl campaign resume`.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::retry::Retry;
use super::{Outcome, Root};
use crate::cli::gpu_wait::GpuWaitArguments;
use crate::cli::nvml::NvmlArguments;
use crate::cli::session::{self, ProgressArguments, Signals};
use crate::cli::{CliError, output, target};
use crate::clock::HostClock;
use crate::diagnostics::Failure;
use crate::execution::{Event, State};
use crate::runner::{self, Changes, Need, Opened, Planned, drift, models, space};

/// Arguments of `resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl campaign resume quickstart
  lemctl campaign resume campaigns/quickstart.yaml --accept-changes     after an edit
  lemctl campaign resume quickstart --retry failed                      do failed and skipped runs again
  lemctl campaign resume quickstart --retry failed=out_of_memory        and what was skipped because of them
  lemctl campaign resume quickstart --retry rejected=baseline_missing")]
pub(in crate::cli) struct Resume {
    /// A campaign's name, id, name/id, or its file [default: the latest campaign].
    campaign: Option<String>,
    /// Go on with the edited campaign file: unchanged accepted runs are kept.
    #[arg(long)]
    accept_changes: bool,
    /// Go on although images, driver, GPUs or catalogues are not those of the last session.
    #[arg(long)]
    accept_environment: bool,
    /// Do runs again: `failed` (and skipped), `skipped`, `rejected`, each with `=CODE`, or `lost` (their files are
    /// gone or altered). A code finds the runs that failed with it, and those skipped because another did.
    #[arg(long, value_name = "VERDICT[=CODE]", value_parser = Retry::parse)]
    retry: Option<Retry>,
    #[command(flatten)]
    nvml: NvmlArguments,
    #[command(flatten)]
    wait: GpuWaitArguments,
    #[command(flatten)]
    progress: ProgressArguments,
}

pub(super) async fn run(arguments: &Resume, root: &Root) -> Outcome {
    let file = arguments
        .campaign
        .as_deref()
        .map(Utf8Path::new)
        .filter(|path| path.is_file());
    let (folders, edited) = match file {
        Some(file) => {
            let planned = root.plan(file)?;
            (
                target::find(root, Some(&planned.campaign.name))?,
                Some((file.to_owned(), planned)),
            )
        }
        None => (target::find(root, arguments.campaign.as_deref())?, None),
    };
    let mut opened = runner::reopen(folders)?;
    let changed = match edited {
        Some((file, planned)) => accepted(arguments, &opened, &file, planned)?,
        None => None,
    };
    let retries = match &arguments.retry {
        Some(retry) => finds_runs(&opened.state, retry)?,
        None => false,
    };
    if opened.state.sealed().is_some() && changed.is_none() && !retries {
        return finished(&opened, arguments.progress);
    }
    // First everything that may refuse, then what is written: a sealed campaign that cannot go on stays sealed.
    let next = changed
        .as_ref()
        .map_or(&opened.planned, |(planned, _)| planned);
    let (setting, stopper) = session::prepare(
        root,
        next,
        &arguments.nvml,
        arguments.wait,
        arguments.progress,
    )
    .await?;
    let need = Need::of(&next.plan, &next.campaign, opened.state.tally().due);
    space::require(root.path(), &need, &setting.engine_info)?;
    let mut differences = drift(&opened.state, &setting.environment(&next.campaign.gpus));
    differences.extend(catalogue_drift(root, next)?);
    let models = setting.models.as_ref();
    differences.extend(
        models.and_then(|models| models::drift(models, &opened.state, &next.campaign.model)),
    );
    if !differences.is_empty() && !arguments.accept_environment {
        return Err(CliError::EnvironmentChanged {
            what: differences.join("; "),
        }
        .into());
    }
    let signals = Signals::hear()?;
    if let Some((planned, changes)) = changed {
        output::note(&format!("changes accepted: {changes}"));
        opened = opened.accept(planned, &HostClock)?;
    }
    if let Some(retry) = &arguments.retry {
        reopen_runs(&mut opened, retry)?;
    }
    if opened.state.sealed().is_some() {
        return finished(&opened, arguments.progress);
    }
    if !differences.is_empty() {
        opened.record(&Event::OverrideAccepted { differences }, &HostClock)?;
    }
    session::run(
        root,
        setting,
        (stopper, signals),
        opened,
        arguments.progress,
    )
    .await
}

fn finished(opened: &Opened, progress: ProgressArguments) -> Outcome {
    opened.mend_seal()?;
    (progress.say())(&format!(
        "campaign {} ({}) is finished and sealed; --retry does runs of it again",
        opened.folders.campaign, opened.folders.id
    ));
    Ok(super::up::finished(&opened.state))
}

/// The edited campaign, if it differs from what the campaign was begun with and may.
fn accepted(
    arguments: &Resume,
    opened: &Opened,
    file: &Utf8PathBuf,
    planned: Planned,
) -> Result<Option<(Planned, Changes)>, Failure> {
    let changes = Changes::between(opened, &planned);
    if changes.is_empty() {
        return Ok(None);
    }
    if !arguments.accept_changes {
        let (file, id) = (file.clone(), opened.folders.id.clone());
        return Err(CliError::CampaignChanged {
            file,
            id,
            what: changes.to_string(),
        }
        .into());
    }
    Ok(Some((planned, changes)))
}

/// Whether a retry may find something; what is lost shows only when every file is read.
fn finds_runs(state: &State, retry: &Retry) -> Result<bool, Failure> {
    if retry.is_of_lost() || !retry.chosen(state).is_empty() {
        return Ok(true);
    }
    output::note(&retry.means_none(state)?);
    Ok(false)
}

fn reopen_runs(opened: &mut Opened, retry: &Retry) -> Result<(), Failure> {
    if retry.is_of_lost() {
        for sentence in opened.recheck(&HostClock)? {
            output::note(&format!("warning: {sentence}"));
        }
        return Ok(());
    }
    let runs = retry.chosen(&opened.state);
    if runs.is_empty() {
        return Ok(());
    }
    opened.record(&Event::RunsReopened { runs }, &HostClock)?;
    Ok(())
}

/// Catalogues of the project that are no longer those the campaign was planned with.
fn catalogue_drift(root: &Root, next: &Planned) -> Result<Vec<String>, Failure> {
    let kept = &next.catalogues;
    let here = root.catalogues()?;
    let changed = kept
        .iter()
        .filter(|(_, text)| !here.values().any(|found| found == *text));
    Ok(changed
        .map(|(backend, _)| format!("the catalogue of {backend} was changed"))
        .collect())
}
