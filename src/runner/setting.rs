//! What a session works with, and the environment that its numbers depend on: in full, and as a hash.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StopSignal;
use super::models::Models;
use super::power::Power;
use crate::clock::Clock;
use crate::compose::Service;
use crate::containers::{EngineInfo, ImageIdentity};
use crate::environment::{GpuLocks, Host};
use crate::execution::EventSink;
use crate::store::ModelIdentity;
use crate::units::Digest;

/// The user that containers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What a session works with.
pub struct Setting<E> {
    /// The container engine.
    pub engine: E,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The `worker` service of each backend, from its Compose file.
    pub services: BTreeMap<String, Service>,
    /// The image of each backend, as found before the session.
    pub images: BTreeMap<String, ImageIdentity>,
    /// What the engine says of itself.
    pub engine_info: EngineInfo,
    /// The host.
    pub host: Host,
    /// Whose containers and files.
    pub identity: Identity,
    /// Who watches.
    pub sinks: Vec<Box<dyn EventSink>>,
    /// How it is asked to stop.
    pub stop: StopSignal,
    /// The campaign's GPUs; none if it names none.
    pub power: Option<Power>,
    /// The locks of those GPUs, held while the session lives.
    pub gpu_locks: Option<GpuLocks>,
    /// Where models lie and how they are had; none where no campaign needs one.
    pub models: Option<Models>,
}

impl<E> Setting<E> {
    /// The environment's hash, over what a number depends on most: image, driver, GPUs, CPU, model, lemctl.
    #[must_use]
    pub fn environment_hash(&self, gpus: &[String], model: Option<&ModelIdentity>) -> Digest {
        let images: BTreeMap<&str, &str> = self
            .images
            .iter()
            .map(|(backend, image)| (backend.as_str(), image.id.as_str()))
            .collect();
        Digest::of_canonical(&serde_json::json!({
            "images": images,
            "nvidia_driver": self.host.nvidia_driver,
            "gpus": gpus,
            "cpu_model": self.host.cpu_model,
            "host": self.host.id,
            "telemetry": self.power.as_ref().map(Power::environment),
            "model": model.map(|model| (&model.revision, &model.weights_sha256)),
            "lemctl": env!("CARGO_PKG_VERSION"),
        }))
    }

    /// The environment in full, for the journal and the manifest.
    #[must_use]
    pub fn environment(&self, gpus: &[String]) -> serde_json::Value {
        serde_json::json!({
            "host": self.host,
            "engine": self.engine_info,
            "images": self.images,
            "gpus": gpus,
            "telemetry": self.power.as_ref().map(Power::environment),
            "lemctl": env!("CARGO_PKG_VERSION"),
        })
    }

    /// What of host and GPUs differs now from what the session began with, by name.
    pub(super) fn drift(&self) -> Vec<String> {
        let now = Host::observe();
        let mut names: Vec<String> = [
            ("host.kernel", self.host.kernel != now.kernel),
            (
                "host.cpu_governor",
                self.host.cpu_governor != now.cpu_governor,
            ),
            (
                "host.nvidia_driver",
                self.host.nvidia_driver != now.nvidia_driver,
            ),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned())
        .collect();
        names.extend(self.power.iter().flat_map(Power::drift));
        names
    }
}
