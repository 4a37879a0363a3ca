//! `lemctl results validate`.

use clap::{Args, ValueEnum};

use super::{Outcome, Root};
use crate::cli::{Format, output, target};
use crate::diagnostics::Exit;
use crate::energy::RulesKind;
use crate::manifest::validate;
use crate::report::validation_text;
use crate::runner;

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl results validate quickstart
  lemctl results validate quickstart --rules campaign
Exit codes: 0 every rule passes, 6 a rule fails, 8 a file is absent or not what was cited.")]
pub(in crate::cli) struct Validate {
    /// A campaign's name, id, or name/id [default: the latest].
    campaign: Option<String>,
    /// The rules to pass [default: `rules.kind` of the campaign file].
    #[arg(long, value_enum)]
    rules: Option<RulesWord>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Kinds of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RulesWord {
    /// A result in a short time.
    Quick,
    /// All runs complete, with small spread and drift over the cycles.
    Campaign,
}

pub(super) fn run(arguments: &Validate, root: &Root) -> Outcome {
    let folders = target::find(root, arguments.campaign.as_deref())?;
    let (planned, state, _) = runner::replayed(&folders)?;
    let mut rules = planned.campaign.rules;
    match arguments.rules {
        Some(RulesWord::Quick) => rules.kind = RulesKind::Quick,
        Some(RulesWord::Campaign) => rules.kind = RulesKind::Campaign,
        None => {}
    }
    let validation = validate(&folders, &state, &rules)?;
    match arguments.format {
        Format::Text => output::text(&validation_text(&validation)),
        Format::Json => output::json(&validation),
    }
    Ok(match (validation.files_hold, validation.passes()) {
        (false, _) => Exit::VerificationFailed,
        (true, false) => Exit::RunsRejected,
        (true, true) => Exit::Ok,
    })
}
