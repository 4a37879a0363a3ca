//! Containers as lemctl needs them: a trait over the Engine, the spec of a container (its Compose
//! service plus a closed overlay), and the errors an Engine can give.
//!
//! Must not know campaigns, plans, the worker protocol or the command line. bollard stays inside
//! [`docker`]; everything here is plain data.

pub mod docker;
mod engine;
mod error;
mod exec;
mod happening;
mod identity;
mod image;
mod overlay;
mod spec;

pub use engine::{
    ContainerEngine, ContainerId, ContainerState, ContainerSummary, EngineInfo, VolumeSummary,
};
pub use error::EngineError;
pub use exec::{ExecOutput, ExecSession, ExecStatus};
pub use happening::Happening;
pub use identity::{USER_NAME, group_text, passwd_text};
pub use image::{BuildArguments, BuildFile, ImageBuild, ImageIdentity};
pub use overlay::{Overlay, OverlayMount, labels};
pub use spec::{ALLOW_ROOT, ContainerSpec, SpecError};
