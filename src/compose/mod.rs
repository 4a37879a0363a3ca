//! The Compose subset: `compose/<backend>.yaml` is THE description of how a backend's container runs,
//! and this module reads exactly as much of it as lemctl can carry out. Any other key is an error.
//!
//! Pure: text and variables in, services out. It must not know the Engine, files or the environment.

mod env_file;
mod interpolate;
mod quantity;
mod reader;
mod report;
mod service;
mod service_reader;
mod volume_reader;

pub use env_file::{MAX_ENV_BYTES, parse_env, variables};
pub use report::ComposeReport;
pub use service::{
    ComposeFile, Device, GpuReservation, GpuSelection, MountSource, NamedVolume, Service,
    ServiceMount, Ulimit,
};

use std::collections::BTreeMap;

use self::reader::Reader;
use crate::diagnostics::Problem;
use crate::document::{self, Document, Node};

/// Reads a Compose file. `variables` is what `${…}` may name; see [`variables`].
///
/// # Errors
/// All problems of the file at once, each with its line.
pub fn parse(
    file: &str,
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<ComposeFile, ComposeReport> {
    let report = |problems| ComposeReport::new(file, text, problems);
    let Document { root, problems } =
        document::read(text).map_err(|problem| report(vec![problem]))?;
    let mut reader = Reader {
        variables,
        problems,
    };
    let parsed = compose_file(&mut reader, &root, file);
    match parsed {
        Some(parsed) if reader.problems.is_empty() => Ok(parsed),
        _ => Err(report(reader.problems)),
    }
}

fn compose_file(reader: &mut Reader<'_>, root: &Node, file: &str) -> Option<ComposeFile> {
    let map = reader.map(root, "the file", &["name", "services", "volumes"])?;
    let name = map.get("name").and_then(|node| reader.text(node, "name"));
    let volumes = map
        .get("volumes")
        .map(|node| volume_reader::named_volumes(reader, node))
        .unwrap_or_default();
    let Some(services) = map.get("services") else {
        reader.problem(root, "the file has no `services`");
        return None;
    };
    let services_map = reader.map(services, "services", &["worker", "fetch"])?;
    let fetch = services_map.entry("fetch").and_then(|entry| {
        let fetch = service_reader::service(reader, &entry.node, "fetch", &volumes)?;
        if fetch.profiles.is_empty() {
            let problem = Problem::new(
                entry.key_place,
                "`fetch` is in no profile: Compose would start it with the worker",
            );
            reader
                .problems
                .push(problem.hint("add `profiles: [fetch]`"));
        }
        Some(fetch)
    });
    let Some(worker) = services_map.get("worker") else {
        reader.problem(services, "there is no service `worker`");
        return None;
    };
    let worker = service_reader::service(reader, worker, "worker", &volumes)?;
    Some(ComposeFile {
        file: file.to_owned(),
        name,
        worker,
        fetch,
        volumes,
    })
}

#[cfg(test)]
mod tests;
