//! What is fuzzed: for each kind of bytes that lemctl did not write itself, one function that takes any bytes and goes
//! the whole way that they go. It may return in whatever way; it may not panic, hang, or grow without bound.
//!
//! The targets in `fuzz/` call these with what libFuzzer finds, `tests/fuzzed.rs` with mutated seeds.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(dead_code, reason = "each program uses its own part")]

pub mod campaign;
pub mod compose;
pub mod journal;
pub mod manifest;
pub mod nvml;
pub mod protocol;
pub mod record;
pub mod sensor;

use camino::{Utf8Path, Utf8PathBuf};

/// Every subject by the name of its target, in alphabetical order.
pub const ALL: [(&str, fn(&[u8])); 8] = [
    ("campaign", campaign::run),
    ("compose", compose::run),
    ("journal", journal::run),
    ("manifest", manifest::run),
    ("nvml", nvml::run),
    ("protocol", protocol::run),
    ("record", record::run),
    ("sensor", sensor::run),
];

/// The repository: where the tests' or the fuzz workspace's manifest lies, or the folder above it.
pub fn repository() -> Utf8PathBuf {
    let here = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut above = here.ancestors();
    above
        .find(|folder| folder.join("catalogues").is_dir())
        .unwrap()
        .to_owned()
}

/// What people are shown holds nothing that steers a terminal.
pub fn assert_printable(text: &str) {
    let steers = |c: char| c != '\n' && c.is_control();
    assert!(!text.contains(steers), "{text:?}");
}

/// A folder of this thread's own, in memory where that is possible.
pub fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}
