//! `lemctl manifest show`.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::{CliError, Format, output, target};
use crate::diagnostics::Exit;
use crate::manifest::{MANIFEST_FILE, Manifest};
use crate::report::summary_text;

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lemctl manifest show quickstart\n  lemctl manifest show quickstart --format json"
)]
pub(in crate::cli) struct Show {
    /// A campaign's name, id, or name/id [default: the latest].
    campaign: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Show, root: &Root) -> Outcome {
    let folders = target::find_sealed(root, arguments.campaign.as_deref())?;
    let path = folders.manifests().join(MANIFEST_FILE);
    let unreadable = |reason: String| CliError::Unreadable {
        path: path.clone(),
        reason,
        fix: format!("is it sealed? lemctl campaign status {}", folders.campaign),
    };
    let manifest = Manifest::read(&folders).map_err(unreadable)?;
    match arguments.format {
        Format::Json => output::json(&manifest),
        Format::Text => {
            let tally = manifest.tally;
            output::text(&format!(
                "campaign {} {}\n  campaign hash {}\n  {} runs: {} accepted, {} rejected, {} failed, {} skipped; {} sessions\n  environment {}\n",
                manifest.campaign.name,
                manifest.campaign.id,
                manifest.campaign.hash,
                manifest.runs.len(),
                tally.accepted,
                tally.rejected,
                tally.failed,
                tally.skipped,
                manifest.sessions,
                manifest.environment_hash,
            ));
            output::text(&summary_text(&manifest));
        }
    }
    Ok(Exit::Ok)
}
