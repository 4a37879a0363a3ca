//! Could a campaign run here? One line per thing that it needs, each with the command that mends it.
//!
//! Looks and tries, changes nothing that stays; one file per theme. Must not print or know the command
//! line.

mod engine;
mod folders;
mod gpu;
mod line;
pub(in crate::runner) mod probe;
mod user;

pub use line::{CheckLine, Status, ready};
pub use user::user;

use crate::clock::Clock;
use crate::compose::ComposeFile;
use crate::containers::{ContainerEngine, EngineError};
use crate::runner::project::Project;

/// What the checks compare with.
pub struct Facts<'a> {
    /// The project and who works in it.
    pub project: &'a Project,
    /// The invoking user's supplementary groups.
    pub groups: Vec<u32>,
    /// The host's clock.
    pub clock: &'a dyn Clock,
    /// The host's boot id.
    pub boot_id: &'a str,
}

/// Looks at everything. `engine` is what connecting gave: a refusal is a line like any other.
pub async fn check<E: ContainerEngine>(
    facts: &Facts<'_>,
    engine: Result<E, EngineError>,
) -> Vec<CheckLine> {
    let project = facts.project;
    let mut lines = Vec::new();
    let reached = match engine {
        Ok(engine) => match engine.engine().await {
            Ok(info) => {
                lines.extend(engine::reached(&info));
                Some((engine, info))
            }
            Err(error) => {
                lines.extend(engine::unreachable(&error));
                None
            }
        },
        Err(error) => {
            lines.extend(engine::unreachable(&error));
            None
        }
    };
    lines.push(user(project, &facts.groups));
    lines.extend(folders::writable(&project.root));
    lines.extend(folders::space(
        &project.root,
        reached.as_ref().map(|(_, info)| info.data_root.as_str()),
    ));
    lines.extend(gpu::lines(reached.as_ref().map(|(_, info)| info)));
    let files = compose_files(project, &mut lines);
    if let Some((engine, _)) = &reached {
        backends(engine, facts, &files, &mut lines).await;
    }
    lines
}

/// The Compose files that can be read; a line for each that cannot, and for what each gives up.
fn compose_files(project: &Project, lines: &mut Vec<CheckLine>) -> Vec<(String, ComposeFile)> {
    let names = match project.backends() {
        Ok(names) if !names.is_empty() => names,
        Ok(_) => {
            lines.push(CheckLine::fail(
                "compose",
                "compose/ holds no file",
                "git checkout -- compose",
            ));
            return Vec::new();
        }
        Err(error) => {
            lines.push(CheckLine::fail(
                "compose",
                error.to_string(),
                "git checkout -- compose",
            ));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for name in names {
        match project.compose(&name) {
            Ok(file) => {
                lines.push(engine::privileges(&name, &file));
                files.push((name, file));
            }
            Err(error) => {
                let text = error.to_string();
                // The report's first line only counts; the second names the first problem.
                let detail = text
                    .lines()
                    .nth(1)
                    .or_else(|| text.lines().next())
                    .unwrap_or_default()
                    .to_owned();
                let fix = format!(
                    "lemctl reads a part of Compose (docs/containers.md); git diff compose/{name}.yaml"
                );
                lines.push(CheckLine::fail(format!("compose {name}"), detail, fix));
            }
        }
    }
    files
}

/// Image and probe of each backend. A campaign needs one backend; without any image none can run.
async fn backends<E: ContainerEngine>(
    engine: &E,
    facts: &Facts<'_>,
    files: &[(String, ComposeFile)],
    lines: &mut Vec<CheckLine>,
) {
    if let Err(error) = probe::sweep_old(engine, &facts.project.root).await {
        lines.push(CheckLine::warn(
            "old probes",
            error.to_string(),
            "docker ps -a --filter label=org.lemctl.probe",
        ));
    }
    let mut images = Vec::new();
    let mut present = Vec::new();
    for (backend, file) in files {
        let (line, is_there) = engine::image(engine, backend, file).await;
        images.push(line);
        if is_there {
            present.push((backend, file));
        }
    }
    if present.is_empty() {
        for line in &mut images {
            line.status = Status::Fail;
        }
    }
    lines.extend(images);
    let driver = gpu::driver_is_there();
    let can_start = |file: &ComposeFile| file.worker.gpus.is_none() || driver;
    let another_can = present.iter().any(|(_, file)| can_start(file));
    for (backend, file) in present {
        if can_start(file) {
            lines.push(probe::line(engine, facts, backend, file).await);
            continue;
        }
        let mut line = CheckLine::warn(
            format!("probe {backend}"),
            "not started: it reserves a GPU, and this machine has no NVIDIA driver",
            "nothing to do for the other backends; else install the NVIDIA driver",
        );
        if !another_can {
            line.status = Status::Fail;
        }
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use crate::containers::EngineInfo;

    /// An Engine without anything special.
    pub(super) fn engine_info() -> EngineInfo {
        EngineInfo {
            version: "27.0.0".into(),
            api_version: "1.46".into(),
            operating_system: "Debian".into(),
            kernel: "6.1".into(),
            architecture: "x86_64".into(),
            storage_driver: "overlay2".into(),
            containerd_store: false,
            cgroup_version: "2".into(),
            cgroup_driver: "systemd".into(),
            rootless: false,
            live_restore: false,
            runtimes: vec!["runc".into()],
            cdi_spec_dirs: vec![],
            cdi_devices: vec![],
            data_root: "/var/lib/docker".into(),
            cpus: 1,
            memory_bytes: 1,
        }
    }
}
