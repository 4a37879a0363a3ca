//! From what the Engine answers to what lemctl knows: every field may be absent in some version.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerInspectResponse, ContainerSummary as Listed, ContainerSummaryStateEnum, ImageInspect,
    SystemInfo,
};

use crate::containers::{ContainerId, ContainerState, ContainerSummary, EngineInfo, ImageIdentity};

fn ordered(labels: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    labels.unwrap_or_default().into_iter().collect()
}

fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// The Engine's account of itself.
pub(super) fn engine(info: SystemInfo, version: &str, api_version: String) -> EngineInfo {
    let containerd_store = info.driver_status.iter().flatten().any(|pair| {
        matches!(pair.as_slice(), [key, value] if key == "driver-type" && value.contains("containerd.snapshotter"))
    });
    let mut runtimes: Vec<String> = info.runtimes.unwrap_or_default().into_keys().collect();
    runtimes.sort();
    let rootless = info
        .security_options
        .iter()
        .flatten()
        .any(|option| option.contains("name=rootless"));
    let cdi_devices = info.discovered_devices.unwrap_or_default().into_iter();
    EngineInfo {
        version: version.to_owned(),
        api_version,
        operating_system: info.operating_system.unwrap_or_default(),
        kernel: info.kernel_version.unwrap_or_default(),
        architecture: info.architecture.unwrap_or_default(),
        storage_driver: info.driver.unwrap_or_default(),
        containerd_store,
        cgroup_version: info
            .cgroup_version
            .map(|v| v.to_string())
            .unwrap_or_default(),
        cgroup_driver: info
            .cgroup_driver
            .map(|v| v.to_string())
            .unwrap_or_default(),
        rootless,
        live_restore: info.live_restore_enabled.unwrap_or(false),
        runtimes,
        cdi_spec_dirs: info.cdi_spec_dirs.unwrap_or_default(),
        cdi_devices: cdi_devices
            .filter(|device| device.source.as_deref() == Some("cdi"))
            .filter_map(|device| device.id)
            .collect(),
        data_root: info.docker_root_dir.unwrap_or_default(),
        cpus: unsigned(info.ncpu),
        memory_bytes: unsigned(info.mem_total),
    }
}

/// Who an image is.
pub(super) fn image(reference: &str, image: ImageInspect, engine: &EngineInfo) -> ImageIdentity {
    let mut repo_digests = image.repo_digests.unwrap_or_default();
    repo_digests.sort();
    let config = image.config.unwrap_or_default();
    ImageIdentity {
        reference: reference.to_owned(),
        id: image.id.unwrap_or_default(),
        repo_digests,
        containerd_store: engine.containerd_store,
        storage_driver: engine.storage_driver.clone(),
        created: image.created.map(|date| date.to_rfc3339()),
        size_bytes: unsigned(image.size),
        platform: format!(
            "{}/{}",
            image.os.unwrap_or_default(),
            image.architecture.unwrap_or_default()
        ),
        entrypoint: config.entrypoint.unwrap_or_default(),
        user: config.user.filter(|user| !user.is_empty()),
        labels: ordered(config.labels),
    }
}

/// How a container is.
pub(super) fn container(answer: ContainerInspectResponse) -> ContainerState {
    let state = answer.state.unwrap_or_default();
    let running = state.running.unwrap_or(false);
    let ended = !running
        && state
            .finished_at
            .as_deref()
            .is_some_and(|at| !at.starts_with("0001-"));
    ContainerState {
        id: ContainerId(answer.id.unwrap_or_default()),
        name: bare_name(&answer.name.unwrap_or_default()),
        running,
        paused: state.paused.unwrap_or(false),
        exit_code: state.exit_code.filter(|_| ended),
        oom_killed: state.oom_killed.unwrap_or(false),
        error: state.error.unwrap_or_default(),
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 1),
        labels: ordered(answer.config.and_then(|config| config.labels)),
        image_id: answer.image.unwrap_or_default(),
        started_at: state.started_at.filter(|at| !at.starts_with("0001-")),
        execs: answer.exec_ids.unwrap_or_default(),
    }
}

/// One line of a list.
pub(super) fn summary(listed: Listed) -> ContainerSummary {
    let state = listed.state;
    ContainerSummary {
        id: ContainerId(listed.id.unwrap_or_default()),
        name: listed
            .names
            .iter()
            .flatten()
            .next()
            .map(|name| bare_name(name))
            .unwrap_or_default(),
        running: matches!(
            state,
            Some(
                ContainerSummaryStateEnum::RUNNING
                    | ContainerSummaryStateEnum::PAUSED
                    | ContainerSummaryStateEnum::RESTARTING
            )
        ),
        labels: ordered(listed.labels),
        image_id: listed.image_id.unwrap_or_default(),
    }
}

/// Engines write `/name`.
fn bare_name(name: &str) -> String {
    name.trim_start_matches('/').to_owned()
}
