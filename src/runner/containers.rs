//! The steps that make, check and end a backend's container.

use std::collections::BTreeMap;
use std::time::Duration;

use lem_protocol::AGENT_REFUSED;
use serde_json::Value;

use super::Identity;
use super::live::{self, Live};
use super::probed::deviations;
use super::session::{Runner, Running};
use super::space::{disk_cause, engine_disk_full};
use super::{agent, device_nodes, reconcile};
use crate::containers::{ContainerEngine, ContainerSpec, EngineError, Overlay, labels};
use crate::environment::gpu_nodes;
use crate::execution::{Blame, Cause, Event};

/// How long PID 1 may take to end what it runs when the container is stopped.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// What to do about a tag that names another image than at the session's start.
const IMAGE_MOVED: &str = "do not build images while a campaign runs; tag the old one again, then: lemctl campaign resume --retry failed";

/// What an engine error means for the campaign.
pub(super) fn engine_cause(error: &EngineError) -> Cause {
    let code = match error {
        EngineError::Unreachable { .. } | EngineError::PermissionDenied { .. } => {
            "engine_unreachable"
        }
        EngineError::TimedOut { .. } => "engine_timed_out",
        EngineError::Cut { .. } => "connection_broken",
        EngineError::StartFailed { .. } => "container_start_failed",
        EngineError::ImageMissing { .. } => "image_missing",
        _ => "engine_error",
    };
    let message = error.to_string();
    if let Some(full) = engine_disk_full(&message) {
        return full;
    }
    let cause = Cause::new(Blame::Environment, code, message);
    match miette::Diagnostic::help(error) {
        Some(help) => cause.hint(help.to_string()),
        None => cause,
    }
}

fn environment(code: &str, message: impl Into<String>) -> Cause {
    Cause::new(Blame::Environment, code, message)
}

impl<E: ContainerEngine> Runner<E> {
    /// The image is there and is the one that the session began with.
    pub(super) async fn ensure_image(&mut self, backend: &str) -> Result<Value, Cause> {
        let reference = self.setting.services[backend].image.clone();
        let found = self
            .setting
            .engine
            .image(&reference)
            .await
            .map_err(|error| engine_cause(&error))?;
        let Some(image) = found else {
            return Err(environment(
                "image_missing",
                format!("image {reference} is not on this machine"),
            )
            .hint(format!("lemctl images build {backend}")));
        };
        if let Some(known) = self.setting.images.get(backend)
            && known.id != image.id
        {
            let message = format!(
                "{reference} was {} when the session began and is {} now",
                known.id, image.id
            );
            return Err(environment("image_moved", message).hint(IMAGE_MOVED));
        }
        Ok(serde_json::to_value(image).unwrap_or_default())
    }

    /// Creates and starts the container: the Compose service plus the overlay. If that fails, nothing of
    /// it is left: a call without an answer may have had its effect, so the Engine is asked.
    pub(super) async fn start_container(&mut self, backend: &str) -> Result<Value, Cause> {
        self.clear(backend).await?;
        let launched = self.launch(backend).await;
        if launched.is_err() {
            // What cannot be removed now is removed at the session's end, or by `down`.
            let _ = self.clear(backend).await;
        }
        launched
    }

    /// Removes whatever container this campaign has of the backend.
    async fn clear(&mut self, backend: &str) -> Result<(), Cause> {
        if let Some(known) = self.containers.remove(backend) {
            self.lease.release(&known.live.control);
        }
        let cause = |error: EngineError| engine_cause(&error);
        let found =
            reconcile::left_over(&self.setting.engine, &self.opened.folders, Some(backend)).await;
        for container in found.map_err(cause)? {
            self.setting
                .engine
                .remove(&container.id)
                .await
                .map_err(cause)?;
        }
        Ok(())
    }

    async fn launch(&mut self, backend: &str) -> Result<Value, Cause> {
        let folders = self.opened.folders.clone();
        let Identity { uid, gid } = self.setting.identity;
        let disk = |error: crate::store::StoreError| disk_cause(&error);
        let live = Live::make(&folders, backend, uid, gid).map_err(disk)?;
        self.lease.hold(&live.control).map_err(disk)?;
        let service = &self.setting.services[backend];
        let named = &self.opened.planned.campaign.gpus;
        let without_devices = device_nodes::left_out(service, named, &gpu_nodes())?;
        // A service without a reservation lists device nodes, or stands in for a GPU: nothing is asked for it.
        let gpus = match service.gpus {
            Some(_) => named.clone(),
            None => Vec::new(),
        };
        let overlay = Overlay {
            name: format!("lem-{}-{backend}", folders.id),
            labels: self.labels(backend),
            gpus,
            without_devices,
            control: live.control.clone(),
            outbox: live.outbox.clone(),
            model: self.model_folder(),
        };
        let spec = ContainerSpec::new(&self.setting.services[backend], &overlay)
            .map_err(|error| environment("container_spec", error.to_string()))?;
        let engine = &self.setting.engine;
        let created = match engine.create(&spec).await {
            // Nobody else may make one of that name while the campaign is locked: an earlier request of ours whose answer
            // was lost took effect after we had looked. Once more is enough.
            Err(EngineError::Conflict { .. }) => {
                for double in reconcile::left_over(engine, &folders, Some(backend))
                    .await
                    .map_err(|error| engine_cause(&error))?
                {
                    engine
                        .remove(&double.id)
                        .await
                        .map_err(|error| engine_cause(&error))?;
                }
                engine.create(&spec).await
            }
            created => created,
        };
        let id = created.map_err(|error| engine_cause(&error))?;
        self.containers.insert(
            backend.to_owned(),
            Running {
                id: id.clone(),
                live,
                started_at: None,
            },
        );
        engine
            .start(&id)
            .await
            .map_err(|error| engine_cause(&error))?;
        let state = engine
            .inspect(&id)
            .await
            .map_err(|error| engine_cause(&error))?;
        if let Some(running) = self.containers.get_mut(backend) {
            running.started_at = state.as_ref().and_then(|state| state.started_at.clone());
        }
        let image = state.map(|state| state.image_id).unwrap_or_default();
        if let Some(known) = self.setting.images.get(backend)
            && known.id != image
        {
            let message = format!(
                "the container was made from {image}, the session began with {}",
                known.id
            );
            return Err(environment("image_moved", message).hint(IMAGE_MOVED));
        }
        Ok(serde_json::json!({ "container": id, "name": overlay.name, "image": image }))
    }

    pub(super) fn labels(&self, backend: &str) -> BTreeMap<String, String> {
        let folders = &self.opened.folders;
        let session = self.opened.state.session();
        [
            (labels::CAMPAIGN, folders.id.clone()),
            (labels::CAMPAIGN_NAME, folders.campaign.clone()),
            (labels::BACKEND, backend.to_owned()),
            (labels::SESSION, session.to_string()),
            (labels::ROOT, folders.root_key()),
            (labels::UID, self.setting.identity.uid.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Looks at the container from inside: is it what the Compose file promised?
    pub(super) async fn probe_container(&mut self, backend: &str) -> Result<Value, Cause> {
        let id = self.containers[backend].id.clone();
        let seen = agent::probe(&self.setting.engine, &id).await;
        let now = self.setting.clock.monotonic_ns();
        let report = match seen {
            Ok(report) => report,
            Err(error) => return Err(self.why_no_probe(backend, &error).await),
        };
        let wrong = deviations(
            &report,
            self.setting.identity,
            now,
            &self.setting.host.boot_id,
        );
        if !wrong.is_empty() {
            return Err(environment(
                "container_probe",
                format!("the container is not as asked: {}", wrong.join("; ")),
            )
            .hint("lemctl check"));
        }
        self.empty_gpus().await?;
        Ok(serde_json::to_value(report).unwrap_or_default())
    }

    /// The agent may have refused to start: its exit code tells, its log says why.
    async fn why_no_probe(&self, backend: &str, error: &EngineError) -> Cause {
        let id = &self.containers[backend].id;
        match self.setting.engine.inspect(id).await {
            Ok(Some(state)) if !state.running => {
                let log = self.setting.engine.logs(id, 20).await.unwrap_or_default();
                let refused = state.exit_code == Some(i64::from(AGENT_REFUSED));
                let code = if refused {
                    "agent_refused"
                } else {
                    "container_ended"
                };
                let said = crate::worker::printable(log.trim().as_bytes());
                let exit = state.exit_code.unwrap_or(-1);
                environment(
                    code,
                    format!("container {id} ended with exit code {exit}: {said}"),
                )
            }
            _ => engine_cause(error),
        }
    }

    /// Stops and removes the container, whatever state it is in.
    pub(super) async fn stop_container(&mut self, backend: &str) -> Result<Value, Cause> {
        if self
            .engine
            .as_ref()
            .is_some_and(|loaded| loaded.backend == backend)
        {
            self.engine = None;
        }
        let Some(running) = self.containers.remove(backend) else {
            return Ok(Value::Null);
        };
        self.lease.release(&running.live.control);
        let engine = &self.setting.engine;
        // A container that will not stop is removed by force; only that must work.
        let _ = engine.stop(&running.id, STOP_GRACE).await;
        engine
            .remove(&running.id)
            .await
            .map_err(|error| engine_cause(&error))?;
        live::remove(&self.opened.folders.live().join(backend))
            .map_err(|error| disk_cause(&error))?;
        Ok(Value::Null)
    }

    /// Ends whatever runs in the container but PID 1; if that does not work, removes the container.
    /// Journals what was lost.
    pub(super) async fn end_worker(
        &mut self,
        backend: &str,
        reason: &str,
    ) -> Result<(), super::RunnerError> {
        self.engine = None;
        let Some(running) = self.containers.get(backend) else {
            return Ok(());
        };
        let id = running.id.clone();
        let swept = agent::sweep(&self.setting.engine, &id).await;
        if swept.is_ok_and(|report| report.left == 0) {
            let left = self.after_worker().await.map(|left| left.leak);
            if let Ok(Some(what)) = left {
                return self.make_anew(backend, &what).await;
            }
            self.record(Event::WorkerLost {
                backend: backend.to_owned(),
                reason: reason.to_owned(),
            })?;
            return left.map_or_else(|stranger| self.trip(&stranger), |_| Ok(()));
        }
        self.drop_container(backend, reason).await
    }

    /// Removes a container that can no longer be used. Journals the loss.
    pub(super) async fn drop_container(
        &mut self,
        backend: &str,
        reason: &str,
    ) -> Result<(), super::RunnerError> {
        self.engine = None;
        if let Some(running) = self.containers.remove(backend) {
            self.lease.release(&running.live.control);
            if let Err(error) = self.setting.engine.remove(&running.id).await {
                self.warn(format!(
                    "container {} could not be removed: {error}",
                    running.id
                ));
            }
        }
        self.record(Event::ContainerLost {
            backend: backend.to_owned(),
            reason: reason.to_owned(),
        })
    }

    /// At the session's end: removes what could not be removed before, and what the Engine made though it
    /// answered with an error. Gives whether none is left.
    pub(super) async fn clear_away(&mut self) -> bool {
        self.engine = None;
        for running in std::mem::take(&mut self.containers).into_values() {
            self.lease.release(&running.live.control);
        }
        let folders = self.opened.folders.clone();
        let left = match reconcile::left_over(&self.setting.engine, &folders, None).await {
            Ok(left) => left,
            Err(error) => {
                self.warn(format!(
                    "the Engine does not say whether containers are left ({error}): lemctl campaign down"
                ));
                return false;
            }
        };
        let mut none_left = true;
        for container in left {
            if let Err(error) = self.setting.engine.remove(&container.id).await {
                let name = container.name;
                self.warn(format!(
                    "container {name} is left ({error}): lemctl campaign down"
                ));
                none_left = false;
            }
        }
        none_left
    }
}

#[cfg(test)]
mod tests;
