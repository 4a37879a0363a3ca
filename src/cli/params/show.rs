//! `lemctl params show`.

use clap::Args;

use super::{Outcome, Root, catalogue};
use crate::cli::error::near;
use crate::cli::{CliError, Format, output};
use crate::diagnostics::Exit;
use crate::report::{show_text, show_view};

/// Arguments of `show`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lemctl params show vllm max_num_seqs\n  lemctl params show vllm swap_space      where did it go?"
)]
pub(in crate::cli) struct Show {
    /// The backend.
    backend: String,
    /// The parameter.
    name: String,
    /// Its version [default: the one that catalogues/pins.json names].
    #[arg(long)]
    version: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Show, root: &Root) -> Outcome {
    let catalogue = catalogue(root, &arguments.backend, arguments.version.as_deref())?;
    let name = &arguments.name;
    let (Some(view), Some(text)) = (show_view(&catalogue, name), show_text(&catalogue, name))
    else {
        let known = catalogue
            .parameters()
            .keys()
            .chain(catalogue.extra().keys())
            .chain(catalogue.removed().keys());
        return Err(CliError::NoParameter {
            wanted: name.clone(),
            backend: format!("{} {}", catalogue.backend(), catalogue.version()),
            near: near(name, known.map(String::as_str)),
        }
        .into());
    };
    match arguments.format {
        Format::Json => output::json(&view),
        Format::Text => output::text(&text),
    }
    Ok(Exit::Ok)
}
