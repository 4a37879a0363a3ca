//! The Engine, and what it holds for each backend.

use miette::Diagnostic;

use super::CheckLine;
use crate::compose::ComposeFile;
use crate::containers::{ContainerEngine, EngineError, EngineInfo};

/// Name of the line on the Engine.
const ENGINE: &str = "docker engine";
/// Name of the line on its socket.
const SOCKET: &str = "docker socket";

/// What a failed connection says: the socket and the Engine are two lines, so that each has its fix.
pub(super) fn unreachable(error: &EngineError) -> Vec<CheckLine> {
    let fix = error
        .help()
        .map_or_else(|| "docker info".to_owned(), |help| help.to_string());
    let failed = |name| CheckLine::fail(name, error.to_string(), fix.clone());
    match error {
        EngineError::PermissionDenied { .. } | EngineError::Remote { .. } => vec![failed(SOCKET)],
        _ => vec![failed(ENGINE)],
    }
}

/// The Engine answers: who it is, and what about it is worth knowing.
pub(super) fn reached(info: &EngineInfo) -> Vec<CheckLine> {
    let EngineInfo {
        version,
        api_version,
        storage_driver,
        cgroup_version,
        ..
    } = info;
    let mut lines = vec![
        CheckLine::pass(SOCKET, "this user may use it"),
        CheckLine::pass(
            ENGINE,
            format!(
                "Docker Engine {version}, API {api_version}, {storage_driver}, cgroup v{cgroup_version}"
            ),
        ),
    ];
    if info.rootless {
        lines.push(CheckLine::warn(
            "rootless engine",
            "its containers' users are mapped: files in the outbox may belong to a sub-uid",
            "use the system's Engine: unset DOCKER_HOST",
        ));
    }
    lines
}

/// Whether a backend's image is there. `needed`: nothing else could run without it.
pub(super) async fn image<E: ContainerEngine>(
    engine: &E,
    backend: &str,
    file: &ComposeFile,
) -> (CheckLine, bool) {
    let name = format!("image {backend}");
    let reference = &file.worker.image;
    match engine.image(reference).await {
        Ok(Some(image)) => {
            let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
            let detail = format!("{reference} is {}", id.get(..12).unwrap_or(id));
            (CheckLine::pass(name, detail), true)
        }
        Ok(None) => {
            let detail = format!("{reference} is not on this machine");
            (
                CheckLine::warn(name, detail, format!("lemctl images build {backend}")),
                false,
            )
        }
        Err(error) => (
            CheckLine::fail(name, error.to_string(), "docker info"),
            false,
        ),
    }
}

/// What a backend's Compose file gives up of least privilege.
pub(super) fn privileges(backend: &str, file: &ComposeFile) -> CheckLine {
    let name = format!("compose {backend}");
    let given_up = file.worker.privileges();
    if given_up.is_empty() {
        return CheckLine::pass(
            name,
            format!("{} gives its container no privilege", file.file),
        );
    }
    let detail = format!("{}: {}", file.file, given_up.join(", "));
    CheckLine::warn(name, detail, format!("git diff {}", file.file))
}
