//! Compose is the source of truth: what `docker compose config` says of `compose/reference.yaml` is
//! compared with the container that lemctl really creates, both ways. Every value that Compose sees must
//! be in the container, and everything in the container that Engine defaults do not explain must come
//! from Compose or from the closed overlay.

#[path = "support/engine_bench.rs"]
mod engine_bench;
#[path = "support/fake_engine.rs"]
mod fake_engine;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Command;

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use engine_bench::{Bench, TEST_LABEL, drain, testbox_argv};
use lemctl::compose::{self, ComposeFile};
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{ContainerEngine, ContainerId, ContainerSpec};
use lemctl::document;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/compose/reference.yaml");
const IMAGE: &str = "lemctl/reference:0.1.0";

/// `docker compose` or `docker-compose`, whichever is there.
fn compose_command() -> Option<Command> {
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
fn say_skipped() {
    let line =
        "SKIPPED: neither `docker compose` nor `docker-compose` is here, so nothing was compared";
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The text of the file with the test's image in it, and where it lies.
fn with_image(bench: &Bench<DockerEngine>) -> (String, camino::Utf8PathBuf) {
    let text = std::fs::read_to_string(FILE).expect("the Compose file");
    assert!(text.contains(IMAGE));
    let text = text.replace(IMAGE, &bench.image);
    let path = bench.folder().join("compose.yaml");
    std::fs::write(&path, &text).expect("a new file");
    std::fs::write(bench.folder().join(".env"), "PUID=1234\nPGID=1235\n").expect("a new file");
    (text, path)
}

/// Runs Compose with an environment in which nothing of the caller's stands.
fn run_compose(
    mut command: Command,
    bench: &Bench<DockerEngine>,
    path: &camino::Utf8Path,
    arguments: &[&str],
) -> String {
    let output = command
        .args([
            "--env-file",
            bench.folder().join(".env").as_str(),
            "-f",
            path.as_str(),
            "-p",
            &bench.key,
        ])
        .args(arguments)
        .env_remove("PUID")
        .env_remove("PGID")
        .env_remove("LEM_ALLOW_ROOT")
        .output()
        .expect("Compose runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("Compose prints UTF-8")
}

fn parsed(text: &str) -> ComposeFile {
    let env =
        [("PUID", "1234"), ("PGID", "1235")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    compose::parse("compose.yaml", text, &env.into()).unwrap_or_else(|report| panic!("{report}"))
}

async fn inspected(docker: &Docker, id: &str) -> Value {
    let answer = docker
        .inspect_container(id, None)
        .await
        .expect("the container is there");
    serde_json::to_value(answer).expect("what came as JSON goes as JSON")
}

/// What an Engine may write in several ways, in one way.
fn plain(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(false) => Value::Null,
        Value::Number(number) if number.as_i64() == Some(0) => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Object(fields) if fields.is_empty() => Value::Null,
        other => other.clone(),
    }
}

/// `HostConfig.PidsLimit` and the like for every field of both objects that differs.
fn differing(left: &Value, right: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for part in ["Config", "HostConfig"] {
        let keys = [left, right]
            .into_iter()
            .filter_map(|side| side[part].as_object())
            .flat_map(|object| object.keys());
        for key in keys {
            if plain(&left[part][key]) != plain(&right[part][key]) {
                fields.insert(format!("{part}.{key}"));
            }
        }
    }
    fields
}

/// Path → (source, type, writable) of everything that is mounted, as the Engine sees it.
fn mounted(inspect: &Value) -> BTreeMap<String, (String, String, bool)> {
    let mounts = inspect["Mounts"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    mounts
        .iter()
        .map(|mount| {
            let entry = (
                text(&mount["Source"]),
                text(&mount["Type"]),
                mount["RW"] == true,
            );
            (text(&mount["Destination"]), entry)
        })
        .collect()
}

/// Where a key of Compose's reading must be found in the container, and as what.
fn expected(key: &str, value: &Value) -> Vec<(&'static str, Value)> {
    let text = || value.as_str().expect("a text").to_owned();
    let bytes = || match value {
        // Compose 1 prints `64m`, Compose 2 the number of bytes, as a text.
        Value::String(text) => match text.strip_suffix('m') {
            Some(mebibytes) => json!(mebibytes.parse::<i64>().expect("a size") << 20),
            None => json!(text.parse::<i64>().expect("a size")),
        },
        number => number.clone(),
    };
    match key {
        "image" => vec![("Config.Image", value.clone())],
        "user" => vec![("Config.User", value.clone())],
        "entrypoint" => vec![("Config.Entrypoint", value.clone())],
        "command" => vec![("Config.Cmd", value.clone())],
        "environment" => {
            let variables = value.as_object().expect("a map").iter();
            let mut list: Vec<String> = variables
                .map(|(k, v)| format!("{k}={}", v.as_str().expect("a text")))
                .collect();
            list.sort();
            vec![("Config.Env", json!(list))]
        }
        "stop_grace_period" => {
            assert_eq!(text(), "10s");
            vec![("Config.StopTimeout", json!(10))]
        }
        "cap_drop" => vec![("HostConfig.CapDrop", value.clone())],
        "security_opt" => vec![("HostConfig.SecurityOpt", value.clone())],
        "read_only" => vec![("HostConfig.ReadonlyRootfs", value.clone())],
        "network_mode" => vec![("HostConfig.NetworkMode", value.clone())],
        "ipc" => vec![("HostConfig.IpcMode", value.clone())],
        "init" => vec![("HostConfig.Init", value.clone())],
        "pids_limit" => vec![("HostConfig.PidsLimit", value.clone())],
        "shm_size" => vec![("HostConfig.ShmSize", bytes())],
        "tmpfs" => {
            let items = value.as_array().expect("a list").iter().map(|item| {
                let (path, options) = item
                    .as_str()
                    .expect("a text")
                    .split_once(':')
                    .expect("options");
                (path.to_owned(), json!(options))
            });
            vec![("HostConfig.Tmpfs", Value::Object(items.collect()))]
        }
        "ulimits" => {
            let limits =
                value
                    .as_object()
                    .expect("a map")
                    .iter()
                    .map(|(name, limit)| match limit {
                        Value::Object(both) => {
                            json!({"Name": name, "Soft": both["soft"], "Hard": both["hard"]})
                        }
                        one => json!({"Name": name, "Soft": one, "Hard": one}),
                    });
            vec![("HostConfig.Ulimits", Value::Array(limits.collect()))]
        }
        other => {
            panic!("`{other}` stands in the Compose file, and this test does not compare it yet")
        }
    }
}

fn at<'v>(inspect: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(inspect, |value, key| &value[key])
}

/// What the overlay explains, and how.
const OVERLAY: [&str; 2] = ["Config.Labels", "HostConfig.Mounts"];
/// What the Engine makes up for each container by itself.
const PER_CONTAINER: [&str; 1] = ["Config.Hostname"];

#[tokio::test]
async fn docker_a_created_container_is_composes_plus_the_overlay() {
    let Some(command) = compose_command() else {
        say_skipped();
        return;
    };
    let engine = DockerEngine::connect()
        .await
        .expect("these tests need a Docker Engine: make setup");
    let docker =
        Docker::connect_with_unix(engine.socket().as_str(), 60, bollard::API_DEFAULT_VERSION)
            .expect("a client");
    let bench = Bench::new(engine, "parity").await;
    let (text, path) = with_image(&bench);

    let config = run_compose(command, &bench, &path, &["config"]);
    let config = document::read(&config)
        .expect("Compose prints YAML")
        .root
        .to_json();
    let service = config["services"]["worker"]
        .as_object()
        .expect("the service")
        .clone();

    let overlay = bench.overlay("a");
    let spec = ContainerSpec::new(&parsed(&text).worker, &overlay).expect("fits");
    let id = bench.engine.create(&spec).await.expect("creates");
    let ours = inspected(&docker, id.as_str()).await;
    // The same image, and nothing asked: what differs from it was asked for.
    let bare = ContainerCreateBody {
        image: Some(bench.image.clone()),
        cmd: Some(vec!["x".to_owned()]),
        host_config: Some(Default::default()),
        labels: Some([(TEST_LABEL.to_owned(), bench.key.clone())].into()),
        ..ContainerCreateBody::default()
    };
    let bare = docker
        .create_container(None, bare)
        .await
        .expect("creates")
        .id;
    let default = inspected(&docker, &bare).await;
    bench.clear().await;

    let mut explained: BTreeSet<String> = OVERLAY
        .into_iter()
        .chain(PER_CONTAINER)
        .map(Into::into)
        .collect();
    explained.insert("Config.Cmd".to_owned()); // the bare container's own
    for (key, value) in &service {
        // Compose 2 prints these for every service, empty.
        if plain(value) == Value::Null && ["command", "networks"].contains(&key.as_str()) {
            continue;
        }
        for (place, expected) in expected(key, value) {
            let mut found = at(&ours, place).clone();
            if place == "Config.Env" {
                found
                    .as_array_mut()
                    .expect("a list")
                    .sort_by_key(ToString::to_string);
                // Where the image names no PATH, the Engine adds its own.
                found
                    .as_array_mut()
                    .expect("a list")
                    .retain(|entry| !entry.as_str().is_some_and(|e| e.starts_with("PATH=")));
            }
            if place == "HostConfig.Ulimits" {
                found
                    .as_array_mut()
                    .expect("a list")
                    .sort_by_key(|limit| limit["Name"].to_string());
            }
            assert_eq!(plain(&found), plain(&expected), "{key} → {place}");
            explained.insert(place.to_owned());
        }
    }
    let unexplained: Vec<String> = differing(&ours, &default)
        .into_iter()
        .filter(|field| !explained.contains(field))
        .collect();
    assert!(
        unexplained.is_empty(),
        "neither Compose nor the overlay asks for {unexplained:?}"
    );

    // The overlay, exactly.
    assert_eq!(ours["Name"], json!(format!("/{}", overlay.name)));
    let labels: BTreeMap<String, String> =
        serde_json::from_value(ours["Config"]["Labels"].clone()).expect("labels");
    let image_label = (TEST_LABEL.to_owned(), bench.key.clone());
    assert_eq!(
        labels,
        overlay
            .labels
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .chain([image_label])
            .collect()
    );
    let bind =
        |source: camino::Utf8PathBuf, writable| (source.into_string(), "bind".to_owned(), writable);
    let control = &overlay.control;
    let binds = [
        ("/run/lem", bind(control.clone(), false)),
        ("/outbox", bind(overlay.outbox.clone(), true)),
        ("/etc/passwd", bind(control.join("passwd"), false)),
        ("/etc/group", bind(control.join("group"), false)),
    ];
    assert_eq!(
        mounted(&ours),
        binds.map(|(target, bind)| (target.to_owned(), bind)).into()
    );
    assert_eq!(
        plain(&ours["HostConfig"]["Binds"]),
        Value::Null,
        "mounts, never binds"
    );
    assert_eq!(plain(&ours["HostConfig"]["AutoRemove"]), Value::Null);
    assert_eq!(plain(&ours["HostConfig"]["Privileged"]), Value::Null);
    assert_eq!(plain(&ours["Config"]["Healthcheck"]), Value::Null);
}

/// Stronger still: Compose creates its own container from the same file, and the two are compared.
#[tokio::test]
async fn docker_composes_own_container_is_the_same() {
    let Some(command) = compose_command() else {
        say_skipped();
        return;
    };
    let engine = DockerEngine::connect()
        .await
        .expect("these tests need a Docker Engine: make setup");
    let docker =
        Docker::connect_with_unix(engine.socket().as_str(), 60, bollard::API_DEFAULT_VERSION)
            .expect("a client");
    let bench = Bench::new(engine, "twin").await;
    let (text, path) = with_image(&bench);
    run_compose(command, &bench, &path, &["up", "--no-start"]);
    let project = ("com.docker.compose.project", bench.key.as_str());
    let twins = bench.engine.list(&[project]).await.expect("lists");
    let theirs = inspected(&docker, twins[0].id.as_str()).await;
    for twin in &twins {
        bench.engine.remove(&twin.id).await.expect("removes");
    }

    let spec = ContainerSpec::new(&parsed(&text).worker, &bench.overlay("a")).expect("fits");
    let id = bench.engine.create(&spec).await.expect("creates");
    let mut ours = inspected(&docker, id.as_str()).await;
    bench.clear().await;
    assert_eq!(twins.len(), 1);

    let mut theirs = theirs;
    for side in [&mut ours, &mut theirs] {
        for list in ["/Config/Env", "/HostConfig/Ulimits"] {
            let list = side
                .pointer_mut(list)
                .and_then(Value::as_array_mut)
                .expect("a list");
            list.sort_by_key(ToString::to_string);
        }
    }
    // Compose attaches `up` to the streams; that says nothing about how the container runs.
    let attached = ["Config.AttachStdout", "Config.AttachStderr"];
    let allowed: BTreeSet<&str> = OVERLAY
        .into_iter()
        .chain(PER_CONTAINER)
        .chain(attached)
        .collect();
    let differ: Vec<(String, Value, Value)> = differing(&ours, &theirs)
        .into_iter()
        .filter(|field| !allowed.contains(field.as_str()))
        .map(|field| {
            (
                field.clone(),
                at(&ours, &field).clone(),
                at(&theirs, &field).clone(),
            )
        })
        .collect();
    assert!(
        differ.is_empty(),
        "(field, lemctl's, Compose's): {differ:#?}"
    );
}

/// What the file promises is what a process finds.
#[tokio::test]
async fn docker_a_process_has_no_privileges() {
    let engine = DockerEngine::connect()
        .await
        .expect("these tests need a Docker Engine: make setup");
    let bench = Bench::new(engine, "privileges").await;
    let (text, _) = with_image(&bench);
    let outbox = std::path::Path::new(bench.folder().as_str()).join("outbox");
    std::fs::set_permissions(&outbox, std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .expect("our folder");
    let spec = ContainerSpec::new(&parsed(&text).worker, &bench.overlay("a")).expect("fits");
    let id: ContainerId = bench.engine.create(&spec).await.expect("creates");
    bench.engine.start(&id).await.expect("starts");
    let mut session = bench
        .engine
        .exec(&id, &testbox_argv(&["whoami"]))
        .await
        .expect("execs");
    let (stdout, stderr) = drain(&mut session).await;
    bench.clear().await;
    let said = String::from_utf8(stdout).expect("text");
    let expected = "Uid: 1234 1234 1234 1234\nGid: 1235 1235 1235 1235\nGroups:\nCapEff: 0000000000000000\n\
        CapBnd: 0000000000000000\nNoNewPrivs: 1\nwrite /x false\nwrite /tmp/x true\nwrite /outbox/x true\nwrite /run/lem/x false\n";
    let said = said.replace("Groups: 1235", "Groups:");
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&stderr));
}
