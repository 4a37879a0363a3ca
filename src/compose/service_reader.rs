//! Reads one service.

use std::collections::BTreeMap;

use super::interpolate::SECRETS;
use super::quantity::{bytes, duration};
use super::reader::Reader;
use super::volume_reader::mounts;
use super::{Device, GpuReservation, GpuSelection, NamedVolume, Service, Ulimit};
use crate::diagnostics::Problem;
use crate::document::{Map, Node};

/// Every key of a service that lemctl carries out.
pub(super) const SERVICE_KEYS: &[&str] = &[
    "image",
    "user",
    "entrypoint",
    "command",
    "environment",
    "working_dir",
    "volumes",
    "tmpfs",
    "read_only",
    "cap_drop",
    "security_opt",
    "network_mode",
    "ipc",
    "shm_size",
    "ulimits",
    "pids_limit",
    "mem_limit",
    "devices",
    "deploy",
    "stop_grace_period",
    "init",
    "labels",
    "profiles",
];

pub(super) fn service(
    reader: &mut Reader<'_>,
    node: &Node,
    name: &str,
    volumes: &BTreeMap<String, NamedVolume>,
) -> Option<Service> {
    let map = reader.map(node, name, SERVICE_KEYS)?;
    let mut service = Service::default();
    match map.get("image") {
        Some(node) => service.image = reader.text(node, "image").unwrap_or_default(),
        None => reader.problem(node, format!("the service `{name}` names no `image`")),
    }
    identity(reader, map, &mut service);
    isolation(reader, map, &mut service);
    limits(reader, map, &mut service);
    if let Some(node) = map.get("volumes") {
        service.mounts = mounts(reader, node, volumes);
    }
    if let Some(node) = map.get("tmpfs") {
        service.tmpfs = tmpfs(reader, node);
    }
    if let Some(node) = map.get("devices") {
        let device = |reader: &mut Reader<'_>, item: &Node| {
            reader.parsed(
                item,
                "devices",
                "`/dev/host[:/dev/container[:rwm]]`",
                device,
            )
        };
        service.devices = reader.list(node, "devices", device).unwrap_or_default();
    }
    service.gpus = map.get("deploy").and_then(|node| gpus(reader, node));
    Some(service)
}

/// What runs, and as whom.
fn identity(reader: &mut Reader<'_>, map: &Map, service: &mut Service) {
    service.user = map.get("user").and_then(|node| {
        reader.parsed(node, "user", "numbers, `uid:gid`", |text| {
            let (uid, gid) = text.split_once(':')?;
            (uid.parse::<u32>().is_ok() && gid.parse::<u32>().is_ok()).then(|| text.to_owned())
        })
    });
    service.entrypoint = map
        .get("entrypoint")
        .and_then(|node| reader.texts(node, "entrypoint"));
    service.command = map
        .get("command")
        .and_then(|node| reader.texts(node, "command"));
    service.environment = map
        .get("environment")
        .and_then(|node| reader.pairs(node, "environment"))
        .unwrap_or_default();
    if let (Some(name), Some(node)) = (
        SECRETS
            .iter()
            .find(|name| service.environment.contains_key(**name)),
        map.get("environment"),
    ) {
        let message = format!(
            "`{name}` holds a secret, and `environment` is shown to everyone who may ask the Engine"
        );
        reader.problem(node, message);
    }
    service.working_dir = map
        .get("working_dir")
        .and_then(|node| reader.parsed(node, "working_dir", "an absolute path", absolute));
    service.labels = map
        .get("labels")
        .and_then(|node| reader.pairs(node, "labels"))
        .unwrap_or_default();
    service.profiles = map
        .get("profiles")
        .and_then(|node| reader.texts(node, "profiles"))
        .unwrap_or_default();
    service.init = map
        .get("init")
        .and_then(|node| reader.boolean(node, "init"));
    service.stop_grace_period = map.get("stop_grace_period").and_then(|node| {
        reader.parsed(node, "stop_grace_period", "a time such as `10s`", duration)
    });
}

/// What it is kept from.
fn isolation(reader: &mut Reader<'_>, map: &Map, service: &mut Service) {
    service.read_only = map
        .get("read_only")
        .and_then(|node| reader.boolean(node, "read_only"))
        .unwrap_or(false);
    service.cap_drop = map
        .get("cap_drop")
        .and_then(|node| reader.texts(node, "cap_drop"))
        .unwrap_or_default();
    service.security_opt = map
        .get("security_opt")
        .and_then(|node| reader.texts(node, "security_opt"))
        .unwrap_or_default();
    service.network_mode = map
        .get("network_mode")
        .and_then(|node| reader.word(node, "network_mode", &["none", "bridge", "host"]));
    service.ipc = map
        .get("ipc")
        .and_then(|node| reader.word(node, "ipc", &["private", "none", "shareable", "host"]));
}

/// How much it may take.
fn limits(reader: &mut Reader<'_>, map: &Map, service: &mut Service) {
    let mut size = |key| {
        map.get(key)
            .and_then(|node| reader.parsed(node, key, "a size such as `64m`", bytes))
    };
    service.shm_size = size("shm_size");
    service.mem_limit = size("mem_limit");
    service.pids_limit = map
        .get("pids_limit")
        .and_then(|node| reader.integer(node, "pids_limit"));
    let Some(node) = map.get("ulimits") else {
        return;
    };
    let Some(limits) = node.as_map() else {
        reader.problem(
            node,
            format!("`ulimits` takes a map, not {}", node.describe()),
        );
        return;
    };
    for entry in &limits.entries {
        let name = format!("ulimits.{}", entry.key);
        let limit = if entry.node.as_map().is_some() {
            soft_and_hard(reader, &entry.node, &name)
        } else {
            reader.integer(&entry.node, &name).map(|both| Ulimit {
                soft: both,
                hard: both,
            })
        };
        if let Some(limit) = limit {
            service.ulimits.insert(entry.key.clone(), limit);
        }
    }
}

fn soft_and_hard(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<Ulimit> {
    let map = reader.map(node, name, &["soft", "hard"])?;
    let (Some(soft), Some(hard)) = (map.get("soft"), map.get("hard")) else {
        reader.problem(node, format!("`{name}` takes both `soft` and `hard`"));
        return None;
    };
    Some(Ulimit {
        soft: reader.integer(soft, name)?,
        hard: reader.integer(hard, name)?,
    })
}

/// `/tmp` or `/tmp:mode=1777,size=64m`, one or a list.
fn tmpfs(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<String, String> {
    let read = |reader: &mut Reader<'_>, item: &Node| {
        reader.parsed(item, "tmpfs", "`/path` or `/path:options`", |text| {
            let (path, options) = text.split_once(':').unwrap_or((text, ""));
            Some((absolute(path)?, options.to_owned()))
        })
    };
    if node.as_text().is_some() {
        return read(reader, node).into_iter().collect();
    }
    reader
        .list(node, "tmpfs", read)
        .unwrap_or_default()
        .into_iter()
        .collect()
}

fn device(text: &str) -> Option<Device> {
    let mut parts = text.split(':');
    let host = absolute(parts.next()?)?;
    let container = parts.next().map_or_else(|| Some(host.clone()), absolute)?;
    let permissions = parts.next().unwrap_or("rwm");
    let known = !permissions.is_empty() && permissions.chars().all(|c| "rwm".contains(c));
    (known && parts.next().is_none()).then(|| Device {
        host,
        container,
        permissions: permissions.to_owned(),
    })
}

/// `deploy.resources.reservations.devices`, the one part of `deploy` that says something here.
fn gpus(reader: &mut Reader<'_>, deploy: &Node) -> Option<GpuReservation> {
    const NAME: &str = "deploy.resources.reservations.devices";
    let resources = reader
        .map(deploy, "deploy", &["resources"])?
        .get("resources")?;
    let reservations = reader
        .map(resources, "deploy.resources", &["reservations"])?
        .get("reservations")?;
    let devices = reader
        .map(reservations, "deploy.resources.reservations", &["devices"])?
        .get("devices")?;
    let Some([device]) = devices.as_list() else {
        reader.problem(devices, format!("`{NAME}` takes a list of one reservation"));
        return None;
    };
    let map = reader.map(
        device,
        NAME,
        &["driver", "count", "device_ids", "capabilities"],
    )?;
    match map.get("driver") {
        Some(driver) => drop(reader.word(driver, "driver", &["nvidia"])),
        None => reader.problem(
            device,
            format!("`{NAME}` names no `driver`; lemctl knows `nvidia`"),
        ),
    }
    let capabilities = map
        .get("capabilities")
        .and_then(|node| reader.texts(node, "capabilities"));
    let Some(capabilities) = capabilities.filter(|capabilities| !capabilities.is_empty()) else {
        reader.problem(
            device,
            format!("`{NAME}` names no `capabilities`; for a GPU: [gpu]"),
        );
        return None;
    };
    let devices = match (map.get("count"), map.get("device_ids")) {
        (Some(count), Some(_)) => {
            let problem = Problem::new(count.place, "`count` and `device_ids` exclude each other");
            reader
                .problems
                .push(problem.hint("lemctl puts in the campaign's GPUs either way"));
            return None;
        }
        (Some(count), None) => {
            reader.parsed(count, "count", "a number or `all`", |text| match text {
                "all" => Some(GpuSelection::All),
                number => number.parse().ok().map(GpuSelection::Count),
            })?
        }
        (None, Some(ids)) => GpuSelection::Ids(reader.texts(ids, "device_ids")?),
        (None, None) => GpuSelection::All,
    };
    Some(GpuReservation {
        devices,
        capabilities,
    })
}

/// The path, if it is absolute.
pub(super) fn absolute(path: &str) -> Option<String> {
    path.starts_with('/').then(|| path.to_owned())
}
