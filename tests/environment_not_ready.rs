//! Without an Engine, without permission on its socket, without the image: the program ends with 4, says
//! cause and fix in at most three lines, and has written nothing.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};

/// A project of its own, and a copy of the program that any user may run.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self { folder };
        std::fs::copy(env!("CARGO_BIN_EXE_lemctl"), place.path("lemctl")).expect("a copy");
        for (from, name) in [
            ("compose", "reference.yaml"),
            ("catalogues", "reference-0.1.0.json"),
            ("campaigns", "quickstart.yaml"),
        ] {
            let source = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(from)
                .join(name);
            std::fs::create_dir_all(place.path(from)).expect("a new folder");
            std::fs::copy(source, place.path(from).join(name)).expect("a copy");
        }
        std::fs::set_permissions(place.folder.path(), std::fs::Permissions::from_mode(0o755))
            .expect("our folder");
        place
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path())
            .expect("a path in UTF-8")
            .join(name)
    }

    /// The program in this project, with an environment of nothing but `DOCKER_HOST`.
    fn lemctl(&self, arguments: &[&str], docker_host: Option<&str>) -> Command {
        let mut command = Command::new(self.path("lemctl"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .args(arguments);
        if let Some(host) = docker_host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    /// Names of what lies in the project.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("our folder");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// As root, containers must be allowed by name before anything else is looked at.
    fn allow_whoever_runs_this(&self) {
        if invoking_uid() == 0 {
            std::fs::write(self.path(".env"), "PUID=0\nPGID=0\nLEM_ALLOW_ROOT=1\n")
                .expect("a new file");
        }
    }
}

fn invoking_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self")
        .expect("Linux has /proc")
        .uid()
}

/// Exit 4; cause and fix on stderr in at most three lines; nothing on stdout.
fn assert_not_ready(output: &Output, cause: &str, fix: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(
        stderr.lines().count() <= 3 && output.stdout.is_empty(),
        "{stderr}"
    );
    assert!(
        stderr.starts_with("error[containers::") && stderr.contains(cause),
        "{stderr}"
    );
    assert!(
        stderr
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("  fix: ") && line.contains(fix)),
        "{stderr}"
    );
}

const UP: [&str; 4] = ["campaign", "up", "campaigns/quickstart.yaml", "--yes"];

#[test]
fn without_an_engine() {
    let place = Place::new();
    place.allow_whoever_runs_this();
    let before = place.names();
    let socket = format!("unix://{}", place.path("docker.sock"));
    for arguments in [&UP[..], &["images", "list"], &["images", "verify"]] {
        let output = place
            .lemctl(arguments, Some(&socket))
            .output()
            .expect("runs");
        assert_not_ready(&output, "there is no such socket", "DOCKER_HOST");
    }
    assert_eq!(place.names(), before, "something was written");
}

#[test]
fn with_an_engine_elsewhere() {
    let place = Place::new();
    place.allow_whoever_runs_this();
    for host in ["tcp://10.1.2.3:2375", "ssh://ada@gpu1"] {
        let output = place.lemctl(&UP, Some(host)).output().expect("runs");
        assert_not_ready(&output, "is not a local socket", "unset DOCKER_HOST");
    }
}

#[test]
fn without_permission_on_the_socket() {
    let place = Place::new();
    let socket = place.path("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).expect("our socket");
    let host = format!("unix://{socket}");
    for arguments in [&UP[..], &["images", "list"]] {
        let mut command = place.lemctl(arguments, Some(&host));
        if invoking_uid() == 0 {
            // Nothing is forbidden to root: be somebody else.
            command.uid(65534).gid(65534);
        }
        let output = command.output().expect("runs");
        assert_not_ready(
            &output,
            &format!("no permission on {socket}"),
            "sudo usermod -aG ",
        );
    }
}

#[test]
fn docker_without_the_image() {
    let place = Place::new();
    place.allow_whoever_runs_this();
    let compose = place.path("compose/reference.yaml");
    let text = std::fs::read_to_string(&compose).expect("the Compose file");
    std::fs::write(
        &compose,
        text.replace("lemctl/reference:0.1.0", "lemt-cont-nowhere:9"),
    )
    .expect("our file");
    let before = place.names();
    let output = place.lemctl(&UP, None).output().expect("runs");
    assert_not_ready(
        &output,
        "image lemt-cont-nowhere:9 is not on this machine",
        "lemctl images build",
    );
    assert_eq!(place.names(), before, "something was written");
}

#[test]
fn check_ends_with_4_and_says_so_to_programs() {
    let place = Place::new();
    let socket = format!("unix://{}", place.path("docker.sock"));
    let output = place
        .lemctl(&["check", "--format", "json"], Some(&socket))
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(4));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(said["ready"], false);
    let engine = said["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .find(|line| line["name"] == "docker engine");
    assert_eq!(engine.expect("a line on the Engine")["status"], "fail");
}
