//! `lemctl results …`: what was measured, read back.

mod attach_scores;
mod gather;
mod list;
mod show;
mod validate;

use clap::Subcommand;

use super::{Outcome, Root};

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List runs with verdict, headline figures and flags.
    List(list::List),
    /// Show one run, or an experiment over its cycles, in full.
    Show(show::Show),
    /// Attach a harness's scores to an experiment.
    AttachScores(attach_scores::AttachScores),
    /// Check every result against its hash and the rules: PASS or FAIL a rule.
    Validate(validate::Validate),
}

pub(super) fn run(command: Command, root: &Root) -> Outcome {
    match command {
        Command::List(arguments) => list::run(&arguments, root),
        Command::Show(arguments) => show::run(&arguments, root),
        Command::AttachScores(arguments) => attach_scores::run(&arguments, root),
        Command::Validate(arguments) => validate::run(&arguments, root),
    }
}
