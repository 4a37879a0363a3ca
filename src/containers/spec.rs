//! The spec of a container: its Compose service plus the overlay, checked to fit together.

use miette::Diagnostic;

use super::Overlay;
use crate::compose::Service;
use crate::diagnostics::{Exit, Fault};

/// A container to create. Only [`ContainerSpec::new`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    service: Service,
    overlay: Overlay,
}

/// Why a service and an overlay make no container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum SpecError {
    /// The overlay and the service disagree.
    #[error("container {name}: {problem}")]
    #[diagnostic(code(containers::spec), help("{fix}"))]
    Invalid {
        /// Name of the container.
        name: String,
        /// What does not fit.
        problem: String,
        /// What to do.
        fix: String,
    },
}

impl Fault for SpecError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}

impl ContainerSpec {
    /// Puts a service and an overlay together.
    ///
    /// # Errors
    /// When the overlay's name or paths cannot be used, or the service claims what is the overlay's.
    pub fn new(service: &Service, overlay: &Overlay) -> Result<Self, SpecError> {
        Ok(Self {
            service: service.clone(),
            overlay: overlay.clone(),
        })
    }

    /// What the Compose file says.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What lemctl adds.
    #[must_use]
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }
}
