//! Whose a host process is: the container that its cgroup names, else its command. The parsing is pure; only
//! [`owner_of`] reads `/proc`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose a process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "owner", deny_unknown_fields)]
pub enum Owner {
    /// A container's (Docker, containerd, CRI-O, Podman).
    Container {
        /// Its full id: 64 hexadecimal digits.
        id: String,
    },
    /// A process of the host itself.
    Host {
        /// Its command line, or its name where that cannot be read; at most 200 characters, printable.
        command: String,
    },
    /// Gone, or not visible to this user.
    Unknown,
}

/// Whose `pid` (of the host's namespace) is, from `proc_root` (`/proc`).
#[must_use]
pub fn owner_of(proc_root: &Path, pid: u32) -> Owner {
    let _ = (proc_root, pid);
    unimplemented!("M0")
}

/// The container that the text of `/proc/<pid>/cgroup` names; none for a process of the host.
#[must_use]
pub fn parse_cgroup(text: &str) -> Option<String> {
    let _ = text;
    unimplemented!("M0")
}
