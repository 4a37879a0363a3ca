//! Reads what is mounted, and the named volumes of a file.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::service_reader::absolute;
use super::{MountSource, NamedVolume, ServiceMount};
use crate::diagnostics::Problem;
use crate::document::{Node, Value};

/// The file's `volumes`. Each writes its `name` out: Compose would otherwise prefix the project's, and
/// two ways to start one container would use two caches.
pub(super) fn named_volumes(reader: &mut Reader<'_>, node: &Node) -> BTreeMap<String, NamedVolume> {
    let mut volumes = BTreeMap::new();
    let Some(map) = node.as_map() else {
        reader.problem(
            node,
            format!("`volumes` takes a map, not {}", node.describe()),
        );
        return volumes;
    };
    for entry in &map.entries {
        let key = format!("volumes.{}", entry.key);
        let fields = match entry.node.value {
            Value::Null => None,
            _ => match reader.map(&entry.node, &key, &["name", "labels"]) {
                Some(fields) => Some(fields),
                None => continue,
            },
        };
        let Some(name) = fields.and_then(|fields| fields.get("name")) else {
            let problem = Problem::new(entry.key_place, format!("`{key}` writes no `name` out"));
            reader
                .problems
                .push(problem.hint(format!("for example `name: lem-{}`", entry.key)));
            continue;
        };
        let labels = fields.and_then(|fields| fields.get("labels"));
        let labels = labels
            .and_then(|node| reader.pairs(node, "labels"))
            .unwrap_or_default();
        if let Some(name) = reader.text(name, "name") {
            volumes.insert(entry.key.clone(), NamedVolume { name, labels });
        }
    }
    volumes
}

/// A service's `volumes`.
pub(super) fn mounts(
    reader: &mut Reader<'_>,
    node: &Node,
    volumes: &BTreeMap<String, NamedVolume>,
) -> Vec<ServiceMount> {
    let mount = |reader: &mut Reader<'_>, item: &Node| match item.value {
        Value::Map(_) => long(reader, item, volumes),
        _ => short(reader, item, volumes),
    };
    reader.list(node, "volumes", mount).unwrap_or_default()
}

/// `source:target[:ro|rw]`.
fn short(
    reader: &mut Reader<'_>,
    node: &Node,
    volumes: &BTreeMap<String, NamedVolume>,
) -> Option<ServiceMount> {
    let text = reader.text(node, "volumes")?;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts.as_slice() {
        [source, target] | [source, target, "rw"] => (*source, *target, false),
        [source, target, "ro"] => (*source, *target, true),
        _ => {
            reader.problem(
                node,
                format!("`{text}` is not `source:target` with `:ro` or `:rw` after it"),
            );
            return None;
        }
    };
    let source = if source.starts_with(['/', '.', '~']) {
        bind(reader, node, source)?
    } else {
        volume(reader, node, source, volumes)?
    };
    Some(ServiceMount {
        source,
        target: target_path(reader, node, target)?,
        read_only,
    })
}

/// `{type, source, target, read_only}`.
fn long(
    reader: &mut Reader<'_>,
    node: &Node,
    volumes: &BTreeMap<String, NamedVolume>,
) -> Option<ServiceMount> {
    let map = reader.map(node, "volumes", &["type", "source", "target", "read_only"])?;
    let mut required = |key: &str| match map.get(key) {
        Some(node) => reader.text(node, key),
        None => {
            reader.problem(node, format!("a volume names no `{key}`"));
            None
        }
    };
    let (kind, source, target) = (required("type"), required("source"), required("target"));
    let read_only = map
        .get("read_only")
        .and_then(|node| reader.boolean(node, "read_only"))
        .unwrap_or(false);
    let source = match kind?.as_str() {
        "bind" => bind(reader, node, &source?)?,
        "volume" => volume(reader, node, &source?, volumes)?,
        "tmpfs" => {
            reader.problem(
                node,
                "a tmpfs stands under the service's `tmpfs`, so that it can be `exec`",
            );
            return None;
        }
        other => {
            reader.problem(node, format!("`type` takes bind or volume, not `{other}`"));
            return None;
        }
    };
    Some(ServiceMount {
        source,
        target: target_path(reader, node, &target?)?,
        read_only,
    })
}

/// From `/`, or from the file's folder; Compose's `~` depends on who calls it.
fn bind(reader: &mut Reader<'_>, node: &Node, path: &str) -> Option<MountSource> {
    let relative = path == "." || path == ".." || path.starts_with("./") || path.starts_with("../");
    if relative || path.starts_with('/') {
        return Some(MountSource::Bind(path.to_owned()));
    }
    let problem = Problem::new(
        node.place,
        format!("the host path `{path}` begins with none of `/`, `./` and `../`"),
    );
    reader.problems.push(
        problem.hint("write it from `/` or from the file's folder, or as a variable of `.env`"),
    );
    None
}

fn volume(
    reader: &mut Reader<'_>,
    node: &Node,
    key: &str,
    volumes: &BTreeMap<String, NamedVolume>,
) -> Option<MountSource> {
    let volume = volumes.get(key).cloned().map(MountSource::Volume);
    if volume.is_none() {
        let problem = Problem::new(
            node.place,
            format!("there is no volume `{key}` in the file's `volumes`"),
        );
        reader
            .problems
            .push(problem.hint(format!("add it: volumes: {{{key}: {{name: lem-{key}}}}}")));
    }
    volume
}

fn target_path(reader: &mut Reader<'_>, node: &Node, path: &str) -> Option<String> {
    let target = absolute(path);
    if target.is_none() {
        reader.problem(
            node,
            format!("the path `{path}` in the container is not absolute"),
        );
    }
    target
}
