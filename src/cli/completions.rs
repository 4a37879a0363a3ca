//! `lemctl completions` and `lemctl man`.

use clap::Args;
use clap_complete::Shell;

use super::{CliError, Outcome};
use crate::diagnostics::Exit;

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lemctl completions bash > ~/.local/share/bash-completion/completions/lemctl"
)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(arguments: &Completions) -> Exit {
    clap_complete::generate(
        arguments.shell,
        &mut super::command_line(),
        "lemctl",
        &mut std::io::stdout(),
    );
    Exit::Ok
}

pub(super) fn man() -> Outcome {
    clap_mangen::Man::new(super::command_line())
        .render(&mut std::io::stdout())
        .map_err(|source| CliError::Output { source })?;
    Ok(Exit::Ok)
}
