//! `lemctl params diff`.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde_json::{Value, json};

use super::{Outcome, Root, extraction};
use crate::campaign::Experiment;
use crate::catalogue::{Catalogues, Differences, Entry};
use crate::cli::{Format, output};
use crate::diagnostics::Exit;
use crate::report::{BrokenCampaign, differences_text};

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each side is a version in catalogues/, or the file of an extraction. Campaigns are planned with the\n\
    version that they use now; what they set is then held against the new one.\n\n\
    Examples:\n  lemctl params diff vllm 0.26.0 0.32.0\n  lemctl params diff vllm 0.26.0 vllm-0.33.0.json --format json"
)]
pub(in crate::cli) struct Diff {
    /// The backend.
    backend: String,
    /// The version or file to begin with.
    old: String,
    /// The version or file to compare it with.
    new: String,
    /// The folder of campaign files that are held against the new version [default: campaigns/].
    #[arg(long, value_name = "DIR")]
    campaigns: Option<Utf8PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Diff, root: &Root) -> Outcome {
    let backend = Catalogues::canonical(&arguments.backend);
    let old = extraction(root, backend, &arguments.old)?;
    let new = extraction(root, backend, &arguments.new)?;
    let differences = Differences::of(&old.parameters, &new.parameters);
    let folder = arguments
        .campaigns
        .clone()
        .unwrap_or_else(|| root.path().join("campaigns"));
    let campaigns = broken(root, &folder, backend, &new.parameters);
    let name = |version: &str| format!("{backend} {version}");
    match arguments.format {
        Format::Json => output::json(&json!({
            "backend": backend,
            "old": old.version,
            "new": new.version,
            "differences": differences,
            "campaigns": campaigns,
        })),
        Format::Text => output::text(&differences_text(
            &name(&old.version),
            &name(&new.version),
            &differences,
            &campaigns,
        )),
    }
    Ok(Exit::Ok)
}

/// What of each campaign file does not hold with other entries.
fn broken(root: &Root, folder: &Utf8Path, backend: &str, new: &[Entry]) -> Vec<BrokenCampaign> {
    let new: BTreeMap<&str, &Entry> = new
        .iter()
        .map(|entry| (entry.name.as_str(), entry))
        .collect();
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut files: Vec<Utf8PathBuf> = entries
        .map(camino::Utf8DirEntry::into_path)
        .filter(|path| path.extension() == Some("yaml"))
        .collect();
    files.sort();
    let look = |path: Utf8PathBuf| {
        let (breaks, not_read) = match root.plan(&path) {
            Ok(planned) => {
                let own = planned.plan.experiments.iter();
                let own = own.filter(|experiment| experiment.backend == backend);
                let mut breaks: Vec<String> = own
                    .flat_map(|experiment| broken_of(experiment, &new))
                    .collect();
                breaks.sort();
                breaks.dedup();
                (breaks, None)
            }
            Err(failure) => {
                let told = failure.to_string();
                (Vec::new(), told.lines().next().map(str::to_owned))
            }
        };
        BrokenCampaign {
            file: root.shown(&path),
            breaks,
            not_read,
        }
    };
    files.into_iter().map(look).collect()
}

/// What an experiment sets that the new version does not have, or not so.
fn broken_of(experiment: &Experiment, new: &BTreeMap<&str, &Entry>) -> Vec<String> {
    let catalogue = experiment.catalogue();
    let set = experiment.engine.iter().chain(&experiment.request);
    let set = set.filter(|(name, value)| match catalogue.parameters().get(*name) {
        // The worker's own are no engine's, and a default follows the version.
        Some(parameter) => parameter.origin.is_some() && **value != parameter.default,
        None => true,
    });
    let judge = |(name, value): (&String, &Value)| match new.get(name.as_str()) {
        None => Some(format!("sets `{name}`, which is no longer there")),
        Some(entry) => entry.admit(value).err().map(|mismatch| mismatch.message),
    };
    set.filter_map(judge).collect()
}
