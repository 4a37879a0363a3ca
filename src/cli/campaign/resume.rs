//! `lemctl campaign resume`.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::{Outcome, Root};
use crate::cli::gpu_wait::GpuWaitArguments;
use crate::cli::nvml::NvmlArguments;
use crate::cli::session::{self, ProgressArguments};
use crate::cli::{CliError, output, target};
use crate::clock::HostClock;
use crate::diagnostics::{Exit, Failure};
use crate::execution::{Event, RunStatus, State, Verdict};
use crate::runner::space::{self, Need};
use crate::runner::{self, Changes, Opened, Planned, drift, models};

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

/// Which runs are done again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Retry {
    what: What,
    code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Failed and skipped runs.
    Failed,
    /// Skipped runs.
    Skipped,
    /// Rejected runs.
    Rejected,
    /// Runs whose files are no longer what was accepted.
    Lost,
}

impl Retry {
    fn parse(text: &str) -> Result<Self, String> {
        let (word, code) = match text.split_once('=') {
            Some((word, code)) => (word, Some(code.to_owned())),
            None => (text, None),
        };
        let what = match word {
            "failed" => What::Failed,
            "skipped" => What::Skipped,
            "rejected" => What::Rejected,
            "lost" if code.is_none() => What::Lost,
            other => {
                return Err(format!(
                    "`{other}` is none of failed, skipped, rejected, lost"
                ));
            }
        };
        Ok(Self { what, code })
    }

    fn wants(&self, verdict: &Verdict) -> bool {
        let fits = |code: &str| self.code.as_deref().is_none_or(|wanted| wanted == code);
        match verdict {
            Verdict::Accepted => false,
            Verdict::Rejected { reasons } => {
                self.what == What::Rejected && reasons.iter().any(|reason| fits(&reason.code))
            }
            Verdict::Failed { cause } => self.what == What::Failed && fits(&cause.code),
            Verdict::Skipped { cause } => {
                matches!(self.what, What::Failed | What::Skipped)
                    && (fits(&cause.code) || fits(cause.origin()))
            }
        }
    }
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
    let retries = arguments
        .retry
        .as_ref()
        .is_some_and(|retry| finds_runs(&opened.state, retry));
    if opened.state.sealed().is_some() && changed.is_none() && !retries {
        return Ok(finished(&opened, arguments.progress));
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
    if let Some((planned, changes)) = changed {
        output::note(&format!("changes accepted: {changes}"));
        opened = opened.accept(planned, &HostClock)?;
    }
    if let Some(retry) = &arguments.retry {
        reopen_runs(&mut opened, retry)?;
    }
    if opened.state.sealed().is_some() {
        return Ok(finished(&opened, arguments.progress));
    }
    if !differences.is_empty() {
        opened.record(&Event::OverrideAccepted { differences }, &HostClock)?;
    }
    session::run(root, setting, stopper, opened, arguments.progress).await
}

fn finished(opened: &Opened, progress: ProgressArguments) -> Exit {
    (progress.say())(&format!(
        "campaign {} ({}) is finished and sealed; --retry does runs of it again",
        opened.folders.campaign, opened.folders.id
    ));
    super::up::finished(&opened.state)
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
fn finds_runs(state: &State, retry: &Retry) -> bool {
    let finds = retry.what == What::Lost || !chosen(state, retry).is_empty();
    if !finds {
        output::note("no run fits --retry");
    }
    finds
}

fn reopen_runs(opened: &mut Opened, retry: &Retry) -> Result<(), Failure> {
    if retry.what == What::Lost {
        for sentence in opened.recheck(&HostClock)? {
            output::note(&format!("warning: {sentence}"));
        }
        return Ok(());
    }
    let runs = chosen(&opened.state, retry);
    if runs.is_empty() {
        return Ok(());
    }
    opened.record(&Event::RunsReopened { runs }, &HostClock)?;
    Ok(())
}

fn chosen(state: &State, retry: &Retry) -> Vec<String> {
    let plan = state.plan();
    let ended = (0..plan.runs.len()).filter(|run| match state.status(*run) {
        RunStatus::Ended { verdict, .. } => retry.wants(verdict),
        RunStatus::Due | RunStatus::Running => false,
    });
    ended.map(|run| plan.runs[run].id.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::{Blame, Cause, Reason};

    #[test]
    fn a_retry_names_verdict_and_code() {
        let failed = Verdict::Failed {
            cause: Cause::new(Blame::Worker, "timed_out", "x"),
        };
        let rejected = Verdict::Rejected {
            reasons: vec![Reason {
                code: "baseline_missing".into(),
                message: String::new(),
            }],
        };
        let retry = |text| Retry::parse(text).expect(text);
        assert!(retry("failed").wants(&failed) && !retry("failed").wants(&rejected));
        assert!(retry("failed=timed_out").wants(&failed) && !retry("failed=oom").wants(&failed));
        assert!(retry("rejected=baseline_missing").wants(&rejected));
        assert!(!retry("rejected").wants(&Verdict::Accepted));
        assert!(Retry::parse("accepted").is_err());
    }

    #[test]
    fn a_code_finds_what_was_skipped_because_of_it() {
        let mut cause = Cause::new(Blame::Config, "same_as:load-engine:0", "x");
        cause.origin = Some("out_of_memory".into());
        let skipped = Verdict::Skipped { cause };
        let wants = |text| Retry::parse(text).expect(text).wants(&skipped);
        for text in [
            "failed",
            "skipped",
            "failed=out_of_memory",
            "skipped=out_of_memory",
            "skipped=same_as:load-engine:0",
        ] {
            assert!(wants(text), "{text}");
        }
        assert!(!wants("failed=timed_out") && !wants("rejected=out_of_memory"));
    }
}
