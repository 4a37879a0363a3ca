//! `lemctl campaign status`.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::{Format, output, target};
use crate::diagnostics::Exit;
use crate::journal::Lock;
use crate::manifest::over_cycles;
use crate::report::{status_text, status_view};
use crate::runner;

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lemctl campaign status\n  lemctl campaign status quickstart --format json"
)]
pub(in crate::cli) struct Status {
    /// A campaign's name, id, or name/id [default: the latest].
    campaign: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Status, root: &Root) -> Outcome {
    let folders = target::find(root, arguments.campaign.as_deref())?;
    let (planned, state, _) = runner::replayed(&folders)?;
    let cycles = over_cycles(&state, &planned.campaign.rules);
    let view = status_view(&state, cycles, Lock::is_held(&folders.results()));
    match arguments.format {
        Format::Text => output::text(&status_text(&view)),
        Format::Json => output::json(&view),
    }
    Ok(Exit::Ok)
}
