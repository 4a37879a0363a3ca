//! Faults 17 and 18: Engines of other versions, and answers that are cut, late, repeated or refusals.

use std::collections::BTreeSet;
use std::time::Duration;

use camino::Utf8Path;
use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, docker};
use crate::guarantees;
use crate::project::Project;
use crate::socket_proxy::{Act, SocketProxy};

const FILE: &str = "campaigns/proxy.yaml";
const UP: [&str; 3] = ["campaign", "up", FILE];
const HOST: &str = "/var/run/docker.sock";
/// Every kind of request that a session makes once it has begun, and which one of it is harmed: the first three of
/// `GET /containers/json` look for what earlier lives left, and the first of the image is asked before anything is written.
const HARMED: [(&str, usize); 12] = [
    ("GET /images/NAME/json", 2),
    ("GET /containers/json", 4),
    ("POST /containers/create", 1),
    ("POST /containers/ID/start", 1),
    ("GET /containers/ID/json", 1),
    ("POST /containers/ID/exec", 1),
    ("POST /exec/ID/start", 1),
    ("POST /containers/ID/exec", 4),
    ("POST /exec/ID/start", 5),
    ("POST /containers/ID/stop", 1),
    ("DELETE /containers/ID", 1),
    ("DELETE /containers/ID", 3),
];
/// Each session spends at least one of them.
const SESSIONS: usize = HARMED.len() + 1;

/// A campaign of two runs behind a proxy.
fn begun() -> Option<(SocketProxy, Project)> {
    let mut project = Project::with_docker()?;
    project.pin_image();
    let proxy = SocketProxy::before(Utf8Path::new(HOST));
    project.through(Some(proxy.socket()));
    let shared = "hidden_size: [32], batch_size: [1, 2]";
    let execution =
        "cycles: 1, timeouts: {measure_seconds: 5}, breaker: {consecutive_failures: 50}";
    project.write(FILE, &campaign_text("proxy", shared, execution, 0.3));
    Some((proxy, project))
}

/// Does `act` to requests of every kind, over as many sessions as it takes: none loses, doubles or orphans anything.
/// Gives their number.
fn harm(act: &Act) -> Option<usize> {
    let (proxy, project) = begun()?;
    for (kind, which) in HARMED {
        proxy.on(kind, which, act.clone());
    }
    let mut said = vec![project.run(&UP)];
    while said.last().is_some_and(|said| said.code != Some(0)) {
        assert!(said.len() <= SESSIONS, "it does not get on: {said:#?}");
        let last = said.last().unwrap();
        assert!(matches!(last.code, Some(4 | 5)), "{last:#?}");
        assert!(!last.stderr.contains("panicked"), "{last:#?}");
        guarantees::hold(&Files::of(&project, "proxy"));
        said.push(project.run(&["campaign", "resume", "proxy", "--retry", "failed"]));
    }
    let harmed: BTreeSet<String> = proxy.done_to().into_iter().collect();
    // Where every container is lost to something else before, none is stopped in order.
    let unharmed: Vec<&str> = HARMED
        .iter()
        .map(|(kind, _)| *kind)
        .filter(|kind| !harmed.contains(*kind) && *kind != "POST /containers/ID/stop")
        .collect();
    assert_eq!(unharmed, Vec::<&str>::new(), "never made");
    proxy.behave();
    guarantees::finishes(&project, "proxy", 2);
    let ends: Vec<&str> = said.iter().map(|said| said.stderr.as_str()).collect();
    eprintln!("{act:?}: {} sessions\n{}", said.len(), ends.join("\n"));
    Some(said.len())
}

/// The same, and one session is enough: what is done to it is no reason to give a backend up.
fn harm_within_one_session(act: &Act) {
    if let Some(sessions) = harm(act) {
        assert_eq!(sessions, 1, "{act:?}");
    }
}

#[test]
fn docker_requests_that_never_arrive() {
    harm_within_one_session(&Act::CutBefore);
}

#[test]
fn docker_answers_that_never_arrive() {
    harm_within_one_session(&Act::CutAfter(0));
}

#[test]
fn docker_answers_that_are_cut() {
    harm_within_one_session(&Act::CutAfter(100));
}

#[test]
fn docker_answers_that_are_late() {
    harm_within_one_session(&Act::Delay(Duration::from_millis(1200)));
}

#[test]
fn docker_answers_that_come_twice() {
    harm_within_one_session(&Act::Repeat);
}

#[test]
fn docker_requests_that_arrive_twice() {
    harm_within_one_session(&Act::Twice);
}

#[test]
fn docker_refusals_409() {
    harm(&Act::Answer(
        409,
        r#"{"message":"it is in use"}"#.to_owned(),
    ));
}

#[test]
fn docker_refusals_500() {
    harm(&Act::Answer(
        500,
        r#"{"message":"it went wrong"}"#.to_owned(),
    ));
}

/// The Engine does what it was asked, and says that it did not.
#[test]
fn docker_refusals_500_of_what_was_done() {
    harm(&Act::Instead(
        500,
        r#"{"message":"it went wrong"}"#.to_owned(),
    ));
}

/// `304` says that it is so already, of what is not.
#[test]
fn docker_answers_304_of_what_was_not_done() {
    harm(&Act::Answer(304, String::new()));
}

/// The worker's stream ends at some byte, in the middle of a frame or between two.
#[test]
fn docker_streams_that_are_cut() {
    let Some((proxy, project)) = begun() else {
        return;
    };
    // The first is the probe's; between two workers there is a sweep.
    for (which, bytes) in [(2, 150), (4, 190), (6, 600), (8, 1100), (10, 1700)] {
        proxy.on("POST /exec/ID/start", which, Act::CutAfter(bytes));
    }
    let mut said = project.run(&UP);
    for _ in 0..SESSIONS {
        if said.code == Some(0) {
            break;
        }
        assert!(matches!(said.code, Some(4 | 5)), "{said:#?}");
        guarantees::hold(&Files::of(&project, "proxy"));
        said = project.run(&["campaign", "resume", "proxy", "--retry", "failed"]);
    }
    assert_eq!(proxy.done_to().len(), 5, "{said:#?}");
    proxy.behave();
    guarantees::finishes(&project, "proxy", 2);
}

/// What is asked before a campaign begins: if it fails nothing was written.
#[test]
fn docker_broken_answers_before_the_beginning() {
    let Some((proxy, project)) = begun() else {
        return;
    };
    let before = project.paths();
    let mut asked = 0;
    for kind in ["GET /version", "GET /info", "GET /images/NAME/json"] {
        for act in [
            Act::CutBefore,
            Act::CutAfter(60),
            Act::Answer(500, r#"{"message":"it went wrong"}"#.to_owned()),
            Act::Answer(200, "{".to_owned()),
        ] {
            proxy.on(kind, 0, act.clone());
            let said = project.run(&UP);
            assert_eq!(said.code, Some(4), "{kind} {act:?}: {said:#?}");
            let lines = said.stderr.lines().count();
            assert!(
                said.stderr.starts_with("error[containers::") && lines <= 3,
                "{kind} {act:?}: {said:#?}"
            );
            assert_eq!(project.paths(), before, "{kind} {act:?}");
            proxy.behave();
            asked += 1;
        }
    }
    assert_eq!(proxy.done_to().len(), asked);
}

/// A campaign on an Engine that claims to be of this version: what is asked of it.
fn asked_of(engine: &str, oldest: u32, newest: u32) -> Option<(String, Value)> {
    let (proxy, project) = begun()?;
    let behind = docker(&["version", "--format", "{{.Server.APIVersion}}"]);
    proxy.claim(engine, oldest, newest, &behind);
    project.expect(0, &UP);
    guarantees::finishes(&project, "proxy", 2);
    let seen = proxy.seen();
    let versions: BTreeSet<String> = seen
        .iter()
        .filter(|seen| seen.kind != "GET /version")
        .map(|seen| seen.version.clone())
        .collect();
    let [version] = Vec::from_iter(versions)
        .try_into()
        .unwrap_or_else(|versions| panic!("{engine}: asked in {versions:?}"));
    let refused = proxy.done_to();
    assert!(
        refused.iter().all(|kind| kind == "GET /version"),
        "{engine} refused: {refused:?}"
    );
    let create = seen
        .iter()
        .find(|seen| seen.kind == "POST /containers/create");
    let body = serde_json::from_str(&create.unwrap().body).unwrap();
    Some((version, body))
}

/// Keys of a container's creation that API 1.41 has, of those that lemctl may use.
const KEYS: [&str; 8] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "HostConfig",
    "Image",
    "Labels",
    "StopTimeout",
    "User",
];
const HOST_KEYS: [&str; 15] = [
    "CapDrop",
    "DeviceRequests",
    "Devices",
    "Init",
    "IpcMode",
    "Memory",
    "Mounts",
    "NetworkMode",
    "PidsLimit",
    "ReadonlyRootfs",
    "SecurityOpt",
    "ShmSize",
    "Tmpfs",
    "Ulimits",
    "UsernsMode",
];

fn assert_keys(body: &Value, known: &[&str]) {
    for key in body.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "`{key}` in {body:#}");
    }
}

#[test]
fn docker_engines_of_every_age_are_asked_in_their_own_version() {
    let mut bodies = Vec::new();
    for (engine, oldest, newest, version) in [
        ("20.10.24", 12, 41, "1.41"),
        ("25.0.0", 24, 44, "1.44"),
        ("29.0.1", 44, 52, "1.52"),
    ] {
        let Some((asked, mut body)) = asked_of(engine, oldest, newest) else {
            return;
        };
        assert_eq!(asked, version, "Engine {engine}");
        assert_keys(&body, &KEYS);
        assert_keys(&body["HostConfig"], &HOST_KEYS);
        // What differs from campaign to campaign.
        body["Labels"].take();
        body["HostConfig"]["Mounts"].take();
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[1], bodies[2]);
}

/// One that is newer than lemctl knows but still speaks what it does, and two that do not.
#[test]
fn docker_engines_out_of_range() {
    let Some((version, _)) = asked_of("31.0.0", 44, 99) else {
        return;
    };
    let minor: u32 = version.trim_start_matches("1.").parse().unwrap();
    assert!((52..99).contains(&minor), "asked in {version}");
    let Some((proxy, project)) = begun() else {
        return;
    };
    let before = project.paths();
    proxy.claim("19.03.15", 12, 40, "1.41");
    let old = project.expect(4, &UP);
    guarantees::names(
        &old,
        &["19.03.15 (API 1.40) is too old"],
        &["upgrade Docker Engine"],
    );
    proxy.behave();
    proxy.claim("41.0.0", 98, 99, "1.41");
    let new = project.expect(4, &UP);
    guarantees::names(&new, &["speaks API 1.98 or later"], &["upgrade lemctl"]);
    assert_eq!(project.paths(), before, "something was written");
}
