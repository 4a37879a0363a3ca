//! The overlay: all that lemctl adds to what the Compose file says. The list is closed and documented;
//! a test compares a created container with Compose's own reading, less exactly these.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

/// Label keys that mark what is lemctl's.
pub mod labels {
    /// What every key of lemctl's begins with.
    pub const PREFIX: &str = "org.lemctl.";
    /// Id of the campaign.
    pub const CAMPAIGN: &str = "org.lemctl.campaign";
    /// Name of the campaign.
    pub const CAMPAIGN_NAME: &str = "org.lemctl.campaign-name";
    /// Backend the container serves.
    pub const BACKEND: &str = "org.lemctl.backend";
    /// Session that created it.
    pub const SESSION: &str = "org.lemctl.session";
    /// First 16 hex digits of the SHA-256 of the project root's path.
    pub const ROOT: &str = "org.lemctl.root";
    /// Uid of the user that lemctl ran as.
    pub const UID: &str = "org.lemctl.uid";
    /// Set on the probe of `lemctl check`, to its process id.
    pub const PROBE: &str = "org.lemctl.probe";
}

/// What lemctl adds to a service, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Name of the container.
    pub name: String,
    /// Labels, on top of the service's.
    pub labels: BTreeMap<String, String>,
    /// UUIDs of the GPUs (or MIG slices): replaces which GPUs the service's reservation asks for.
    /// Empty leaves the reservation as it is.
    pub gpus: Vec<String>,
    /// Device nodes of the service that its container does not get: those of GPUs that the campaign does
    /// not name. Empty for a service that reserves GPUs.
    pub without_devices: Vec<String>,
    /// Host folder mounted read-only at `/run/lem`. Its files `passwd` and `group` are also mounted
    /// read-only at `/etc/passwd` and `/etc/group`.
    pub control: Utf8PathBuf,
    /// Host folder mounted read-write at `/outbox`: the only writable bind.
    pub outbox: Utf8PathBuf,
    /// Folder of a local model, mounted read-only at `/model`.
    pub model: Option<Utf8PathBuf>,
}

/// A bind that the overlay adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayMount {
    /// Path on the host.
    pub source: Utf8PathBuf,
    /// Path in the container.
    pub target: &'static str,
    /// Mounted read-only.
    pub read_only: bool,
}

impl Overlay {
    /// The binds, in the order they are mounted.
    #[must_use]
    pub fn mounts(&self) -> Vec<OverlayMount> {
        let mount = |source: Utf8PathBuf, target, read_only| OverlayMount {
            source,
            target,
            read_only,
        };
        let mut mounts = vec![
            mount(self.control.clone(), lem_protocol::CONTROL, true),
            mount(self.outbox.clone(), lem_protocol::OUTBOX, false),
            mount(self.control.join("passwd"), "/etc/passwd", true),
            mount(self.control.join("group"), "/etc/group", true),
        ];
        if let Some(model) = &self.model {
            mounts.push(mount(model.clone(), lem_protocol::MODEL, true));
        }
        mounts
    }
}
