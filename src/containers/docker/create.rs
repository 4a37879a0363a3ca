//! From a spec to the body of `POST /containers/create`: mechanical, and nothing but what stands in
//! the spec. What the spec leaves out stays `null`, so that the Engine's defaults are Compose's.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, Mount, MountType,
    MountVolumeOptions, ResourcesUlimits,
};

use crate::compose::{GpuReservation, GpuSelection, MountSource, Service, ServiceMount};
use crate::containers::{ContainerSpec, EngineInfo};

/// The whole body, for an Engine that gives out GPUs as `engine` says.
pub(super) fn body(spec: &ContainerSpec, engine: &EngineInfo) -> ContainerCreateBody {
    let service = spec.service();
    let labels = service.labels.iter().chain(&spec.overlay().labels);
    ContainerCreateBody {
        image: Some(service.image.clone()),
        user: service.user.clone(),
        entrypoint: service.entrypoint.clone(),
        cmd: service.command.clone(),
        env: listed(
            service
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        ),
        working_dir: service.working_dir.clone(),
        labels: mapped(labels.map(|(key, value)| (key.clone(), value.clone()))),
        stop_timeout: service
            .stop_grace_period
            .map(|grace| i64::try_from(grace.as_secs()).unwrap_or(i64::MAX)),
        host_config: Some(host_config(spec, engine)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(spec: &ContainerSpec, engine: &EngineInfo) -> HostConfig {
    let service = spec.service();
    HostConfig {
        mounts: listed(mounts(spec)),
        tmpfs: mapped(service.tmpfs.clone()),
        readonly_rootfs: service.read_only.then_some(true),
        cap_drop: listed(service.cap_drop.iter().cloned()),
        security_opt: listed(service.security_opt.iter().cloned()),
        network_mode: service.network_mode.clone(),
        ipc_mode: service.ipc.clone(),
        shm_size: service.shm_size.map(signed),
        ulimits: listed(
            service
                .ulimits
                .iter()
                .map(|(name, limit)| ResourcesUlimits {
                    name: Some(name.clone()),
                    soft: Some(limit.soft),
                    hard: Some(limit.hard),
                }),
        ),
        pids_limit: service.pids_limit,
        memory: service.mem_limit.map(signed),
        devices: listed(devices(spec)),
        device_requests: listed(device_request(service, &spec.overlay().gpus, engine)),
        init: service.init,
        ..HostConfig::default()
    }
}

/// The service's device nodes, less those that the overlay leaves out.
fn devices(spec: &ContainerSpec) -> impl Iterator<Item = DeviceMapping> {
    let without = &spec.overlay().without_devices;
    let given = spec.service().devices.iter();
    given
        .filter(|device| !without.contains(&device.host))
        .map(|device| DeviceMapping {
            path_on_host: Some(device.host.clone()),
            path_in_container: Some(device.container.clone()),
            cgroup_permissions: Some(device.permissions.clone()),
        })
}

/// Binds as mounts, never as `binds`: a bind of a missing path would create it, owned by root.
fn mounts(spec: &ContainerSpec) -> Vec<Mount> {
    let service = spec.service().mounts.iter().map(service_mount);
    let overlay = spec.overlay().mounts().into_iter().map(|mount| Mount {
        typ: Some(MountType::BIND),
        source: Some(mount.source.into_string()),
        target: Some(mount.target.to_owned()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    });
    service.chain(overlay).collect()
}

fn service_mount(mount: &ServiceMount) -> Mount {
    let (typ, source, volume_options) = match &mount.source {
        MountSource::Bind(path) => (MountType::BIND, path.clone(), None),
        MountSource::Volume(volume) => {
            let options = MountVolumeOptions {
                labels: mapped(volume.labels.clone()),
                ..MountVolumeOptions::default()
            };
            (MountType::VOLUME, volume.name.clone(), Some(options))
        }
    };
    Mount {
        typ: Some(typ),
        source: Some(source),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        volume_options,
        ..Mount::default()
    }
}

/// The service's reservation, for exactly the overlay's GPUs where it names some. By the NVIDIA runtime where the
/// Engine has it; by CDI where it has only that, and knows every GPU by its UUID.
fn device_request(
    service: &Service,
    gpus: &[String],
    engine: &EngineInfo,
) -> Option<DeviceRequest> {
    let GpuReservation {
        devices,
        capabilities,
    } = service.gpus.as_ref()?;
    if let Some(names) = cdi_names(gpus, engine) {
        return Some(DeviceRequest {
            driver: Some("cdi".to_owned()),
            device_ids: Some(names),
            ..DeviceRequest::default()
        });
    }
    let (count, device_ids) = match devices {
        _ if !gpus.is_empty() => (None, Some(gpus.to_vec())),
        GpuSelection::All => (Some(-1), None),
        GpuSelection::Count(count) => (Some(i64::from(*count)), None),
        GpuSelection::Ids(ids) => (None, Some(ids.clone())),
    };
    Some(DeviceRequest {
        driver: Some("nvidia".to_owned()),
        count,
        device_ids,
        capabilities: Some(vec![capabilities.clone()]),
        options: None,
    })
}

/// The GPUs' CDI names, if that is the only way to them.
fn cdi_names(gpus: &[String], engine: &EngineInfo) -> Option<Vec<String>> {
    if gpus.is_empty() || engine.runtimes.iter().any(|runtime| runtime == "nvidia") {
        return None;
    }
    let name = |gpu: &String| {
        let name = format!("nvidia.com/gpu={gpu}");
        engine.cdi_devices.contains(&name).then_some(name)
    };
    gpus.iter().map(name).collect()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn listed<T>(items: impl IntoIterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.into_iter().collect();
    (!items.is_empty()).then_some(items)
}

fn mapped(entries: impl IntoIterator<Item = (String, String)>) -> Option<HashMap<String, String>> {
    let entries: HashMap<_, _> = entries.into_iter().collect();
    (!entries.is_empty()).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(runtimes: &[&str], cdi: &[&str]) -> EngineInfo {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        EngineInfo {
            version: String::new(),
            api_version: String::new(),
            operating_system: String::new(),
            kernel: String::new(),
            architecture: String::new(),
            storage_driver: String::new(),
            containerd_store: false,
            cgroup_version: String::new(),
            cgroup_driver: String::new(),
            rootless: false,
            live_restore: false,
            runtimes: owned(runtimes),
            cdi_spec_dirs: Vec::new(),
            cdi_devices: owned(cdi),
            data_root: String::new(),
            cpus: 1,
            memory_bytes: 1,
        }
    }

    #[test]
    fn cdi_is_asked_only_where_nothing_else_is_and_all_gpus_are_known() {
        let service = Service {
            gpus: Some(GpuReservation {
                devices: GpuSelection::All,
                capabilities: vec!["gpu".to_owned()],
            }),
            ..Service::default()
        };
        let gpus = ["GPU-a".to_owned(), "GPU-b".to_owned()];
        let asked = |engine: &EngineInfo| {
            let request = device_request(&service, &gpus, engine).unwrap();
            (request.driver.unwrap(), request.device_ids.unwrap())
        };
        let by_uuid = ("nvidia".to_owned(), gpus.to_vec());
        let both = [
            "nvidia.com/gpu=GPU-a",
            "nvidia.com/gpu=GPU-b",
            "nvidia.com/gpu=all",
        ];
        let names: Vec<String> = both[..2].iter().map(|&name| name.to_owned()).collect();
        assert_eq!(asked(&engine(&["runc"], &both)), ("cdi".to_owned(), names));
        assert_eq!(asked(&engine(&["nvidia", "runc"], &both)), by_uuid);
        assert_eq!(
            asked(&engine(&["runc"], &both[..1])),
            by_uuid,
            "one is unknown"
        );
        assert_eq!(
            asked(&engine(&["runc"], &[])),
            by_uuid,
            "the Engine then says why not"
        );
        assert_eq!(
            device_request(&Service::default(), &gpus, &engine(&[], &both)),
            None
        );
    }
}
