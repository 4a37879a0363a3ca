//! `lemctl check` on the fake engine and on the real one: the probe container starts from the Compose
//! file, tells what it sees, and is always removed.

#[path = "support/engine_bench.rs"]
mod engine_bench;
#[path = "support/fake_engine.rs"]
mod fake_engine;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use engine_bench::{Bench, fake};
use fake_engine::FakeEngine;
use lemctl::clock::{Clock, HostClock};
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{ContainerEngine, EngineError, labels};
use lemctl::environment::Host;
use lemctl::runner::prerequisites::{CheckLine, Facts, Status, check, ready};
use lemctl::runner::project::Project;

/// A user who is not root, in a project of their own whose Compose file names the test image.
fn project<E: ContainerEngine>(bench: &Bench<E>, uid: u32) -> Project {
    let root = bench.folder().join("project");
    std::fs::create_dir_all(root.join("compose")).expect("a new folder");
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/compose/reference.yaml"
    ));
    let text = text
        .expect("the Compose file")
        .replace("lemctl/reference:0.1.0", &bench.image);
    std::fs::write(root.join("compose/reference.yaml"), text).expect("a new file");
    std::fs::write(
        root.join(".env"),
        format!(
            "PUID={uid}\nPGID={uid}\n{}",
            if uid == 0 { "LEM_ALLOW_ROOT=1\n" } else { "" }
        ),
    )
    .expect("a new file");
    Project {
        root,
        uid,
        gid: uid,
        environment: BTreeMap::new(),
    }
}

async fn lines<E: ContainerEngine>(
    project: &Project,
    engine: Result<E, EngineError>,
) -> Vec<CheckLine> {
    let host = Host::observe();
    let facts = Facts {
        project,
        groups: vec![project.gid],
        clock: &HostClock,
        boot_id: &host.boot_id,
    };
    check(&facts, engine).await
}

fn line<'l>(lines: &'l [CheckLine], name: &str) -> &'l CheckLine {
    lines
        .iter()
        .find(|line| line.name == name)
        .unwrap_or_else(|| panic!("no line `{name}` in {lines:#?}"))
}

/// An agent that says what a good container would, changed by `change`.
fn agent(engine: &FakeEngine, change: fn(serde_json::Value) -> String) {
    engine.add_program("/lem/agent", move |process| async move {
        let mounts = process.spec.overlay();
        std::fs::create_dir_all(mounts.outbox.join("exits")).expect("the outbox is there");
        let lease = std::fs::read_to_string(mounts.control.join("lease")).expect("the lease is there");
        let user = process.spec.service().user.clone().expect("a user");
        let (uid, gid) = user.split_once(':').expect("uid:gid");
        let report = serde_json::json!({
            "uid": uid.parse::<u32>().expect("a number"), "gid": gid.parse::<u32>().expect("a number"), "groups": [],
            "monotonic_ns": HostClock.monotonic_ns(), "boot_id": Host::observe().boot_id,
            "lease_ns": lease.trim().parse::<u64>().expect("a number"), "outbox_writable": true, "root_writable": false,
            "cap_eff": "0000000000000000", "no_new_privs": true,
        });
        process.stdout(change(report)).await;
        0
    });
}

fn own_uid(bench: &Bench<FakeEngine>) -> u32 {
    std::fs::metadata(bench.folder()).expect("our folder").uid()
}

#[tokio::test]
async fn a_good_machine_is_ready_and_nothing_stays() {
    let bench = Bench::new(fake(), "check").await;
    agent(&bench.engine, |report| report.to_string());
    let project = project(&bench, own_uid(&bench));
    let lines = lines(&project, Ok(bench.engine.clone())).await;
    assert!(ready(&lines), "{lines:#?}");
    assert_eq!(
        line(&lines, "probe reference").status,
        Status::Pass,
        "{lines:#?}"
    );
    assert_eq!(
        line(&lines, "compose reference").status,
        Status::Pass,
        "{lines:#?}"
    );
    assert!(bench.engine.names().is_empty());
    assert_eq!(
        std::fs::read_dir(project.root.join(".lem"))
            .expect("made")
            .count(),
        0
    );
}

#[tokio::test]
async fn each_trouble_with_the_probe_is_a_fail_and_nothing_stays() {
    let down = || EngineError::Api {
        what: "starting".into(),
        status: 500,
        message: "could not select device driver".into(),
    };
    for (call, part) in [
        ("create", "device driver"),
        ("start", "device driver"),
        ("exec", "device driver"),
        ("remove", "device driver"),
    ] {
        let bench = Bench::new(fake(), "check").await;
        agent(&bench.engine, |report| report.to_string());
        let project = project(&bench, own_uid(&bench));
        bench.engine.fail(call, 0, down());
        let lines = lines(&project, Ok(bench.engine.clone())).await;
        let probe = line(&lines, "probe reference");
        assert!(
            probe.status == Status::Fail && probe.detail.contains(part) && !ready(&lines),
            "{call}: {probe:?}"
        );
        assert_eq!(bench.engine.names().is_empty(), call != "remove", "{call}");
    }
    for (change, part) in [
        (
            (|mut report| {
                report["cap_eff"] = "00000000a80425fb".into();
                report.to_string()
            }) as fn(serde_json::Value) -> String,
            "capabilities",
        ),
        (
            |mut report| {
                report["monotonic_ns"] = 1.into();
                report.to_string()
            },
            "CLOCK_MONOTONIC",
        ),
        (
            |mut report| {
                report["new"] = 1.into();
                report.to_string()
            },
            "/lem/agent probe",
        ),
        (|_| "\u{1b}[2Jlem: no\n".to_owned(), "lem: no"),
        (|_| "x".repeat(1 << 20), "xxx"),
    ] {
        let bench = Bench::new(fake(), "check").await;
        agent(&bench.engine, change);
        let lines = lines(&project(&bench, own_uid(&bench)), Ok(bench.engine.clone())).await;
        let probe = line(&lines, "probe reference");
        assert!(
            probe.status == Status::Fail && probe.detail.contains(part),
            "{probe:?}"
        );
        assert!(
            probe.detail.len() < 1000 && !probe.detail.contains('\u{1b}'),
            "{probe:?}"
        );
        assert!(bench.engine.names().is_empty());
    }
}

#[tokio::test]
async fn without_an_engine_the_rest_is_still_looked_at() {
    let bench = Bench::new(fake(), "check").await;
    let project = project(&bench, own_uid(&bench));
    let denied = EngineError::PermissionDenied {
        socket: "/var/run/docker.sock".into(),
        group: "docker".into(),
        fix: "sudo usermod -aG docker $USER".into(),
    };
    let lines = lines(&project, Err::<FakeEngine, _>(denied)).await;
    assert!(!ready(&lines));
    let socket = line(&lines, "docker socket");
    assert_eq!(
        (socket.status, socket.fix.as_deref()),
        (Status::Fail, Some("sudo usermod -aG docker $USER"))
    );
    for name in [
        ".env",
        "results",
        "manifests",
        "disk space",
        "gpu driver",
        "compose reference",
    ] {
        line(&lines, name);
    }
}

#[tokio::test]
async fn without_any_image_no_campaign_can_run() {
    let bench = Bench::new(fake(), "check").await;
    agent(&bench.engine, |report| report.to_string());
    let project = project(&bench, own_uid(&bench));
    let compose = project.root.join("compose");
    let text = std::fs::read_to_string(compose.join("reference.yaml")).expect("there");
    let absent = text.replace(&bench.image, "lemt-cont-nowhere:9");
    std::fs::write(compose.join("vllm.yaml"), &absent).expect("a new file");
    let one = lines(&project, Ok(bench.engine.clone())).await;
    let vllm = line(&one, "image vllm");
    assert_eq!(
        (vllm.status, vllm.fix.as_deref()),
        (Status::Warn, Some("lemctl images build vllm"))
    );
    assert!(ready(&one), "another backend can run");
    std::fs::write(compose.join("reference.yaml"), &absent).expect("our file");
    let none = lines(&project, Ok(bench.engine.clone())).await;
    assert_eq!(line(&none, "image reference").status, Status::Fail);
    assert!(!ready(&none));
}

#[tokio::test]
async fn a_backend_that_needs_a_gpu_is_no_fault_of_a_machine_without_one() {
    if std::path::Path::new("/proc/driver/nvidia/version").exists() {
        return; // Then its container is started like every other.
    }
    let bench = Bench::new(fake(), "check").await;
    agent(&bench.engine, |report| report.to_string());
    let project = project(&bench, own_uid(&bench));
    let compose = project.root.join("compose");
    let text = std::fs::read_to_string(compose.join("reference.yaml")).expect("there");
    let reserved = "    deploy: {resources: {reservations: {devices: [{driver: nvidia, capabilities: [gpu]}]}}}\n    init: false\n";
    let reserving = text.replace("    init: false\n", reserved);
    assert_ne!(text, reserving);
    std::fs::write(compose.join("vllm.yaml"), &reserving).expect("a new file");
    let both = lines(&project, Ok(bench.engine.clone())).await;
    assert_eq!(line(&both, "probe vllm").status, Status::Warn);
    assert_eq!(line(&both, "probe reference").status, Status::Pass);
    assert!(ready(&both), "another backend can run");
    std::fs::remove_file(compose.join("reference.yaml")).expect("our file");
    let alone = lines(&project, Ok(bench.engine.clone())).await;
    assert_eq!(line(&alone, "probe vllm").status, Status::Fail);
    assert!(!ready(&alone));
}

#[tokio::test]
async fn a_bad_compose_file_is_named_with_its_line() {
    let bench = Bench::new(fake(), "check").await;
    agent(&bench.engine, |report| report.to_string());
    let project = project(&bench, own_uid(&bench));
    std::fs::write(
        project.root.join("compose/vllm.yaml"),
        "services:\n  worker: {image: i, privileged: true}\n",
    )
    .expect("a new file");
    let lines = lines(&project, Ok(bench.engine.clone())).await;
    let bad = line(&lines, "compose vllm");
    assert!(
        bad.status == Status::Fail
            && bad
                .detail
                .starts_with("compose/vllm.yaml:2:22: `privileged`"),
        "{bad:?}"
    );
}

#[tokio::test]
async fn what_a_killed_check_left_behind_is_removed() {
    let bench = Bench::new(fake(), "check").await;
    agent(&bench.engine, |report| report.to_string());
    let project = project(&bench, own_uid(&bench));
    let root = lemctl::units::Digest::of(project.root.as_str().as_bytes()).short(16);
    let elsewhere = lemctl::units::Digest::of(b"/another/project").short(16);
    let (dead, own) = ("4000000".to_owned(), std::process::id().to_string());
    let mut made = Vec::new();
    for (name, pid, root) in [
        ("dead", &dead, &root),
        ("alive", &own, &root),
        ("elsewhere", &dead, &elsewhere),
    ] {
        let mut overlay = bench.overlay(name);
        overlay.labels.extend([
            (labels::PROBE.to_owned(), pid.clone()),
            (labels::ROOT.to_owned(), root.clone()),
        ]);
        let spec =
            lemctl::containers::ContainerSpec::new(&bench.service(), &overlay).expect("fits");
        bench.engine.create(&spec).await.expect("creates");
        made.push(overlay.name);
    }
    lines(&project, Ok(bench.engine.clone())).await;
    assert_eq!(
        bench.engine.names().into_iter().collect::<Vec<_>>(),
        made[1..]
    );
}

/// On the real Engine the container is looked at from inside, and what it wrote belongs to the user.
#[tokio::test]
async fn docker_probe_of_the_reference_compose_file() {
    let engine = DockerEngine::connect()
        .await
        .expect("these tests need a Docker Engine: make setup");
    let bench = Bench::new(engine.clone(), "probe").await;
    let uid = std::fs::metadata(bench.folder()).expect("our folder").uid();
    std::fs::set_permissions(bench.folder(), std::fs::Permissions::from_mode(0o711))
        .expect("our folder");
    let project = project(&bench, uid);
    let seen = lines(&project, Ok(engine.clone())).await;
    let probe = line(&seen, "probe reference");
    assert_eq!(probe.status, Status::Pass, "{seen:#?}");
    assert!(ready(&seen), "{seen:#?}");
    assert!(
        engine
            .list(&[(labels::PROBE, "")])
            .await
            .expect("lists")
            .is_empty(),
        "a probe stayed"
    );
    assert_eq!(
        std::fs::read_dir(project.root.join(".lem"))
            .expect("made")
            .count(),
        0
    );

    // A file that gives privileges away passes Compose, and is found out.
    let path = project.root.join("compose/reference.yaml");
    let text = std::fs::read_to_string(&path)
        .expect("there")
        .replace("read_only: true", "read_only: false");
    std::fs::write(&path, text).expect("our file");
    let seen = lines(&project, Ok(engine)).await;
    assert_eq!(
        line(&seen, "compose reference").status,
        Status::Warn,
        "{seen:#?}"
    );
    if uid == 0 {
        // Root may write the root file system; any other user is kept out by its modes.
        assert!(
            line(&seen, "probe reference")
                .detail
                .contains("root file system"),
            "{seen:#?}"
        );
    }
}
