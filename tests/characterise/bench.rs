//! A project with a simulated GPU in it, and lemctl run there as a program.

use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use lem_nvml_sim::scenario::{Load, Scenario};
use serde_json::Value;

use crate::nvml_sim;

/// Length of a steady phase in these tests, seconds.
const SECONDS: &str = "2.5";

/// A project and its machine.
pub struct Bench {
    folder: tempfile::TempDir,
    load_program: Utf8PathBuf,
    /// What the machine is from the next command on; its load is always what runs in the project.
    pub scenario: Scenario,
}

impl Bench {
    /// A project on a machine like that.
    pub fn new(scenario: Scenario) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["compose", "catalogues"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            folder,
            load_program: load_program(),
            scenario,
        }
    }

    /// The project's folder.
    pub fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut scenario = self.scenario.clone();
        scenario.load = Load::logs(self.root().join(".lem"));
        let file = self.folder.path().join("machine.json");
        nvml_sim::write(&scenario, &file);
        Command::new(env!("CARGO_BIN_EXE_lemctl"))
            .current_dir(self.folder.path())
            .env_clear()
            .env(nvml_sim::VARIABLE, &file)
            .env("LEM_NVML_LIBRARY", nvml_sim::library())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What a command prints as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--format", "json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `gpu characterise` finds.
    pub fn characterise(&self, more: &[&str]) -> Value {
        let program = self.load_program.as_str();
        let fixed = [
            "gpu",
            "characterise",
            "--seconds",
            SECONDS,
            "--load-program",
            program,
        ];
        self.json(&[&fixed, more].concat())
    }

    /// A command that fails with that code and says that.
    pub fn fails(&self, arguments: &[&str], code: i32, wanted: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// The load program, built if it is not, since it belongs to another package.
fn load_program() -> Utf8PathBuf {
    let lemctl = Utf8Path::new(env!("CARGO_BIN_EXE_lemctl"));
    let target = lemctl.parent().and_then(Utf8Path::parent).unwrap();
    let profile = match lemctl.parent().and_then(Utf8Path::file_name).unwrap() {
        "debug" => "dev",
        name => name,
    };
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "lem-load",
            "--profile",
            profile,
        ])
        .args(["--target-dir", target.as_str()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "lem-load does not build");
    lemctl.with_file_name("lem-load")
}
