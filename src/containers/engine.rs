//! The seam: what lemctl asks of a container engine.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    ContainerSpec, EngineError, ExecSession, ExecStatus, Happening, ImageBuild, ImageIdentity,
};

/// A container engine. Used by static dispatch; Docker implements it, and so does the test kit's fake,
/// both under one contract suite.
///
/// Every call answers or fails within a bounded time; only an exec's streams stay open, and their
/// deadline is the caller's. No call is cancelled by dropping its future: what was asked may still
/// happen, so ask the Engine afterwards.
pub trait ContainerEngine: Send + Sync {
    /// What the Engine says about itself.
    fn engine(&self) -> impl Future<Output = Result<EngineInfo, EngineError>> + Send;

    /// The local image of that reference, or `None`. Never pulls.
    fn image(
        &self,
        reference: &str,
    ) -> impl Future<Output = Result<Option<ImageIdentity>, EngineError>> + Send;

    /// Builds and tags an image from a context in memory; each line the Engine prints goes to `progress`.
    fn build(
        &self,
        build: &ImageBuild,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> impl Future<Output = Result<ImageIdentity, EngineError>> + Send;

    /// Creates a container. Its name is a mutex: [`EngineError::Conflict`] when it is taken.
    fn create(
        &self,
        spec: &ContainerSpec,
    ) -> impl Future<Output = Result<ContainerId, EngineError>> + Send;

    /// Starts a container; one that runs already is fine.
    fn start(&self, id: &ContainerId) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// TERM, then KILL after `grace` (whole seconds, rounded up). One that is stopped already is fine.
    fn stop(
        &self,
        id: &ContainerId,
        grace: Duration,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes a container by force, with its anonymous volumes. One that is gone already is fine.
    fn remove(&self, id: &ContainerId) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// How a container is, or `None` when there is none.
    fn inspect(
        &self,
        id: &ContainerId,
    ) -> impl Future<Output = Result<Option<ContainerState>, EngineError>> + Send;

    /// What befell a container between two moments of the wall clock, the second of which has passed; oldest first.
    /// The Engine forgets: what lies far back may be missing.
    fn happened(
        &self,
        id: &ContainerId,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<Happening>, EngineError>> + Send;

    /// All containers, running or not, that carry every one of these labels.
    fn list(
        &self,
        labels: &[(&str, &str)],
    ) -> impl Future<Output = Result<Vec<ContainerSummary>, EngineError>> + Send;

    /// The last lines that PID 1 wrote, stdout and stderr as they came, at most 64 KiB. Untrusted text.
    fn logs(
        &self,
        id: &ContainerId,
        lines: u32,
    ) -> impl Future<Output = Result<String, EngineError>> + Send;

    /// Starts a process in a running container, with its three streams open and the container's user.
    ///
    /// A binary that is missing is not an error here: the Engine says so on stdout, and the process's
    /// exit record never appears.
    fn exec(
        &self,
        id: &ContainerId,
        argv: &[String],
    ) -> impl Future<Output = Result<ExecSession, EngineError>> + Send;

    /// Whether an exec still runs. Its exit code is a hint, never a proof of success.
    fn exec_status(
        &self,
        exec: &str,
    ) -> impl Future<Output = Result<ExecStatus, EngineError>> + Send;

    /// Volumes that carry every one of these labels.
    fn list_volumes(
        &self,
        labels: &[(&str, &str)],
    ) -> impl Future<Output = Result<Vec<VolumeSummary>, EngineError>> + Send;

    /// Removes a volume. One that is gone already is fine; one in use is [`EngineError::Conflict`].
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), EngineError>> + Send;
}

/// The Engine's full id of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(pub String);

impl ContainerId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first twelve characters, as Docker prints them.
impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..12).unwrap_or(&self.0))
    }
}

/// What the Engine says about itself; part of the environment's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Version of the Engine, for example `20.10.24`.
    pub version: String,
    /// API version spoken on the wire, for example `1.41`.
    pub api_version: String,
    /// Operating system as the Engine names it.
    pub operating_system: String,
    /// Kernel release.
    pub kernel: String,
    /// CPU architecture.
    pub architecture: String,
    /// Storage driver, for example `overlay2`.
    pub storage_driver: String,
    /// Images lie in containerd's store: an image's id is its manifest digest, not its config digest.
    pub containerd_store: bool,
    /// Cgroup version, `1` or `2`.
    pub cgroup_version: String,
    /// Cgroup driver, `systemd` or `cgroupfs`.
    pub cgroup_driver: String,
    /// The daemon runs without root: container uids are mapped.
    pub rootless: bool,
    /// Containers outlive the daemon.
    pub live_restore: bool,
    /// Names of the runtimes it knows, `nvidia` perhaps among them.
    pub runtimes: Vec<String>,
    /// Folders it searches for CDI specs (28.2 and later).
    pub cdi_spec_dirs: Vec<String>,
    /// Names of CDI devices it found (28.3 and later).
    pub cdi_devices: Vec<String>,
    /// Where it keeps its data.
    pub data_root: String,
    /// CPUs it sees.
    pub cpus: u64,
    /// Memory it sees, in bytes.
    pub memory_bytes: u64,
}

/// How one container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the slash.
    pub name: String,
    /// PID 1 runs (also when paused).
    pub running: bool,
    /// Frozen from outside.
    pub paused: bool,
    /// PID 1's exit code, once it ended.
    pub exit_code: Option<i64>,
    /// The kernel killed PID 1 for memory.
    pub oom_killed: bool,
    /// Why the Engine could not start it, empty if it could.
    pub error: String,
    /// PID 1 as the host counts, `None` when it does not run.
    pub pid: Option<u32>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Id of the image it was created from.
    pub image_id: String,
    /// When PID 1 was started, as the Engine writes it.
    pub started_at: Option<String>,
    /// Ids of the execs that run in it.
    pub execs: Vec<String>,
}

/// One line of a list of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSummary {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the slash.
    pub name: String,
    /// PID 1 runs.
    pub running: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Id of its image.
    pub image_id: String,
}

/// One named volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSummary {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}
