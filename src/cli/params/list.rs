//! `lemctl params list`.

use clap::Args;

use super::{Outcome, Root, catalogue};
use crate::cli::{Format, output};
use crate::diagnostics::Exit;
use crate::report::{list_text, list_view};

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lemctl params list vllm\n  lemctl params list vllm --all --format json | jq '.extra[].name'"
)]
pub(in crate::cli) struct List {
    /// The backend.
    backend: String,
    /// Its version [default: the one that catalogues/pins.json names].
    #[arg(long)]
    version: Option<String>,
    /// Also what `extra` takes, what is excluded, and what is no longer there.
    #[arg(long)]
    all: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &List, root: &Root) -> Outcome {
    let catalogue = catalogue(root, &arguments.backend, arguments.version.as_deref())?;
    match arguments.format {
        Format::Json => output::json(&list_view(&catalogue, arguments.all)),
        Format::Text => output::text(&list_text(&catalogue, arguments.all)),
    }
    Ok(Exit::Ok)
}
