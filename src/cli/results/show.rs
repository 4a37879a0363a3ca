//! `lemctl results show`.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::Format;

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl results show reference-batch_size4-3fa9c1.c2
  lemctl results show reference-batch_size4-3fa9c1 --campaign quickstart       an experiment over its cycles
  lemctl results show reference-batch_size4-3fa9c1.c2 --format json            the result file itself")]
pub(in crate::cli) struct Show {
    /// A run's id, or an experiment's, as `results list` prints it.
    run: String,
    /// A campaign's name, id, or name/id [default: the latest].
    #[arg(long)]
    campaign: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(_arguments: &Show, _root: &Root) -> Outcome {
    unimplemented!("M0")
}
