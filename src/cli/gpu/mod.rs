//! `lemctl gpu …`.

mod characterise;
mod found;
mod list;

use clap::Subcommand;

use super::{Outcome, Root};

/// Commands on the GPUs of this machine.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the GPUs: what they are, who uses them, what is known of their power sensors.
    List(list::List),
    /// Find how a GPU's power sensor behaves, with a known load, and keep it for later campaigns.
    Characterise(characterise::Characterise),
}

pub(super) async fn run(command: &Command, root: &Root) -> Outcome {
    match command {
        Command::List(arguments) => list::run(arguments, root),
        Command::Characterise(arguments) => characterise::run(arguments, root).await,
    }
}
