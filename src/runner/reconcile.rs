//! Containers that an earlier session left behind, found by their labels.

use crate::containers::{ContainerEngine, ContainerId, EngineError, labels};
use crate::store::Folders;

use super::{RunnerError, live};

/// A container of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LeftOver {
    /// The engine's id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
}

/// Every container of the campaign in this project, of one backend or of all. A copy of the project
/// elsewhere has the same ids and another root: its containers are not ours.
///
/// # Errors
/// If the engine cannot say.
pub async fn left_over<E: ContainerEngine>(
    engine: &E,
    folders: &Folders,
    backend: Option<&str>,
) -> Result<Vec<LeftOver>, EngineError> {
    let root = folders.root_key();
    let mut wanted = vec![
        (labels::CAMPAIGN, folders.id.as_str()),
        (labels::ROOT, root.as_str()),
    ];
    wanted.extend(backend.map(|backend| (labels::BACKEND, backend)));
    let found = engine.list(&wanted).await?;
    Ok(found
        .into_iter()
        .map(|container| LeftOver {
            id: container.id,
            name: container.name,
            running: container.running,
        })
        .collect())
}

/// Removes the campaign's containers and its live folder; gives what was removed. Doing it again is fine.
///
/// # Errors
/// If the engine or the file system says no.
pub async fn remove_left_over<E: ContainerEngine>(
    engine: &E,
    folders: &Folders,
) -> Result<Vec<LeftOver>, RunnerError> {
    let found = left_over(engine, folders, None).await?;
    for container in &found {
        engine.remove(&container.id).await?;
    }
    live::remove(&folders.live())?;
    Ok(found)
}
