//! `lemctl manifest …`.

mod show;
mod verify;

use clap::Subcommand;

use super::{Outcome, Root};

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a sealed campaign's summary.
    Show(show::Show),
    /// Check that every file is what was sealed.
    Verify(verify::Verify),
}

pub(super) fn run(command: Command, root: &Root) -> Outcome {
    match command {
        Command::Show(arguments) => show::run(&arguments, root),
        Command::Verify(arguments) => verify::run(&arguments, root),
    }
}
