//! What earlier sessions of a campaign left standing: containers by their labels, and its live folder. All of it is
//! removed and nothing is adopted: a worker whose lemctl died has lost the stream that it is asked on, and
//! what was known of its GPU (docs/decisions/0018).

use std::time::Duration;

use crate::clock::Clock;
use crate::containers::{ContainerEngine, ContainerId, EngineError, labels};
use crate::journal::Lock;
use crate::store::Folders;

use super::{RunnerError, lease, live};

/// How often it is looked whether more appears: a call of a lemctl that died may still be under way in the Engine.
const LOOKS: usize = 6;
/// How long it is waited between two looks.
const BETWEEN: Duration = Duration::from_millis(500);

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

/// What came of clearing away.
#[derive(Debug, Default)]
pub struct Cleared {
    /// Containers that are gone.
    pub removed: Vec<LeftOver>,
    /// Containers that the engine did not remove, with what it said last.
    pub left: Vec<(LeftOver, EngineError)>,
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

/// Removes the campaign's containers in whatever state they are, and its live folder once none is left. One that
/// cannot be removed keeps no other from it, and is tried again a few times. Doing it again is fine; what is called
/// otherwise than lemctl calls campaigns has nothing.
///
/// # Errors
/// If the engine does not say what there is, or the folder cannot be removed.
pub async fn remove_left_over<E: ContainerEngine>(
    engine: &E,
    folders: &Folders,
) -> Result<Cleared, RunnerError> {
    removed(engine, folders, || Some(())).await
}

/// The same of a campaign whose lemctl died. Its lock is held while something is looked at or removed and not between
/// two looks: who wants to go on with it meanwhile need not be told that somebody has it, and clears it away as well.
///
/// # Errors
/// As [`remove_left_over`].
pub(super) async fn remove_dead<E: ContainerEngine>(
    engine: &E,
    folders: &Folders,
) -> Result<Cleared, RunnerError> {
    let results = folders.results();
    // Whoever has it for long is left alone at once; taking it would wait for them.
    let free = || !Lock::is_held(&results);
    removed(engine, folders, || {
        free().then(|| Lock::take(&results).ok())?
    })
    .await
}

/// Looks and removes a few times, each time with what `hold` gives, for as long as it gives something.
async fn removed<E: ContainerEngine, Held>(
    engine: &E,
    folders: &Folders,
    hold: impl Fn() -> Option<Held>,
) -> Result<Cleared, RunnerError> {
    let mut cleared = Cleared::default();
    if !Folders::is_id(&folders.id) {
        // A stranger's folder may be called as something else of ours below `.lem`.
        return Ok(cleared);
    }
    for look in 1..=LOOKS {
        let Some(held) = hold() else { break };
        let nothing_more = cleared.look(engine, folders, look == 1).await?;
        let last = nothing_more || look == LOOKS;
        if last && cleared.left.is_empty() {
            live::remove(&folders.live())?;
        }
        if last {
            break;
        }
        drop(held);
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(cleared)
}

impl Cleared {
    /// Removes what is found; gives whether nothing more is to be expected.
    async fn look<E: ContainerEngine>(
        &mut self,
        engine: &E,
        folders: &Folders,
        first: bool,
    ) -> Result<bool, EngineError> {
        let found = left_over(engine, folders, None).await?;
        self.left.clear();
        // Whatever a session stands up, its live folder was there before.
        if found.is_empty() && (!first || !folders.live().exists()) {
            return Ok(true);
        }
        for container in found {
            match engine.remove(&container.id).await {
                Ok(()) => {
                    let known = self.removed.iter().any(|known| known.id == container.id);
                    self.removed.extend((!known).then_some(container));
                }
                Err(error) => self.left.push((container, error)),
            }
        }
        Ok(false)
    }
}

/// Makes sure that no lemctl works on the campaign. While what this gives is kept, none begins to.
///
/// # Errors
/// The lock's, with the pid of who holds it. Where the results folder is gone there is no lock, and
/// [`RunnerError::Conflict`] if somebody renews the leases.
pub async fn hold_campaign(
    folders: &Folders,
    clock: &dyn Clock,
) -> Result<Option<Lock>, RunnerError> {
    let results = folders.results();
    if !folders.campaign.is_empty() && results.exists() {
        return Ok(Some(Lock::take(&results)?));
    }
    if lease::renewed(&folders.live(), clock).await {
        return Err(RunnerError::Conflict {
            what: format!(
                "{} renews its leases every few seconds: a lemctl works on campaign {}, though its results folder is gone",
                folders.live(),
                folders.id
            ),
            fix: "end that lemctl first (Ctrl-C there)".to_owned(),
        });
    }
    Ok(None)
}
