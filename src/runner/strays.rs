//! What dead lives of lemctl left in this project beside a campaign's own: other campaigns whose lemctl died,
//! campaigns whose results are gone, and fetches of models that belong to none. It touches nothing that a lemctl holds.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::clock::Clock;
use crate::containers::{ContainerEngine, ContainerSummary, EngineError, labels};
use crate::store::Folders;

use super::reconcile::{Cleared, LeftOver};
use super::{RunnerError, lease, live, reconcile};

/// What a fetch's folder in `.lem/` begins with, where it belongs to no campaign.
const FETCH: &str = "fetch-";

/// Every campaign of the project that has a container or a live folder, with or without results. A name is empty where
/// nothing tells it.
///
/// # Errors
/// If the engine cannot say.
pub async fn standing<E: ContainerEngine>(
    engine: &E,
    root: &Utf8Path,
) -> Result<Vec<Folders>, EngineError> {
    let key = Folders::new(root, "", "").root_key();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for container in engine
        .list(&[(labels::CAMPAIGN, ""), (labels::ROOT, &key)])
        .await?
    {
        let label = |key: &str| container.labels.get(key).cloned().unwrap_or_default();
        names.insert(label(labels::CAMPAIGN), label(labels::CAMPAIGN_NAME));
    }
    for folder in live_folders(root) {
        names.entry(folder).or_default();
    }
    // With results the name is theirs: a label may say anything.
    for folders in Folders::all(root).unwrap_or_default() {
        if let Some(name) = names.get_mut(&folders.id) {
            *name = folders.campaign;
        }
    }
    let found = names.into_iter();
    let found = found.filter(|(id, name)| Folders::is_id(id) && (name.is_empty() || plain(name)));
    Ok(found
        .map(|(id, name)| Folders::new(root, &name, &id))
        .collect())
}

/// Removes what stands of other campaigns of the project whose lemctl died; gives a sentence for each. What cannot be
/// had is left to `lemctl campaign down`.
///
/// # Errors
/// If the engine does not say what there is.
pub(super) async fn remove_dead<E: ContainerEngine>(
    engine: &E,
    own: &Folders,
    clock: &dyn Clock,
) -> Result<Vec<String>, RunnerError> {
    let mut told = Vec::new();
    for other in standing(engine, &own.root).await? {
        if other.id == own.id || other.campaign.is_empty() || !other.results().exists() {
            continue;
        }
        let Ok(cleared) = reconcile::remove_dead(engine, &other).await else {
            continue;
        };
        told.extend(cleared.removed.into_iter().map(|container| {
            format!(
                "removed container {} of campaign {}, whose lemctl died",
                container.name, other.campaign
            )
        }));
    }
    let fetches = remove_fetches(engine, &own.root, clock, false).await?;
    let name =
        |container: LeftOver| format!("removed container {}, whose lemctl died", container.name);
    told.extend(fetches.removed.into_iter().map(name));
    Ok(told)
}

/// Removes fetches of models that belong to no campaign and that nobody waits for any more, with
/// their folders. `patient` finds out by waiting for a renewal of the lease; without, only what has run out is dead.
///
/// # Errors
/// If the engine does not say what there is.
pub async fn remove_fetches<E: ContainerEngine>(
    engine: &E,
    root: &Utf8Path,
    clock: &dyn Clock,
    patient: bool,
) -> Result<Cleared, RunnerError> {
    let key = Folders::new(root, "", "").root_key();
    let prefix = format!("lem-{FETCH}{key}-");
    let mut found: BTreeMap<String, Option<ContainerSummary>> = entries(root)
        .into_iter()
        .filter(|name| name.starts_with(FETCH))
        .map(|name| (name, None))
        .collect();
    let fetches = [(labels::BACKEND, "fetch"), (labels::ROOT, &*key)];
    for container in engine.list(&fetches).await? {
        let belongs = [labels::CAMPAIGN, labels::PROBE];
        let nobodys = belongs
            .iter()
            .all(|label| !container.labels.contains_key(*label));
        if let Some(name) = container.name.strip_prefix(&prefix).filter(|_| nobodys) {
            found.insert(format!("{FETCH}{name}"), Some(container));
        }
    }
    let mut cleared = Cleared::default();
    for (name, container) in found.into_iter().filter(|(name, _)| plain(name)) {
        let folder = root.join(".lem").join(&name);
        let lives = match patient {
            true => lease::renewed(&folder, clock).await,
            false => lease::holds(&folder, clock),
        };
        if lives {
            continue;
        }
        if let Some(container) = container {
            let left = LeftOver {
                id: container.id,
                name: container.name,
                running: container.running,
            };
            if let Err(error) = engine.remove(&left.id).await {
                cleared.left.push((left, error));
                continue;
            }
            cleared.removed.push(left);
        }
        live::remove(&folder)?;
    }
    Ok(cleared)
}

/// Names of the campaigns' folders in `.lem/`: ids, as far as they look like some.
fn live_folders(root: &Utf8Path) -> impl Iterator<Item = String> {
    entries(root)
        .into_iter()
        .filter(|name| Folders::is_id(name))
}

fn entries(root: &Utf8Path) -> Vec<String> {
    let entries = root.join(".lem").read_dir_utf8().into_iter().flatten();
    let folders = entries.flatten().filter(|entry| {
        let kind = entry.file_type();
        kind.is_ok_and(|kind| kind.is_dir())
    });
    folders.map(|entry| entry.file_name().to_owned()).collect()
}

/// Whether a name can be joined to a folder without leading out of it.
fn plain(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.starts_with('.') && !name.is_empty() && name.bytes().all(fits)
}
