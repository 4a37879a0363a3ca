//! Which device node is which GPU, as the NVIDIA driver says under /proc: for containers that list nodes
//! instead of reserving GPUs. It must not know containers or campaigns.

use std::collections::BTreeMap;

use camino::Utf8Path;

/// Where the driver describes its GPUs.
const DRIVER: &str = "/proc/driver/nvidia/gpus";
/// Most of a description that is read; real ones have about 500 bytes.
const MAX_BYTES: usize = 16 * 1024;

/// UUID → `/dev/nvidia<minor>` of the GPUs that the driver describes. Empty where it describes none: without
/// a driver, and in sandboxes that hide its folder.
#[must_use]
pub fn gpu_nodes() -> BTreeMap<String, String> {
    nodes_in(Utf8Path::new(DRIVER))
}

fn nodes_in(folder: &Utf8Path) -> BTreeMap<String, String> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    entries
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("information")).ok())
        .filter(|text| text.len() <= MAX_BYTES)
        .filter_map(|text| node(&text))
        .collect()
}

fn node(information: &str) -> Option<(String, String)> {
    let field = |name: &str| {
        information.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim())
        })
    };
    let minor: u32 = field("Device Minor")?.parse().ok()?;
    Some((field("GPU UUID")?.to_owned(), format!("/dev/nvidia{minor}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_found_by_its_uuid_and_what_cannot_be_read_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let describe = |bus: &str, text: &str| {
            std::fs::create_dir(root.join(bus)).unwrap();
            std::fs::write(root.join(bus).join("information"), text).unwrap();
        };
        describe(
            "0000:0f:00.0",
            "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 1\nGPU UUID: \t GPU-a\nDevice Minor: \t 3\n",
        );
        describe(
            "0000:10:00.0",
            "Model: x\nGPU UUID: GPU-b\nDevice Minor: \t\n",
        );
        std::fs::create_dir(root.join("empty")).unwrap();
        let expected = [("GPU-a".to_owned(), "/dev/nvidia3".to_owned())];
        assert_eq!(nodes_in(root), expected.into());
        assert_eq!(nodes_in(&root.join("absent")), BTreeMap::new());
    }
}
