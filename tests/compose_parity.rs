//! Compose is the source of truth: what `docker compose config` says of `compose/*.yaml` is compared with the
//! container that lemctl really creates, both ways. Every value that Compose sees must be in the
//! container, and everything in the container that Engine defaults do not explain must come from Compose or
//! from the closed overlay.

#[path = "compose_parity/described.rs"]
mod described;
#[path = "support/engine_bench.rs"]
mod engine_bench;
#[path = "compose_parity/expected.rs"]
mod expected;
#[path = "support/fake_engine.rs"]
mod fake_engine;
#[path = "compose_parity/inspect.rs"]
mod inspect;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use described::{Described, compose_command, say_skipped};
use engine_bench::{Bench, TEST_LABEL, drain, testbox_argv};
use expected::{expected, expected_mounts};
use futures_util::FutureExt;
use inspect::{at, differing, inspected, mounted, plain};
use lemctl::compose::{ComposeFile, Service};
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{ContainerEngine, ContainerId, ContainerSpec, Overlay};
use lemctl::document;
use serde_json::{Value, json};

/// Every description that is shipped.
const FILES: [&str; 7] = [
    "reference.yaml",
    "pytorch.yaml",
    "vllm.yaml",
    "tensorrt.yaml",
    "variants/pytorch.device-nodes.yaml",
    "variants/vllm.device-nodes.yaml",
    "variants/tensorrt.device-nodes.yaml",
];

/// What the overlay explains, and how.
const OVERLAY: [&str; 2] = ["Config.Labels", "HostConfig.Mounts"];
/// What the Engine makes up for each container by itself.
const PER_CONTAINER: [&str; 1] = ["Config.Hostname"];

async fn connected() -> (DockerEngine, Docker) {
    let engine = DockerEngine::connect()
        .await
        .expect("these tests need a Docker Engine: make setup");
    let docker =
        Docker::connect_with_unix(engine.socket().as_str(), 60, bollard::API_DEFAULT_VERSION)
            .expect("a client");
    (engine, docker)
}

/// The services of a description, by name.
fn services(file: &ComposeFile) -> Vec<(&'static str, &Service)> {
    let fetch = file.fetch.as_ref().map(|fetch| ("fetch", fetch));
    [("worker", &file.worker)]
        .into_iter()
        .chain(fetch)
        .collect()
}

/// Runs a test and removes what it made, also when it fails.
async fn cleaned(name: &str, test: impl AsyncFn(&Bench<DockerEngine>, &Docker)) {
    let (engine, docker) = connected().await;
    let bench = Bench::new(engine, name).await;
    let outcome = AssertUnwindSafe(test(&bench, &docker)).catch_unwind().await;
    // Compose's own carry its label, not the test's.
    let project = ("com.docker.compose.project", bench.key.as_str());
    for twin in bench.engine.list(&[project]).await.expect("lists") {
        bench.engine.remove(&twin.id).await.expect("removes");
    }
    bench.clear().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[tokio::test]
async fn docker_a_created_container_is_composes_plus_the_overlay() {
    cleaned("parity", created_is_as_asked).await;
}

async fn created_is_as_asked(bench: &Bench<DockerEngine>, docker: &Docker) {
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
    let default = inspected(docker, &bare).await;
    for file in FILES {
        let Some(command) = compose_command() else {
            say_skipped();
            return;
        };
        let described = Described::new(bench, file);
        let config = described.composed(command, bench, &["--profile", "fetch", "config"]);
        let config = document::read(&config)
            .expect("Compose prints YAML")
            .root
            .to_json();
        for (name, service) in services(&described.parsed()) {
            let what = format!("{file}, {name}");
            let overlay = bench.overlay(&format!("{}-{name}", file.replace('/', "-")));
            let spec = ContainerSpec::new(service, &overlay).expect("fits");
            let id = bench.engine.create(&spec).await.expect("creates");
            let ours = inspected(docker, id.as_str()).await;
            asked_and_nothing_else(&what, &ours, &default, &config["services"][name]);
            let mounts = expected_mounts(&config["services"][name], &config["volumes"]);
            overlay_is_exact(&what, &ours, &overlay, mounts, bench);
        }
    }
}

/// All that Compose reads is in the container, and all that is in it is from there or the overlay's.
fn asked_and_nothing_else(what: &str, ours: &Value, default: &Value, service: &Value) {
    let mut explained: BTreeSet<String> = OVERLAY
        .into_iter()
        .chain(PER_CONTAINER)
        .map(Into::into)
        .collect();
    explained.insert("Config.Cmd".to_owned()); // the bare container's own
    for (key, value) in service.as_object().expect("the service") {
        // Compose 2 prints these for every service, empty; a profile is a matter of starting.
        if plain(value) == Value::Null && ["command", "networks"].contains(&key.as_str())
            || key == "profiles"
        {
            continue;
        }
        for (place, expected) in expected(key, value) {
            let mut found = at(ours, place).clone();
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
            assert_eq!(plain(&found), plain(&expected), "{what}: {key} → {place}");
            explained.insert(place.to_owned());
        }
    }
    let unexplained: Vec<String> = differing(ours, default)
        .into_iter()
        .filter(|field| !explained.contains(field))
        .collect();
    assert!(
        unexplained.is_empty(),
        "{what}: neither Compose nor the overlay asks for {unexplained:?}"
    );
}

fn overlay_is_exact(
    what: &str,
    ours: &Value,
    overlay: &Overlay,
    mut mounts: BTreeMap<String, (String, String, bool)>,
    bench: &Bench<DockerEngine>,
) {
    assert_eq!(ours["Name"], json!(format!("/{}", overlay.name)));
    let labels: BTreeMap<String, String> =
        serde_json::from_value(ours["Config"]["Labels"].clone()).expect("labels");
    let mut expected = overlay.labels.clone();
    expected.insert(TEST_LABEL.to_owned(), bench.key.clone());
    assert_eq!(labels, expected, "{what}");
    let bind =
        |source: camino::Utf8PathBuf, writable| (source.into_string(), "bind".to_owned(), writable);
    let control = &overlay.control;
    let binds = [
        ("/run/lem", bind(control.clone(), false)),
        ("/outbox", bind(overlay.outbox.clone(), true)),
        ("/etc/passwd", bind(control.join("passwd"), false)),
        ("/etc/group", bind(control.join("group"), false)),
    ];
    mounts.extend(binds.map(|(target, bind)| (target.to_owned(), bind)));
    assert_eq!(mounted(ours), mounts, "{what}");
    let binds = plain(&ours["HostConfig"]["Binds"]);
    assert_eq!(binds, Value::Null, "{what}: mounts, never binds");
    for absent in ["AutoRemove", "Privileged"] {
        assert_eq!(plain(&ours["HostConfig"][absent]), Value::Null, "{what}");
    }
    assert_eq!(plain(&ours["Config"]["Healthcheck"]), Value::Null, "{what}");
}

/// Stronger still: Compose creates its own containers from the same file, and they are compared with ours.
#[tokio::test]
async fn docker_composes_own_container_is_the_same() {
    cleaned("twin", composes_own_is_the_same).await;
}

async fn composes_own_is_the_same(bench: &Bench<DockerEngine>, docker: &Docker) {
    let project = ("com.docker.compose.project", bench.key.as_str());
    for file in FILES {
        let Some(command) = compose_command() else {
            say_skipped();
            return;
        };
        let described = Described::new(bench, file);
        described.composed(command, bench, &["--profile", "fetch", "up", "--no-start"]);
        let mut twins = BTreeMap::new();
        for twin in bench.engine.list(&[project]).await.expect("lists") {
            let name = twin.labels["com.docker.compose.service"].clone();
            twins.insert(name, inspected(docker, twin.id.as_str()).await);
            bench.engine.remove(&twin.id).await.expect("removes");
        }
        let parsed = described.parsed();
        let services = services(&parsed);
        assert_eq!(twins.len(), services.len(), "{file}");
        for (name, service) in services {
            let overlay = bench.overlay(&format!("{}-{name}", file.replace('/', "-")));
            let spec = ContainerSpec::new(service, &overlay).expect("fits");
            let id = bench.engine.create(&spec).await.expect("creates");
            let ours = inspected(docker, id.as_str()).await;
            twins_agree(&format!("{file}, {name}"), ours, twins[name].clone());
        }
    }
}

fn twins_agree(what: &str, mut ours: Value, mut theirs: Value) {
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
    // Compose mounts in the old way, which leaves other fields; what is mounted is compared below.
    let old_mounts = ["HostConfig.Binds", "Config.Volumes"];
    let allowed: BTreeSet<&str> = OVERLAY
        .into_iter()
        .chain(PER_CONTAINER)
        .chain(attached)
        .chain(old_mounts)
        .collect();
    let differ: Vec<(String, Value, Value)> = differing(&ours, &theirs)
        .into_iter()
        .filter(|field| !allowed.contains(field.as_str()))
        .map(|field| {
            let (ours, theirs) = (at(&ours, &field).clone(), at(&theirs, &field).clone());
            (field, ours, theirs)
        })
        .collect();
    assert!(
        differ.is_empty(),
        "{what}: (field, lemctl's, Compose's): {differ:#?}"
    );
    let mut mounts = mounted(&ours);
    for target in ["/run/lem", "/outbox", "/etc/passwd", "/etc/group"] {
        mounts.remove(target);
    }
    assert_eq!(mounts, mounted(&theirs), "{what}");
}

/// The variant says what the plain file says, but for how it comes to its GPUs.
#[test]
fn a_variant_differs_only_in_how_it_gets_its_gpus() {
    for backend in ["pytorch", "vllm", "tensorrt"] {
        let plain = described::shipped(&format!("{backend}.yaml"));
        let variant = described::shipped(&format!("variants/{backend}.device-nodes.yaml"));
        assert!(plain.worker.gpus.is_some() && variant.worker.gpus.is_none());
        assert!(plain.worker.devices.is_empty() && !variant.worker.devices.is_empty());
        let mut same = variant.worker.clone();
        same.gpus = plain.worker.gpus.clone();
        same.devices.clear();
        same.environment
            .remove("LD_LIBRARY_PATH")
            .expect("the driver's libraries");
        same.mounts
            .retain(|mount| mount.target != "/usr/local/nvidia/lib64");
        assert_eq!(same, plain.worker, "{backend}");
        assert_eq!(variant.fetch, plain.fetch, "{backend}");
        assert_eq!(variant.volumes, plain.volumes, "{backend}");
        assert_eq!(plain.worker.privileges(), Vec::<String>::new(), "{backend}");
        let fetch = plain.fetch.expect("a service that fetches");
        let given_up = fetch.privileges();
        assert!(
            given_up.len() == 1 && given_up[0].contains("network"),
            "{given_up:?}"
        );
        let writable = fetch.mounts.iter().find(|mount| mount.target == "/models");
        assert!(writable.is_some_and(|mount| !mount.read_only), "{backend}");
        let token = fetch.environment.keys().find(|name| name.contains("TOKEN"));
        assert_eq!(token, None, "a token is a file");
    }
}

/// What the file promises is what a process finds.
#[tokio::test]
async fn docker_a_process_has_no_privileges() {
    let engine = DockerEngine::connect()
        .await
        .expect("these tests need a Docker Engine: make setup");
    let bench = Bench::new(engine, "privileges").await;
    let parsed = Described::new(&bench, "reference.yaml").parsed();
    let outbox = std::path::Path::new(bench.folder().as_str()).join("outbox");
    std::fs::set_permissions(&outbox, std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .expect("our folder");
    let spec = ContainerSpec::new(&parsed.worker, &bench.overlay("a")).expect("fits");
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
