//! A project that can fetch, and a hub on this machine that it fetches from.

use std::process::{Command, Stdio};

use camino::Utf8PathBuf;
use serde_json::Value;

use crate::hub_server::HubServer;
use crate::project::{Project, Said, said};

/// Puts what fetching needs into a project, and builds its image.
pub fn can_fetch(project: &Project) {
    let built = camino::Utf8Path::new("images/dist/lem-fetch");
    assert!(
        built.exists(),
        "{built} is not there: `make images` builds it"
    );
    project.copy(built.as_str());
    project.copy("images/fetch/Dockerfile");
    if !project.root().join("compose/pytorch.yaml").exists() {
        project.copy("compose/pytorch.yaml");
    }
    project.expect(0, &["images", "build", "fetch", "--quiet"]);
}

/// A project for pulls.
pub fn project() -> Option<Project> {
    let project = Project::with_docker()?;
    can_fetch(&project);
    Some(project)
}

/// lemctl with the hub as its own, over the host's network.
pub fn lemctl(project: &Project, hub: &HubServer, arguments: &[&str]) -> Command {
    let mut command = project.lemctl(arguments);
    command
        .env("HF_ENDPOINT", hub.endpoint())
        .env("LEM_FETCH_NETWORK", "host")
        .stdout(Stdio::piped());
    command
}

/// Runs it to its end, which must be `code`.
pub fn expect(code: i32, command: &mut Command) -> Said {
    let said = said(command);
    assert_eq!(said.code, Some(code), "{said:#?}");
    said
}

/// What a pull printed with `--format json`.
pub fn pulled(command: &mut Command) -> Value {
    let said = expect(0, command.args(["--format", "json"]));
    serde_json::from_str(&said.stdout).unwrap()
}

/// The models that are there, and folders that never became one.
pub fn listed(project: &Project) -> (Vec<Value>, Vec<Value>) {
    let said = project.expect(0, &["models", "list", "--format", "json"]);
    let mut list: Value = serde_json::from_str(&said.stdout).unwrap();
    let mut take = |key: &str| match list[key].take() {
        Value::Array(items) => items,
        other => panic!("{key}: {other}"),
    };
    (take("models"), take("unfinished"))
}

/// Files below the project that hold a text.
pub fn holding(project: &Project, text: &str) -> Vec<String> {
    let root = project.root();
    let holds = |path: &String| {
        let path: Utf8PathBuf = root.join(path);
        path.is_file()
            && std::fs::read(path).is_ok_and(|bytes| {
                bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            })
    };
    project.paths().into_iter().filter(holds).collect()
}
