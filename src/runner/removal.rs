//! Removing containers for good: what does not go at once is tried again, and nothing of the campaign
//! is left when the session ends.

use super::reconcile;
use super::session::{Runner, Running};
use crate::containers::{ContainerEngine, EngineError};

impl<E: ContainerEngine> Runner<E> {
    /// Removes a container. One that the Engine does not remove is kept, to be tried again before the
    /// backend's next one is made and at the session's end.
    pub(super) async fn remove(
        &mut self,
        backend: &str,
        running: Running,
    ) -> Result<(), EngineError> {
        self.lease.release(&running.live.control);
        let removed = self.setting.engine.remove(&running.id).await;
        if removed.is_err() {
            self.containers.insert(backend.to_owned(), running);
        }
        removed
    }

    /// At the session's end, removes what could not be removed before, and what the Engine made though
    /// it answered with an error.
    pub(super) async fn clear_away(&mut self) {
        self.engine = None;
        for (backend, running) in std::mem::take(&mut self.containers) {
            let _ = self.remove(&backend, running).await;
        }
        let folders = self.opened.folders.clone();
        let left = match reconcile::left_over(&self.setting.engine, &folders).await {
            Ok(left) => left,
            Err(error) => {
                self.warn(format!("the Engine does not say whether containers are left ({error}): lemctl campaign down"));
                return;
            }
        };
        for container in left {
            if let Err(error) = self.setting.engine.remove(&container.id).await {
                let name = container.name;
                self.warn(format!(
                    "container {name} is left ({error}): lemctl campaign down"
                ));
            }
        }
    }
}
