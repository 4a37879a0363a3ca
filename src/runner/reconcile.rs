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

/// Every container that carries the campaign's label.
///
/// # Errors
/// If the engine cannot say.
pub async fn left_over<E: ContainerEngine>(
    engine: &E,
    folders: &Folders,
) -> Result<Vec<LeftOver>, EngineError> {
    let found = engine.list(&[(labels::CAMPAIGN, &folders.id)]).await?;
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
    let found = left_over(engine, folders).await?;
    for container in &found {
        engine.remove(&container.id).await?;
    }
    live::remove(&folders.live())?;
    Ok(found)
}
