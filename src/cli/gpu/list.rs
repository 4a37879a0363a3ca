//! `lemctl gpu list`.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::Format;
use crate::cli::nvml::NvmlArguments;

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lemctl gpu list\n  lemctl gpu list --format json | jq '.[].uuid'"
)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    nvml: NvmlArguments,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(_arguments: &List, _root: &Root) -> Outcome {
    unimplemented!("M0")
}
