//! Whose a host process is: the container that its cgroup names, else its command. The parsing is pure; only
//! [`owner_of`] reads `/proc`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hexadecimal digits of a full container id.
const ID_DIGITS: usize = 64;
/// Characters of a command that are kept.
const COMMAND_LENGTH: usize = 200;
/// What container engines put before the id in a systemd scope: `docker-<id>.scope`.
const SCOPE_PREFIXES: [&str; 5] = ["docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"];

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

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container { id } => write!(f, "container {}", &id[..id.len().min(12)]),
            Self::Host { command } => write!(f, "`{command}`"),
            Self::Unknown => write!(f, "unknown"),
        }
    }
}

/// Whose `pid` (of the host's namespace) is, from `proc_root` (`/proc`).
#[must_use]
pub fn owner_of(proc_root: &Path, pid: u32) -> Owner {
    let folder = proc_root.join(pid.to_string());
    let Ok(cgroup) = std::fs::read(folder.join("cgroup")) else {
        return Owner::Unknown;
    };
    if let Some(id) = parse_cgroup(&String::from_utf8_lossy(&cgroup)) {
        return Owner::Container { id };
    }
    let command_line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
    let name = || std::fs::read(folder.join("comm")).unwrap_or_default();
    match command(&command_line).or_else(|| command(&name())) {
        Some(command) => Owner::Host { command },
        // It ended between the two reads.
        None => Owner::Unknown,
    }
}

/// The container that the text of `/proc/<pid>/cgroup` names: the innermost, if one runs in another; none for a
/// process of the host.
///
/// Understood: `/docker/<id>` and `/ecs/…/<id>` (cgroup v1 and the cgroupfs driver), `docker-<id>.scope`,
/// `cri-containerd-<id>.scope`, `crio-<id>.scope`, `libpod-<id>.scope` (systemd driver), `kubepods…/<id>`, and
/// containerd's `<slice>:cri-containerd:<id>`.
#[must_use]
pub fn parse_cgroup(text: &str) -> Option<String> {
    let paths = text.lines().filter_map(|line| {
        // hierarchy:controllers:path; controllers of v1 hold no colon, a path may.
        line.splitn(3, ':').nth(2)
    });
    paths.filter_map(innermost).next()
}

fn innermost(path: &str) -> Option<String> {
    path.rsplit(['/', ':']).find_map(container_id)
}

fn container_id(segment: &str) -> Option<String> {
    let bare = segment.strip_suffix(".scope").unwrap_or(segment);
    let stripped = SCOPE_PREFIXES
        .iter()
        .find_map(|prefix| bare.strip_prefix(prefix));
    let id = stripped.unwrap_or(bare);
    let is_id = id.len() == ID_DIGITS
        && id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_id.then(|| id.to_owned())
}

/// A command line as the kernel keeps it (arguments ended by NUL), for people; none when empty.
fn command(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let spaced = text.trim_end_matches(['\0', '\n']).replace('\0', " ");
    let printable: String = spaced
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(COMMAND_LENGTH)
        .collect();
    (!printable.is_empty()).then_some(printable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    const ID: &str = "3f4c9d2be1a07865fedcba98765432100123456789abcdef0123456789abcdef";
    const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

    #[test]
    fn containers_are_found_in_each_form() {
        for form in [
            "12:memory:/docker/ID\n11:cpuset:/docker/ID\n0::/system.slice/containerd.service\n",
            "0::/system.slice/docker-ID.scope\n",
            "0::/docker/ID\n",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a.slice/cri-containerd-ID.scope\n",
            "9:pids:/kubepods/besteffort/pod8f1c/ID\n",
            "0::/kubepods.slice/crio-ID.scope/container\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container\n",
            "1:name=systemd:/system.slice:cri-containerd:ID\n",
            "0::/../../docker-ID.scope",
            // A container inside a container: the inner one holds the GPU.
            "0::/docker/OTHER/docker/ID\n",
        ] {
            let text = form.replace("ID", ID).replace("OTHER", OTHER);
            assert_eq!(parse_cgroup(&text).as_deref(), Some(ID), "{form}");
        }
    }

    #[test]
    fn the_hosts_processes_and_nonsense_are_not() {
        let short = &ID[..12];
        let upper = ID.to_uppercase();
        for text in [
            "0::/user.slice/user-1000.slice/session-3.scope\n".to_owned(),
            "0::/\n".to_owned(),
            String::new(),
            format!("0::/docker/{short}\n"),
            format!("0::/docker/{ID}0\n"),
            format!("0::/docker/{upper}\n"),
            format!("no colons {ID}"),
            "::::\n:::".to_owned(),
        ] {
            assert_eq!(parse_cgroup(&text), None, "{text}");
        }
    }

    #[test]
    fn a_process_without_container_has_its_command() {
        let proc_root = tempfile::tempdir().unwrap();
        let write = |pid: u32, cgroup: &str, cmdline: &[u8], comm: &str| {
            let folder = proc_root.path().join(pid.to_string());
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("cgroup"), cgroup).unwrap();
            std::fs::write(folder.join("cmdline"), cmdline).unwrap();
            std::fs::write(folder.join("comm"), comm).unwrap();
        };
        write(
            7,
            "0::/user.slice\n",
            b"python3\0train.py\0\x1b[2J\0",
            "python3\n",
        );
        write(8, "0::/\n", b"", "nvidia-persiste\n");
        write(9, &format!("0::/docker/{ID}\n"), b"worker\0", "worker\n");
        write(10, "0::/\n", b"", "");
        let host = |command: &str| Owner::Host {
            command: command.to_owned(),
        };
        let of = |pid| owner_of(proc_root.path(), pid);
        assert_eq!(of(7), host("python3 train.py ?[2J"));
        assert_eq!(of(8), host("nvidia-persiste"));
        assert_eq!(of(9), Owner::Container { id: ID.to_owned() });
        assert_eq!(of(10), Owner::Unknown);
        assert_eq!(of(11), Owner::Unknown);
    }

    #[test]
    fn this_process_is_found() {
        let owner = owner_of(Path::new("/proc"), std::process::id());
        assert_ne!(owner, Owner::Unknown);
    }
}
