//! Docker through its local socket: the only place that names bollard.

use std::time::Duration;

use super::{
    ContainerEngine, ContainerId, ContainerSpec, ContainerState, ContainerSummary, EngineError,
    EngineInfo, ExecSession, ExecStatus, ImageBuild, ImageIdentity, VolumeSummary,
};

/// The Docker Engine on this machine.
#[derive(Debug, Clone)]
pub struct DockerEngine {}

impl DockerEngine {
    /// Connects to the Engine that `DOCKER_HOST` names, or to the default socket, or to the user's
    /// rootless one, and settles the API version.
    ///
    /// # Errors
    /// [`EngineError::Remote`], [`EngineError::Unreachable`], [`EngineError::PermissionDenied`],
    /// [`EngineError::TooOld`], [`EngineError::TooNew`].
    pub async fn connect() -> Result<Self, EngineError> {
        todo!()
    }
}

impl ContainerEngine for DockerEngine {
    async fn engine(&self) -> Result<EngineInfo, EngineError> {
        todo!()
    }
    async fn image(&self, _: &str) -> Result<Option<ImageIdentity>, EngineError> {
        todo!()
    }
    async fn build(
        &self,
        _: &ImageBuild,
        _: &mut (dyn FnMut(&str) + Send),
    ) -> Result<ImageIdentity, EngineError> {
        todo!()
    }
    async fn create(&self, _: &ContainerSpec) -> Result<ContainerId, EngineError> {
        todo!()
    }
    async fn start(&self, _: &ContainerId) -> Result<(), EngineError> {
        todo!()
    }
    async fn stop(&self, _: &ContainerId, _: Duration) -> Result<(), EngineError> {
        todo!()
    }
    async fn remove(&self, _: &ContainerId) -> Result<(), EngineError> {
        todo!()
    }
    async fn inspect(&self, _: &ContainerId) -> Result<Option<ContainerState>, EngineError> {
        todo!()
    }
    async fn list(&self, _: &[(&str, &str)]) -> Result<Vec<ContainerSummary>, EngineError> {
        todo!()
    }
    async fn exec(&self, _: &ContainerId, _: &[String]) -> Result<ExecSession, EngineError> {
        todo!()
    }
    async fn exec_status(&self, _: &str) -> Result<ExecStatus, EngineError> {
        todo!()
    }
    async fn list_volumes(&self, _: &[(&str, &str)]) -> Result<Vec<VolumeSummary>, EngineError> {
        todo!()
    }
    async fn remove_volume(&self, _: &str) -> Result<(), EngineError> {
        todo!()
    }
}
