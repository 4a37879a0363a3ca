//! `lemctl campaign down`. It needs the Engine and nothing of the campaign's files: neither its journal nor its
//! results have to be whole, or there.

use clap::Args;

use super::{Outcome, Root};
use crate::cli::{CliError, output, target};
use crate::clock::HostClock;
use crate::containers::docker::DockerEngine;
use crate::diagnostics::{Exit, Failure};
use crate::runner::{Cleared, hold_campaign, remove_fetches, remove_left_over, standing};
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
    /// All campaigns of this project that no lemctl works on now, and fetches of models that nobody waits for.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(arguments: &Down, root: &Root) -> Outcome {
    let (engine, campaigns) = match arguments.all {
        true => {
            let engine = DockerEngine::connect().await?;
            let campaigns = standing(&engine, root.path()).await?;
            (engine, campaigns)
        }
        false => one(root, arguments.campaign.as_deref()).await?,
    };
    let mut all = Cleared::default();
    for folders in campaigns {
        let held = hold_campaign(&folders, &HostClock).await;
        let _lock = match held {
            Ok(lock) => lock,
            // With --all, what runs is left alone; by name, it is an error that says who holds it.
            Err(error) if arguments.all => {
                output::note(&format!("left alone: {error}"));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        tell(&mut all, remove_left_over(&engine, &folders).await?);
    }
    if arguments.all {
        let fetches = remove_fetches(&engine, root.path(), &HostClock, true).await?;
        tell(&mut all, fetches);
    }
    if all.left.is_empty() {
        output::text(&format!(
            "{} containers removed; results and journals are as they were",
            all.removed.len()
        ));
        return Ok(Exit::Ok);
    }
    let left = all.left.iter();
    let what: Vec<String> = left
        .map(|(container, error)| format!("{} ({error})", container.name))
        .collect();
    Err(CliError::NotRemoved {
        what: what.join(", "),
    }
    .into())
}

fn tell(all: &mut Cleared, cleared: Cleared) {
    for container in &cleared.removed {
        output::text(&format!("removed container {}", container.name));
    }
    all.removed.extend(cleared.removed);
    all.left.extend(cleared.left);
}

/// The campaign that is meant: one with results, else one of which only containers or a live folder are left.
async fn one(root: &Root, wanted: Option<&str>) -> Result<(DockerEngine, Vec<Folders>), Failure> {
    let missing = match target::find(root, wanted) {
        Ok(found) => return Ok((DockerEngine::connect().await?, vec![found])),
        Err(missing) => missing,
    };
    let Ok(engine) = DockerEngine::connect().await else {
        return Err(missing);
    };
    let fits = |folders: &Folders| {
        wanted.is_none_or(|wanted| {
            let Folders { campaign, id, .. } = folders;
            [campaign, id].iter().any(|name| *name == wanted)
                || format!("{campaign}/{id}") == wanted
        })
    };
    let standing = standing(&engine, root.path()).await?;
    match standing.into_iter().rev().find(fits) {
        Some(found) => Ok((engine, vec![found])),
        None => Err(missing),
    }
}
