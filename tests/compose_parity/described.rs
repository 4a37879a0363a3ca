//! The Compose files under test, with the test's image, volume and folders in them, and Compose itself.

use std::io::Write;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use lemctl::compose::{self, ComposeFile};
use lemctl::containers::docker::DockerEngine;

use crate::engine_bench::{Bench, TEST_LABEL};

/// `docker compose` or `docker-compose`, whichever is there.
pub fn compose_command() -> Option<Command> {
    let works =
        |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if works(Command::new("docker").args(["compose", "version"])) {
        let mut command = Command::new("docker");
        command.arg("compose");
        return Some(command);
    }
    works(Command::new("docker-compose").arg("version")).then(|| Command::new("docker-compose"))
}

/// Straight to the terminal: what a passing test prints is captured and would be lost.
pub fn say_skipped() {
    let line =
        "SKIPPED: neither `docker compose` nor `docker-compose` is here, so nothing was compared";
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A description on disk, as a test uses it.
pub struct Described {
    /// Its text.
    pub text: String,
    path: Utf8PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Described {
    /// `compose/<file>` with the bench's image and volume in place of its own, and a `.env` beside it.
    pub fn new(bench: &Bench<DockerEngine>, file: &str) -> Self {
        let source = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("compose")
            .join(file);
        let text = std::fs::read_to_string(source).expect("the Compose file");
        let text: String = text.lines().map(|line| replaced(line, bench)).collect();
        assert!(
            text.contains(&format!("image: {}\n", bench.image)),
            "{text}"
        );
        let path = bench.folder().join("compose.yaml");
        std::fs::write(&path, &text).expect("a new file");
        let models = bench.folder().join("models");
        std::fs::create_dir_all(&models).expect("a folder");
        let env = vec![
            ("PUID", "1234".to_owned()),
            ("PGID", "1235".to_owned()),
            ("LEM_MODELS", models.clone().into_string()),
            ("LEM_DRIVER_LIBRARIES", models.into_string()),
        ];
        let lines: String = env
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect();
        std::fs::write(bench.folder().join(".env"), lines).expect("a new file");
        Self { text, path, env }
    }

    /// What lemctl reads.
    pub fn parsed(&self) -> ComposeFile {
        let env = self.env.iter();
        let env = env
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        compose::parse("compose.yaml", &self.text, &env).unwrap_or_else(|report| panic!("{report}"))
    }

    /// What Compose says, with an environment in which nothing of the caller's stands.
    pub fn composed(
        &self,
        mut command: Command,
        bench: &Bench<DockerEngine>,
        arguments: &[&str],
    ) -> String {
        let env_file = bench.folder().join(".env");
        command.args([
            "--env-file",
            env_file.as_str(),
            "-f",
            self.path.as_str(),
            "-p",
            &bench.key,
        ]);
        command.args(arguments);
        let ours = [
            "LEM_ALLOW_ROOT",
            "LEM_SHM_SIZE",
            "LEM_FETCH_NETWORK",
            "LEM_SIMULATED_GPUS",
        ];
        for name in self.env.iter().map(|(name, _)| *name).chain(ours) {
            command.env_remove(name);
        }
        let output = command.output().expect("Compose runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("Compose prints UTF-8")
    }
}

/// A description as it is shipped; the models' folder is seen from the project, wherever the file lies.
pub fn shipped(file: &str) -> ComposeFile {
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("compose")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("the Compose file");
    let env = [("PUID", "1"), ("PGID", "1"), ("LEM_DRIVER_LIBRARIES", "/d")];
    let env = env
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let parsed = compose::parse(file, &text, &env).unwrap_or_else(|report| panic!("{report}"));
    ComposeFile {
        file: String::new(),
        ..parsed.anchored(path.parent().expect("a folder"))
    }
}

/// A volume of the test's own, which it can tell and remove.
fn replaced(line: &str, bench: &Bench<DockerEngine>) -> String {
    let trimmed = line.trim_start();
    let indent = &line[..line.len() - trimmed.len()];
    if trimmed.starts_with("image: lemctl/") {
        return format!("{indent}image: {}\n", bench.image);
    }
    if trimmed.starts_with("name: lem-cache-") {
        let labels = format!("{indent}labels: {{{TEST_LABEL}: {}}}\n", bench.key);
        return format!("{indent}name: {}-cache\n{labels}", bench.key);
    }
    format!("{line}\n")
}
