//! The command line: one file a command, each thin. Parses arguments, reads the project's files, hands
//! over to the layers below, prints what they give, and turns errors into exit codes.
//!
//! The only place (with `progress`) that prints, and with `containers::docker` that reads the environment.

mod campaign;
mod check;
mod completions;
mod error;
mod gpu;
mod gpu_wait;
mod images;
mod init;
mod manifest;
mod models;
mod nvml;
mod output;
mod params;
mod results;
mod root;
mod session;
mod target;

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::{Parser, Subcommand, ValueEnum};

use crate::diagnostics::{Exit, Failure};

pub use error::CliError;
pub use root::Root;

/// Result of a command.
type Outcome = Result<Exit, Failure>;

/// LLM-inference measurement campaigns: plan a grid, run it in pinned containers, seal the results.
#[derive(Debug, Parser)]
#[command(name = "lemctl", version, about, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// The project's folder [default: the nearest folder upwards that has compose/ and catalogues/].
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<Utf8PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lemctl check                                        is this machine ready?
  lemctl campaign plan campaigns/quickstart.yaml      what would run, in which order
  lemctl campaign up campaigns/quickstart.yaml        run it
  lemctl campaign resume quickstart                   go on after an interruption
  lemctl manifest verify quickstart                   is every result still what was sealed?

Exit codes: 0 ok, 2 usage, 3 campaign invalid, 4 environment not ready, 5 runs failed, 6 results rejected,
7 resume conflict, 8 verification failed, 70 internal, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Look whether a campaign could run on this machine.
    Check(check::Check),
    /// Write .env (PUID, PGID) and the folders; never overwrites.
    Init(init::Init),
    /// Build and look at the images of the backends.
    #[command(subcommand)]
    Images(images::Command),
    /// Have models before they are needed, and see which are there.
    #[command(subcommand)]
    Models(models::Command),
    /// Plan, run and follow campaigns.
    #[command(subcommand)]
    Campaign(campaign::Command),
    /// Look at the parameters that a backend has, version by version.
    #[command(subcommand)]
    Params(params::Command),
    /// Look at sealed campaigns.
    #[command(subcommand)]
    Manifest(manifest::Command),
    /// Look at results, run by run, and judge them by the rules.
    #[command(subcommand)]
    Results(results::Command),
    /// Look at the GPUs and their power sensors.
    #[command(subcommand)]
    Gpu(gpu::Command),
    /// Print completions for a shell.
    Completions(completions::Completions),
    /// Print the manual page.
    Man,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    keep_strangers_out();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // A closed pipe is no reason to fail differently.
            let _ = error.print();
            return ExitCode::from(if wrong { Exit::Usage.code() } else { 0 });
        }
    };
    let outcome = dispatch(cli).and_then(|exit| match output::lost() {
        Some(error) if exit == Exit::Ok => Err(CliError::Output {
            reason: error.to_string(),
        }
        .into()),
        _ => Ok(exit),
    });
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            output::error(&failure);
            ExitCode::from(failure.exit().code())
        }
    }
}

fn dispatch(cli: Cli) -> Outcome {
    let Cli { root, command } = cli;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Runtime { source })?;
    runtime.block_on(async {
        match command {
            Command::Check(arguments) => check::run(&arguments, &Root::find(root)?).await,
            Command::Init(arguments) => init::run(&arguments, &Root::find(root)?),
            Command::Images(command) => images::run(command, &Root::find(root)?).await,
            Command::Models(command) => models::run(command, &Root::find(root)?).await,
            Command::Campaign(command) => campaign::run(command, &Root::find(root)?).await,
            Command::Params(command) => params::run(command, &Root::find(root)?).await,
            Command::Manifest(command) => manifest::run(command, &Root::find(root)?),
            Command::Results(command) => results::run(command, &Root::find(root)?),
            Command::Gpu(command) => gpu::run(&command, &Root::find(root)?).await,
            Command::Completions(arguments) => Ok(completions::run(&arguments)),
            Command::Man => completions::man(),
        }
    })
}

/// Whatever the umask says, nobody outside of the user's group writes to what lemctl writes: a result that anybody can
/// change is none. All else of the umask is the user's choice.
fn keep_strangers_out() {
    use rustix::fs::Mode;
    let chosen = rustix::process::umask(Mode::RWXU.complement());
    rustix::process::umask(chosen | Mode::WOTH);
}

/// The whole command line, for completions and the manual page.
fn command_line() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
