//! `lemctl campaign …`.

mod down;
mod list;
mod plan;
mod resume;
mod retry;
mod status;
mod up;
mod why;

use clap::Subcommand;

use super::{Outcome, Root};

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what a campaign file would run, and why not the rest. Writes nothing.
    Plan(plan::Plan),
    /// Begin a campaign and run it to its end.
    Up(up::Up),
    /// Go on with a campaign that is not finished, or do runs of it again.
    Resume(resume::Resume),
    /// Say where a campaign stands, run by run.
    Status(status::Status),
    /// List the campaigns of this project.
    List(list::List),
    /// Say why a run is done, stale or due.
    Why(why::Why),
    /// Remove the containers that a campaign left behind.
    Down(down::Down),
}

pub(super) async fn run(command: Command, root: &Root) -> Outcome {
    match command {
        Command::Plan(arguments) => plan::run(&arguments, root),
        Command::Up(arguments) => up::run(&arguments, root).await,
        Command::Resume(arguments) => resume::run(&arguments, root).await,
        Command::Status(arguments) => status::run(&arguments, root),
        Command::List(arguments) => list::run(&arguments, root),
        Command::Why(arguments) => why::run(&arguments, root),
        Command::Down(arguments) => down::run(&arguments, root).await,
    }
}
