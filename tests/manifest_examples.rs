//! The committed manifests of real runs: what this lemctl reads, whole, small and without anybody's name.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};

use lemctl::manifest::Manifest;
use lemctl::units::Digest;

/// Largest manifest that somebody reviews.
const MAX_BYTES: usize = 100_000;

/// Folders of the examples, one per sealed campaign.
fn examples() -> Vec<PathBuf> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    };
    folders(Path::new("manifests/examples"))
        .iter()
        .flat_map(|campaign| folders(campaign))
        .collect()
}

#[test]
fn every_example_is_read_and_is_what_its_sums_say() {
    let examples = examples();
    assert!(examples.len() >= 2, "{examples:?}");
    for folder in examples {
        let text = std::fs::read(folder.join("manifest.json")).unwrap();
        assert!(text.len() < MAX_BYTES, "{}", folder.display());
        let manifest: Manifest = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            folder.file_name().unwrap().to_str(),
            Some(&*manifest.campaign.id)
        );
        let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
        let own = format!("{}  manifest.json", Digest::of(&text));
        assert!(sums.lines().any(|line| line == own), "{}", folder.display());
    }
}

#[test]
fn no_example_names_a_person_or_a_machine() {
    for folder in examples() {
        let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
        for trace in ["/home/", "/root/", "/srv/", "/tmp/", "hostname", "HF_TOKEN"] {
            assert!(!text.contains(trace), "{trace} in {}", folder.display());
        }
    }
}
