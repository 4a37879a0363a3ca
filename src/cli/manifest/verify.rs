//! `lemctl manifest verify`.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::{Format, output, target};
use crate::diagnostics::Exit;
use crate::runner::verified;

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  lemctl manifest verify quickstart
Without lemctl, in the manifest's folder:
  sha256sum -c --ignore-missing SHA256SUMS")]
pub(in crate::cli) struct Verify {
    /// A campaign's name, id, or name/id [default: the latest].
    campaign: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Verify, root: &Root) -> Outcome {
    let folders = target::find_sealed(root, arguments.campaign.as_deref())?;
    let verification = verified(&folders);
    let holds = verification.findings.is_empty();
    if let Some(why) = &verification.not_compared {
        output::note(&format!(
            "note: the manifest was not compared with what the journal tells: {why}"
        ));
    }
    match arguments.format {
        Format::Json => output::json(&verification),
        Format::Text if holds => output::text(&format!(
            "campaign {} {}: verified, {} files are what was sealed",
            verification.campaign, verification.id, verification.checked
        )),
        Format::Text => {
            for finding in &verification.findings {
                let kind = finding.kind.word();
                output::text(&format!(
                    "{kind}: {}: {}\n  fix: {}",
                    finding.path, finding.what, finding.fix
                ));
            }
            let count = verification.findings.len();
            let one = match verification.findings.as_slice() {
                [finding] => finding.fix.as_str(),
                _ => "each finding names its own",
            };
            output::note(&format!(
                "error[manifest::verify]: campaign {} {} does not verify: {count} findings\n  fix: {one}",
                verification.campaign, verification.id,
            ));
        }
    }
    Ok(if holds {
        Exit::Ok
    } else {
        Exit::VerificationFailed
    })
}
