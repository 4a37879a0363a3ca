//! `lemctl init`.

use clap::Args;
use serde_json::json;

use super::{Format, Outcome, Root, output};
use crate::diagnostics::Exit;
use crate::runner::setup::{Done, measuring_user, set_up};

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Never overwrites: what is there is left alone and named. Under sudo, the user behind it is written down.\n\n\
    Examples:\n  lemctl init\n  lemctl init --allow-root     as root, on a machine that has no other user"
)]
pub(super) struct Init {
    /// Let containers run as root: written into .env as LEM_ALLOW_ROOT=1.
    #[arg(long)]
    allow_root: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Init, root: &Root) -> Outcome {
    let project = root.project();
    let user = measuring_user(project.uid, project.gid, &project.environment);
    let done = set_up(root.path(), user, arguments.allow_root)?;
    match arguments.format {
        Format::Json => output::json(&json!({ "done": done })),
        Format::Text => {
            for Done { path, made, detail } in &done {
                let word = if *made { "made" } else { "kept" };
                output::text(&format!("{word}  {:<12}  {detail}", path.as_str()));
            }
        }
    }
    Ok(Exit::Ok)
}
