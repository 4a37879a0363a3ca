//! For a service that lists device nodes instead of reserving GPUs: which of its nodes belong to GPUs that
//! the campaign does not name, and so are not given to its container.

use std::collections::BTreeMap;

use crate::compose::Service;
use crate::execution::{Blame, Cause};

/// The nodes to leave out. `nodes` says which node is which GPU; what it does not know stays as the file has it,
/// and the worker's hello must then name the campaign's GPUs all the same.
///
/// # Errors
/// If the service lists no node of a GPU that the campaign names.
pub(super) fn left_out(
    service: &Service,
    gpus: &[String],
    nodes: &BTreeMap<String, String>,
) -> Result<Vec<String>, Cause> {
    if service.gpus.is_some() || service.devices.is_empty() || gpus.is_empty() {
        return Ok(Vec::new());
    }
    let listed = |node: &String| service.devices.iter().any(|device| device.host == *node);
    let missing = gpus.iter().find_map(|gpu| {
        nodes
            .get(gpu)
            .filter(|node| !listed(node))
            .map(|node| (gpu, node))
    });
    if let Some((gpu, node)) = missing {
        let message = format!(
            "the campaign names {gpu}, which is {node}, but the Compose file's `devices` do not list it"
        );
        return Err(Cause::new(Blame::Environment, "container_spec", message)
            .hint("add the node to `devices` in the backend's file under compose/"));
    }
    let others = nodes.iter().filter(|(gpu, _)| !gpus.contains(gpu));
    Ok(others
        .map(|(_, node)| node.clone())
        .filter(listed)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{Device, GpuReservation, GpuSelection};

    fn service(devices: &[&str]) -> Service {
        let device = |path: &&str| Device {
            host: (*path).to_owned(),
            container: (*path).to_owned(),
            permissions: "rwm".to_owned(),
        };
        Service {
            devices: devices.iter().map(device).collect(),
            ..Service::default()
        }
    }

    #[test]
    fn only_nodes_of_other_gpus_are_left_out() {
        let nodes: BTreeMap<String, String> =
            [("GPU-a", "/dev/nvidia0"), ("GPU-b", "/dev/nvidia1")]
                .map(|(gpu, node)| (gpu.to_owned(), node.to_owned()))
                .into();
        let all = service(&["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"]);
        let gpus = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        let a = gpus(&["GPU-a"]);
        assert_eq!(left_out(&all, &a, &nodes), Ok(gpus(&["/dev/nvidia1"])));
        assert_eq!(
            left_out(&all, &gpus(&["GPU-a", "GPU-b"]), &nodes),
            Ok(vec![])
        );
        assert_eq!(
            left_out(&all, &gpus(&["MIG-x"]), &BTreeMap::new()),
            Ok(vec![])
        );
        assert_eq!(left_out(&all, &[], &nodes), Ok(vec![]), "no GPU is named");
        let one = service(&["/dev/nvidia1"]);
        assert!(
            left_out(&one, &a, &nodes)
                .unwrap_err()
                .message
                .contains("GPU-a, which is /dev/nvidia0")
        );
        let mut reserved = service(&["/dev/nvidia1"]);
        reserved.gpus = Some(GpuReservation {
            devices: GpuSelection::All,
            capabilities: vec!["gpu".into()],
        });
        assert_eq!(left_out(&reserved, &a, &nodes), Ok(vec![]));
        assert_eq!(left_out(&service(&[]), &a, &nodes), Ok(vec![]));
    }
}
