//! `lemctl results validate`.

use clap::{Args, ValueEnum};

use super::{Outcome, Root};
use crate::cli::Format;

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

pub(super) fn run(_arguments: &Validate, _root: &Root) -> Outcome {
    unimplemented!("M0")
}
