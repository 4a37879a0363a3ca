//! `lemctl gpu characterise`.

use camino::Utf8PathBuf;
use clap::Args;

use super::{Outcome, Root};
use crate::cli::Format;
use crate::cli::nvml::NvmlArguments;

/// Arguments of `characterise`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Characterise {
    /// The GPU, by UUID [default: the only one there is].
    #[arg(long, value_name = "UUID")]
    gpu: Option<String>,
    #[command(flatten)]
    nvml: NvmlArguments,
    /// The program that loads the GPU [default: lem-load beside lemctl].
    #[arg(long, value_name = "PATH")]
    load_program: Option<Utf8PathBuf>,
    /// Readings of a physical meter, recorded beside this run: CSV of `monotonic_ns` or `unix_us`, and `watts`.
    #[arg(long, value_name = "FILE")]
    meter: Option<Utf8PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(_arguments: &Characterise, _root: &Root) -> Outcome {
    unimplemented!("M0")
}
