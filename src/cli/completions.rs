//! `lemctl completions` and `lemctl man`.

use clap::Args;
use clap_complete::Shell;

use super::{CliError, Outcome, output};
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
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut super::command_line(),
        "lemctl",
        &mut script,
    );
    print(&script)
}

pub(super) fn man() -> Outcome {
    let mut page = Vec::new();
    clap_mangen::Man::new(super::command_line())
        .render(&mut page)
        .map_err(|error| CliError::Output {
            reason: error.to_string(),
        })?;
    Ok(print(&page))
}

/// Generated first and printed then: a generator that meets a closed pipe (`| head`) panics.
fn print(generated: &[u8]) -> Exit {
    output::text(String::from_utf8_lossy(generated).trim_end());
    Exit::Ok
}
