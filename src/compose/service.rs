//! What a Compose file says about a container, resolved: no variables, no spans, no short forms.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// One `compose/<backend>.yaml`, as far as lemctl reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeFile {
    /// Path the text came from, for messages.
    pub file: String,
    /// The project's `name`, if given.
    pub name: Option<String>,
    /// The container that measures.
    pub worker: Service,
    /// The container that fetches models; it alone may have a network.
    pub fetch: Option<Service>,
    /// Named volumes by their key in the file.
    pub volumes: BTreeMap<String, NamedVolume>,
}

impl ComposeFile {
    /// Makes relative host paths absolute, as Compose does: from the folder that the file lies in.
    #[must_use]
    pub fn anchored(mut self, folder: &Utf8Path) -> Self {
        let services = std::iter::once(&mut self.worker).chain(&mut self.fetch);
        for mount in services.flat_map(|service| &mut service.mounts) {
            if let MountSource::Bind(path) = &mut mount.source {
                *path = from(folder, path);
            }
        }
        self
    }
}

/// `path` from `folder`, without `.` and `..`: the Engine takes only what is plain.
fn from(folder: &Utf8Path, path: &str) -> String {
    let mut plain = Utf8PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain.into_string()
}

/// A service of a Compose file. A field that the file leaves out is `None` or empty, so that lemctl
/// leaves it to the Engine exactly as Compose does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Image reference.
    pub image: String,
    /// `uid:gid`, resolved.
    pub user: Option<String>,
    /// Replaces the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command.
    pub command: Option<Vec<String>>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Binds and named volumes, in file order.
    pub mounts: Vec<ServiceMount>,
    /// Mount point → options as the Engine's `Tmpfs` map takes them.
    pub tmpfs: BTreeMap<String, String>,
    /// Root file system read-only.
    pub read_only: bool,
    /// Capabilities taken away.
    pub cap_drop: Vec<String>,
    /// Security options.
    pub security_opt: Vec<String>,
    /// Network mode: `none` for everything that measures.
    pub network_mode: Option<String>,
    /// IPC mode.
    pub ipc: Option<String>,
    /// Size of /dev/shm in bytes.
    pub shm_size: Option<u64>,
    /// Resource limits by name.
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Most processes.
    pub pids_limit: Option<i64>,
    /// Memory limit in bytes.
    pub mem_limit: Option<u64>,
    /// Host devices.
    pub devices: Vec<Device>,
    /// GPUs reserved; the overlay replaces which ones.
    pub gpus: Option<GpuReservation>,
    /// Time between TERM and KILL.
    pub stop_grace_period: Option<Duration>,
    /// The Engine's own init as PID 1.
    pub init: Option<bool>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Profiles under which Compose starts the service.
    pub profiles: Vec<String>,
}

impl Service {
    /// What the service gives up of least privilege, in words; empty when nothing.
    #[must_use]
    pub fn privileges(&self) -> Vec<String> {
        let mut given_up = Vec::new();
        let mut want = |holds: bool, what: &str| {
            if !holds {
                given_up.push(what.to_owned());
            }
        };
        want(
            self.cap_drop.iter().any(|capability| capability == "ALL"),
            "keeps capabilities (`cap_drop: [ALL]`)",
        );
        let option =
            |option: &String| option == "no-new-privileges:true" || option == "no-new-privileges";
        want(
            self.security_opt.iter().any(option),
            "can gain privileges (`security_opt: [no-new-privileges:true]`)",
        );
        want(self.read_only, "has a writable root (`read_only: true`)");
        want(
            self.network_mode.as_deref() == Some("none"),
            "has a network (`network_mode: none`)",
        );
        want(
            matches!(self.ipc.as_deref(), Some("private" | "none")),
            "may share IPC (`ipc: private`)",
        );
        want(
            self.pids_limit.is_some_and(|limit| limit > 0),
            "may start any number of processes (`pids_limit`)",
        );
        given_up
    }
}

/// A bind or a named volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceMount {
    /// What is mounted.
    pub source: MountSource,
    /// Absolute path in the container.
    pub target: String,
    /// Mounted read-only.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A host path: absolute, or relative to the Compose file's folder.
    Bind(String),
    /// A named volume of the file; the Engine creates it when it is absent.
    Volume(NamedVolume),
}

/// A named volume of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedVolume {
    /// The name the Engine knows; lemctl asks for it to be written out.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A resource limit; -1 is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
}

/// A host device given to the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path on the host.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Cgroup permissions, `rwm` unless the file says otherwise.
    pub permissions: String,
}

/// `deploy.resources.reservations.devices` with the driver `nvidia`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuReservation {
    /// Which GPUs.
    pub devices: GpuSelection,
    /// Driver capabilities, `gpu` among them.
    pub capabilities: Vec<String>,
}

/// Which GPUs a service asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuSelection {
    /// Every GPU (`count: all`, or neither key given).
    All,
    /// Any so many.
    Count(u32),
    /// These.
    Ids(Vec<String>),
}
