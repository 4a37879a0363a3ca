//! `lemctl results list`.

use clap::{Args, ValueEnum};

use super::{Outcome, Root};
use crate::cli::Format;

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

pub(super) fn run(_arguments: &List, _root: &Root) -> Outcome {
    unimplemented!("M0")
}
