//! `lemctl init`

use std::io::Write;

use camino::Utf8Path;

use super::format::{Format, write_json};
use super::invoker;
use crate::diagnostics::Failure;
use crate::runner::setup::{Done, measuring_user, set_up};

/// Write .env (PUID, PGID) and the folders of a project
///
/// Never overwrites: what is there is left alone and named. Under sudo, the user behind it is written down.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lemctl init\n  lemctl init --allow-root     as root, on a machine that has no other user"
)]
pub struct InitArguments {
    /// Let containers run as root; written into .env as LEM_ALLOW_ROOT=1
    #[arg(long)]
    pub allow_root: bool,
    /// How to print what was done
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs it.
///
/// # Errors
/// If root runs it without `--allow-root`, or a file cannot be made.
pub fn run(arguments: &InitArguments, root: &Utf8Path, out: &mut dyn Write) -> Result<(), Failure> {
    let project = invoker::project(root);
    let user = measuring_user(project.uid, project.gid, &project.environment);
    let done = set_up(root, user, arguments.allow_root)?;
    let written = match arguments.format {
        Format::Json => write_json(out, &serde_json::json!({ "done": done })),
        Format::Text => done.iter().try_for_each(|Done { path, made, detail }| {
            let word = if *made { "made" } else { "kept" };
            writeln!(out, "{word}  {path:<12} {detail}")
        }),
    };
    // Whoever closed the pipe does not want to read the rest.
    drop(written);
    Ok(())
}
