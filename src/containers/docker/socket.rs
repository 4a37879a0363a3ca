//! Which socket the Engine listens on, and why it does not answer.

use std::io;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::containers::EngineError;

/// Where Docker listens unless told otherwise.
pub(super) const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// What the environment says about the Engine.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `XDG_RUNTIME_DIR`, where a rootless daemon puts its socket.
    pub runtime_dir: Option<String>,
}

impl Surroundings {
    /// Reads the process's environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the Engine's address is an edge: DOCKER_HOST is Docker's own contract"
    )]
    pub fn read() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            docker_host: read("DOCKER_HOST"),
            runtime_dir: read("XDG_RUNTIME_DIR"),
        }
    }

    /// The socket to use: `DOCKER_HOST` if it is one, else the default, else the user's rootless one.
    pub fn socket(&self, exists: impl Fn(&Utf8Path) -> bool) -> Result<Utf8PathBuf, EngineError> {
        if let Some(host) = &self.docker_host {
            return match host.strip_prefix("unix://") {
                Some(path) if path.starts_with('/') => Ok(path.into()),
                _ => Err(EngineError::Remote {
                    host: without_credentials(host),
                }),
            };
        }
        let default = Utf8PathBuf::from(DEFAULT_SOCKET);
        if exists(&default) {
            return Ok(default);
        }
        let rootless = self
            .runtime_dir
            .as_ref()
            .map(|dir| Utf8Path::new(dir).join("docker.sock"));
        Ok(rootless.filter(|path| exists(path)).unwrap_or(default))
    }

    /// Where `DOCKER_HOST` chose the socket, it is the first thing to look at.
    pub fn explain(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::Unreachable { socket, reason, .. } if self.docker_host.is_some() => {
                let fix =
                    "start the daemon that DOCKER_HOST names, or: unset DOCKER_HOST".to_owned();
                EngineError::Unreachable {
                    socket,
                    reason,
                    fix,
                }
            }
            error => error,
        }
    }
}

/// `ssh://user:secret@host` without what stands before the `@`: messages end up in bug reports.
fn without_credentials(host: &str) -> String {
    match (host.find("://"), host.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => {
            format!("{}{}", &host[..scheme + 3], &host[at + 1..])
        }
        _ => host.to_owned(),
    }
}

/// Why connecting to `socket` failed, in the user's terms.
pub(super) fn connection_error(socket: &Utf8Path, error: &io::Error) -> EngineError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let group = owner_group(socket);
            EngineError::PermissionDenied {
                fix: format!(
                    "sudo usermod -aG {group} $USER, then log in again (or: newgrp {group})"
                ),
                socket: socket.to_string(),
                group,
            }
        }
        kind => {
            let (reason, fix) = match kind {
                io::ErrorKind::NotFound => (
                    "there is no such socket".to_owned(),
                    "sudo systemctl start docker (not installed yet? make setup)",
                ),
                io::ErrorKind::ConnectionRefused => (
                    "the daemon is not running".to_owned(),
                    "sudo systemctl restart docker",
                ),
                _ => (error.to_string(), "docker info"),
            };
            EngineError::Unreachable {
                socket: socket.to_string(),
                reason,
                fix: fix.to_owned(),
            }
        }
    }
}

/// Name of the group that owns the socket, its number where it has no name, `docker` where even the
/// file cannot be looked at.
fn owner_group(socket: &Utf8Path) -> String {
    let Ok(metadata) = std::fs::metadata(socket) else {
        return "docker".to_owned();
    };
    let gid = metadata.gid().to_string();
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    groups
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&gid.as_str()))
        .map_or(gid.clone(), |fields| fields[0].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(docker_host: Option<&str>, runtime_dir: Option<&str>) -> Surroundings {
        Surroundings {
            docker_host: docker_host.map(Into::into),
            runtime_dir: runtime_dir.map(Into::into),
        }
    }

    #[test]
    fn a_local_docker_host_wins_and_any_other_is_refused() {
        let there = |_: &Utf8Path| true;
        let local = surroundings(Some("unix:///run/other.sock"), Some("/run/user/7"));
        assert_eq!(local.socket(there).unwrap(), "/run/other.sock");
        for remote in [
            "tcp://10.0.0.1:2375",
            "ssh://ada@gpu1",
            "http://localhost:1",
            "npipe:////./x",
            "/run/x.sock",
            "unix://relative.sock",
        ] {
            let refused = surroundings(Some(remote), None).socket(there).unwrap_err();
            assert!(
                matches!(refused, EngineError::Remote { .. }),
                "{remote}: {refused}"
            );
        }
    }

    #[test]
    fn the_rootless_socket_is_second_and_the_default_is_what_a_message_names() {
        let none = surroundings(None, Some("/run/user/7"));
        assert_eq!(none.socket(|_| true).unwrap(), DEFAULT_SOCKET);
        assert_eq!(
            none.socket(|path| path.starts_with("/run/user")).unwrap(),
            "/run/user/7/docker.sock"
        );
        assert_eq!(none.socket(|_| false).unwrap(), DEFAULT_SOCKET);
    }

    #[test]
    fn a_password_in_docker_host_is_not_repeated() {
        let refused = surroundings(Some("tcp://ada:secret@gpu1:2376"), None)
            .socket(|_| true)
            .unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
        assert!(refused.to_string().contains("gpu1:2376"), "{refused}");
    }

    #[test]
    fn a_socket_that_docker_host_chose_is_explained_by_it() {
        let absent = || {
            connection_error(
                Utf8Path::new("/nowhere.sock"),
                &io::Error::from(io::ErrorKind::NotFound),
            )
        };
        let chosen = surroundings(Some("unix:///nowhere.sock"), None).explain(absent());
        assert!(
            matches!(chosen, EngineError::Unreachable { fix, .. } if fix.contains("unset DOCKER_HOST"))
        );
        let default = surroundings(None, None).explain(absent());
        assert_eq!(default, absent());
    }

    #[test]
    fn denied_permission_names_socket_group_and_command() {
        let error = connection_error(
            Utf8Path::new("/"),
            &io::Error::from(io::ErrorKind::PermissionDenied),
        );
        let EngineError::PermissionDenied { socket, group, fix } = error else {
            panic!("{error:?}");
        };
        assert_eq!((socket.as_str(), group.as_str()), ("/", "root"));
        assert!(fix.starts_with("sudo usermod -aG root $USER"));
    }
}
