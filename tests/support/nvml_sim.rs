//! The GPU simulator in tests: where its library is, and machines made of it.
//!
//! `library()` alone is one idle H100. A [`SimulatedMachine`] is a copy of the library with its own
//! scenario beside it, so that tests in one process do not share GPUs and none sets the environment. A
//! lemctl that runs as a program can as well be given `LEM_NVML_SIM` (see [`write`]).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use lem_nvml_sim::scenario::Scenario;

/// Environment variable that names the scenario.
pub const VARIABLE: &str = "LEM_NVML_SIM";
/// File name of the library.
pub const FILE: &str = "liblem_nvml_sim.so";

/// The built library. Building the tests builds it, as a dependency of theirs; where it is not beside
/// them, it is built now.
#[must_use]
pub fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| find().unwrap_or_else(build)).clone()
}

/// Folders where Cargo may have put it: that of the test program (`<profile>/deps`) and the one above.
fn folders() -> Vec<PathBuf> {
    let program = std::env::current_exe().expect("a test runs from a file");
    program
        .ancestors()
        .skip(1)
        .take(2)
        .map(Path::to_path_buf)
        .collect()
}

fn find() -> Option<PathBuf> {
    // Of two, the newer: `cargo build -p lem-nvml-sim` leaves one above, and an older one may be below.
    folders()
        .into_iter()
        .map(|folder| folder.join(FILE))
        .filter_map(|path| {
            let built = std::fs::metadata(&path).ok()?.modified().ok()?;
            Some((built, path))
        })
        .max()
        .map(|(_, path)| path)
}

fn build() -> PathBuf {
    let deps = folders().swap_remove(0);
    let profile = deps.parent().expect("deps lies in a profile's folder");
    let target = profile
        .parent()
        .expect("a profile lies in the target folder");
    let profile = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "-p",
            "lem-nvml-sim",
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the simulator does not build");
    find().expect("cargo has built the simulator")
}

/// A machine with these GPUs: a copy of the library and its scenario in a folder of their own. Lives as
/// long as this value (and, loaded, beyond: the mapping holds the file).
#[derive(Debug)]
pub struct SimulatedMachine {
    folder: tempfile::TempDir,
}

impl SimulatedMachine {
    /// Makes one.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::copy(library(), machine.library()).unwrap();
        machine.set(scenario);
        machine
    }

    /// Its library: for `--nvml-library`, or to load by path.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    /// Another scenario, from the next initialisation on.
    pub fn set(&self, scenario: &Scenario) {
        write(scenario, &self.folder.path().join("libnvidia-ml.so.1.json"));
    }
}

/// Writes a scenario file.
pub fn write(scenario: &Scenario, path: &Path) {
    scenario.check().unwrap();
    std::fs::write(path, serde_json::to_vec_pretty(scenario).unwrap()).unwrap();
}
