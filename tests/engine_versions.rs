//! Engines of other versions, played on a Unix socket: which API version really goes over the wire, and
//! what lemctl says when no Engine answers.

#[path = "support/fake_daemon.rs"]
mod fake_daemon;

use std::time::Duration;

use camino::Utf8Path;
use fake_daemon::{Answer, FakeDaemon};
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{ContainerEngine, ContainerId, EngineError};
use lemctl::diagnostics::{Exit, Failure};

/// A daemon that speaks API `oldest` to `newest`. One that is strict refuses a request without a version,
/// as an Engine does that takes it for an old client's.
fn daemon(version: &'static str, oldest: u32, newest: u32, strict: bool) -> FakeDaemon {
    FakeDaemon::start(move |request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let asked = path
            .strip_prefix("/v1.")
            .and_then(|rest| rest.split('/').next()?.parse::<u32>().ok());
        match asked {
            None if strict => too_old(24, oldest),
            Some(minor) if minor < oldest => too_old(minor, oldest),
            Some(minor) if minor > newest => (
                400,
                format!(
                    r#"{{"message":"client version 1.{minor} is too new. Maximum supported API version is 1.{newest}"}}"#
                ),
            ),
            _ => route(path, version, oldest, newest),
        }
    })
}

fn too_old(minor: u32, oldest: u32) -> Answer {
    let message = format!(
        "client version 1.{minor} is too old. Minimum supported API version is 1.{oldest}, please upgrade your client to a newer version"
    );
    (400, format!(r#"{{"message":"{message}"}}"#))
}

fn route(path: &str, version: &str, oldest: u32, newest: u32) -> Answer {
    if path.ends_with("/version") {
        let body = format!(
            r#"{{"Version":"{version}","ApiVersion":"1.{newest}","MinAPIVersion":"1.{oldest}"}}"#
        );
        return (200, body);
    }
    if path.ends_with("/info") {
        let body = r#"{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],
            "Runtimes":{"runc":{"path":"runc"},"nvidia":{"path":"nvidia-container-runtime"}},"CgroupVersion":"2",
            "CgroupDriver":"systemd","SecurityOptions":["name=seccomp,profile=builtin","name=rootless"],
            "CDISpecDirs":["/etc/cdi"],"DiscoveredDevices":[{"Source":"cdi","ID":"nvidia.com/gpu=0"}]}"#;
        return (200, body.to_owned());
    }
    if path.contains("/containers/json") {
        return (200, "[]".to_owned());
    }
    (404, r#"{"message":"No such container: x"}"#.to_owned())
}

async fn spoken(daemon: &FakeDaemon) -> Vec<String> {
    let engine = DockerEngine::connect_to(&daemon.socket())
        .await
        .expect("agrees on a version");
    engine.list(&[("a", "b")]).await.expect("lists");
    let gone = ContainerId("x".to_owned());
    engine
        .stop(&gone, Duration::ZERO)
        .await
        .expect_err("there is no such container");
    engine.remove(&gone).await.expect("gone is fine");
    let requests = daemon.requests();
    requests
        .into_iter()
        .map(|request| request.split('?').next().expect("a path").to_owned())
        .collect()
}

#[tokio::test]
async fn engine_20_10_gets_its_newest() {
    let daemon = daemon("20.10.24", 12, 41, false);
    let expected = [
        "GET /version",
        "GET /v1.41/containers/json",
        "POST /v1.41/containers/x/stop",
        "DELETE /v1.41/containers/x",
    ];
    assert_eq!(spoken(&daemon).await, expected);
}

#[tokio::test]
async fn engine_29_gets_a_version_that_it_does_not_refuse() {
    let daemon = daemon("29.0.1", 44, 52, true);
    let expected = [
        "GET /version",
        "GET /v1.44/version",
        "GET /v1.52/containers/json",
        "POST /v1.52/containers/x/stop",
        "DELETE /v1.52/containers/x",
    ];
    assert_eq!(spoken(&daemon).await, expected);
}

#[tokio::test]
async fn what_an_engine_29_says_about_itself_is_understood() {
    let daemon = daemon("29.0.1", 44, 52, false);
    let engine = DockerEngine::connect_to(&daemon.socket())
        .await
        .expect("agrees on a version");
    let info = engine.engine().await.expect("answers");
    assert_eq!(
        (info.version.as_str(), info.api_version.as_str()),
        ("29.0.1", "1.52")
    );
    assert!(info.containerd_store && info.rootless, "{info:?}");
    assert_eq!(info.runtimes, ["nvidia", "runc"]);
    assert_eq!(info.cdi_devices, ["nvidia.com/gpu=0"]);
}

#[tokio::test]
async fn an_engine_out_of_range_is_told_so() {
    let old = DockerEngine::connect_to(&daemon("19.03.15", 12, 40, false).socket())
        .await
        .expect_err("too old");
    assert!(
        matches!(&old, EngineError::TooOld { version, .. } if version == "19.03.15"),
        "{old:?}"
    );
    let new = DockerEngine::connect_to(&daemon("41.0", 98, 99, false).socket())
        .await
        .expect_err("too new");
    assert!(matches!(&new, EngineError::TooNew { .. }), "{new:?}");
    for error in [old, new] {
        assert_short(error, "19.03.15|41.0", "upgrade");
    }
}

/// Exit 4, at most three lines, with the cause and the fix.
fn assert_short(error: EngineError, cause: &str, fix: &str) {
    let failure = Failure::from(error);
    assert_eq!(failure.exit(), Exit::EnvironmentNotReady);
    let text = failure.to_string();
    assert!(text.lines().count() <= 3, "{text}");
    assert!(cause.split('|').any(|cause| text.contains(cause)), "{text}");
    assert!(
        text.lines()
            .last()
            .is_some_and(|line| line.contains("fix: ") && line.contains(fix)),
        "{text}"
    );
}

#[tokio::test]
async fn no_socket_and_no_daemon_are_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = Utf8Path::from_path(folder.path())
        .expect("a path in UTF-8")
        .join("docker.sock");
    let absent = DockerEngine::connect_to(&socket)
        .await
        .expect_err("there is nothing");
    assert_short(absent, "no such socket", "sudo systemctl start docker");

    // A socket file whose daemon has died.
    drop(tokio::net::UnixListener::bind(&socket).expect("a socket"));
    let refused = DockerEngine::connect_to(&socket)
        .await
        .expect_err("nobody listens");
    assert_short(
        refused,
        "the daemon is not running",
        "sudo systemctl restart docker",
    );
}

#[tokio::test]
async fn a_daemon_that_dies_later_is_named_as_the_cause() {
    let daemon = daemon("27.0.0", 24, 46, false);
    let engine = DockerEngine::connect_to(&daemon.socket())
        .await
        .expect("connects");
    let socket = daemon.socket();
    drop(daemon);
    let gone = engine.list(&[]).await.expect_err("the socket is gone");
    assert!(
        matches!(&gone, EngineError::Unreachable { socket: named, .. } if *named == socket),
        "{gone:?}"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_no_panic() {
    for body in ["", "{", "[]", r#"{"ApiVersion":"one"}"#, "<html>"] {
        let daemon = FakeDaemon::start(move |_| (200, body.to_owned()));
        let error = DockerEngine::connect_to(&daemon.socket())
            .await
            .expect_err(body);
        assert!(
            matches!(error, EngineError::Broken { .. }),
            "{body}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_daemon_that_falls_silent_costs_bounded_time() {
    let daemon = FakeDaemon::start(|request| match request {
        "GET /version" => route("/version", "27.0.0", 24, 46),
        _ => (0, String::new()),
    });
    let engine = DockerEngine::connect_to(&daemon.socket())
        .await
        .expect("connects");
    tokio::time::pause();
    let id = ContainerId("x".to_owned());
    let begun = tokio::time::Instant::now();
    let silent = engine.list(&[]).await.expect_err("nobody answers");
    assert!(matches!(silent, EngineError::TimedOut { .. }), "{silent:?}");
    assert!(
        begun.elapsed() <= Duration::from_secs(16),
        "{:?}",
        begun.elapsed()
    );
    // From now on nothing is asked that a daemon would do when it wakes, with nobody there any more.
    let begun = tokio::time::Instant::now();
    for silent in [
        engine.start(&id).await.err(),
        engine.stop(&id, Duration::from_secs(300)).await.err(),
        engine.inspect(&id).await.err(),
        engine.exec(&id, &["x".to_owned()]).await.err(),
        engine.logs(&id, 1).await.err(),
        engine.image("x").await.err(),
    ] {
        assert!(
            matches!(silent, Some(EngineError::TimedOut { .. })),
            "{silent:?}"
        );
    }
    assert!(
        begun.elapsed() <= Duration::from_secs(61),
        "{:?}",
        begun.elapsed()
    );
    let asked = daemon.requests();
    let asked: Vec<_> = asked
        .iter()
        .filter(|path| !path.contains("/_ping"))
        .collect();
    assert_eq!(asked.len(), 2, "the version and the list: {asked:?}");
    assert_short(
        engine.list(&[]).await.expect_err("nobody answers"),
        "no answer from the Engine",
        "docker info",
    );
}

#[tokio::test]
async fn a_daemon_that_is_busy_but_lives_is_waited_for() {
    // Longer than it would take to find out that it is silent.
    let delay = |request: &str| Duration::from_secs(if request.contains("/stop") { 17 } else { 0 });
    let daemon = FakeDaemon::slow(
        |request| match request.contains("/stop") {
            true => (204, String::new()),
            false => route(request.split(' ').nth(1).expect("a path"), "27.0.0", 24, 46),
        },
        delay,
    );
    let engine = DockerEngine::connect_to(&daemon.socket())
        .await
        .expect("connects");
    let id = ContainerId("x".to_owned());
    engine
        .stop(&id, Duration::from_secs(10))
        .await
        .expect("it only took its time");
    let pings = daemon.requests();
    let pings = pings.iter().filter(|path| path.contains("/_ping")).count();
    assert!(pings >= 2, "{pings} pings");
}

/// What is left behind nobody would know of: an answer is not yet an absence.
#[tokio::test]
async fn a_removal_is_believed_when_the_container_is_gone() {
    for said in [304, 204] {
        let daemon = FakeDaemon::start(move |request| {
            let path = request.split(' ').nth(1).expect("a path");
            if request.starts_with("DELETE ") {
                return (said, String::new());
            }
            if path.contains("/containers/x/json") {
                return (200, r#"{"Id":"x","Name":"/x"}"#.to_owned());
            }
            route(path, "27.0.0", 24, 46)
        });
        let engine = DockerEngine::connect_to(&daemon.socket())
            .await
            .expect("connects");
        let left = engine
            .remove(&ContainerId("x".to_owned()))
            .await
            .expect_err("it is there");
        assert!(left.to_string().contains("still there"), "{said}: {left}");
    }
}
