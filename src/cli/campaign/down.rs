//! `lemctl campaign down`.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::{output, target};
use crate::containers::docker::DockerEngine;
use crate::diagnostics::Exit;
use crate::journal::Lock;
use crate::runner::remove_left_over;
use crate::store::Folders;

/// Arguments of `down`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lemctl campaign down quickstart\n  lemctl campaign down --all"
)]
pub(in crate::cli) struct Down {
    /// A campaign's name, id, or name/id [default: the latest].
    #[arg(conflicts_with = "all")]
    campaign: Option<String>,
    /// All campaigns of this project that no lemctl runs now.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(arguments: &Down, root: &Root) -> Outcome {
    let campaigns = if arguments.all {
        Folders::all(root.path())?
    } else {
        vec![target::find(root, arguments.campaign.as_deref())?]
    };
    let engine = DockerEngine::connect().await?;
    let mut removed = 0;
    for folders in campaigns {
        let _lock = match Lock::take(&folders.results()) {
            Ok(lock) => lock,
            // With --all, what runs is left alone; by name, it is an error that says who holds it.
            Err(error) if arguments.all => {
                output::note(&format!("left alone: {error}"));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for container in remove_left_over(&engine, &folders).await? {
            output::text(&format!("removed container {}", container.name));
            removed += 1;
        }
    }
    output::text(&format!(
        "{removed} containers removed; results and journals are as they were"
    ));
    Ok(Exit::Ok)
}
