//! Faults 4 and 5: the daemon itself dies, is restarted, or is stopped. A private daemon is the victim.

use crate::campaign_files::{Files, campaign_text, text};
use crate::guarantees;
use crate::private_daemon::PrivateDaemon;
use crate::project::Project;
use crate::session::Session;

const FILE: &str = "campaigns/daemon.yaml";
const UP: [&str; 3] = ["campaign", "up", FILE];
/// What a message says of a daemon that is not there.
const ABSENT: [&str; 3] = [
    "no Docker Engine answers",
    "the connection to the Engine broke",
    "no answer from the Engine",
];
/// What it says to do.
const NEXT: [&str; 2] = ["docker info", "start docker"];

/// A campaign of three runs on a daemon of its own.
fn begun(live_restore: bool) -> Option<(PrivateDaemon, Project)> {
    let daemon = PrivateDaemon::start(live_restore)?;
    let project = Project::on(&daemon.socket());
    let shared = "hidden_size: [32], batch_size: [1, 2, 3]";
    let execution = "cycles: 1, timeouts: {measure_seconds: 5}";
    let text = campaign_text("daemon", shared, execution, 1.0);
    project.write(FILE, &text);
    Some((daemon, project))
}

/// Of the run that was disturbed the journal says that the Engine was away: its container may have been as good as ever.
fn blames_the_engine(files: &Files<'_>) {
    for event in files.events_of("attempt_ended") {
        if event["verdict"] != "accepted" {
            let code = text(&event["verdict"]["failed"]["cause"]["code"]);
            let ours = [
                "engine_unreachable",
                "engine_timed_out",
                "connection_broken",
            ];
            assert!(ours.contains(&code.as_str()), "{event}");
        }
    }
}

/// The daemon ends by `signal` in the second window. While it is away lemctl gives up within bounds, and so does
/// every other command that needs it, with a reason; what is measured stays. Once it is back, `resume` finishes.
fn dies(live_restore: bool, signal: &str) {
    let Some((mut daemon, project)) = begun(live_restore) else {
        return;
    };
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    daemon.end(signal);
    let said = session.end();
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(&said, &ABSENT, &NEXT);
    guarantees::names(&said, &["breaker"], &["lemctl campaign resume daemon"]);
    let files = Files::of(&project, "daemon");
    guarantees::hold(&files);
    blames_the_engine(&files);
    let journal = files.results().join("journal.jsonl");
    let before = std::fs::read(&journal).unwrap();
    for command in ["resume", "down"] {
        let said = project.expect(4, &["campaign", command, "daemon"]);
        guarantees::names(&said, &ABSENT, &["DOCKER_HOST"]);
    }
    assert_eq!(
        std::fs::read(&journal).unwrap(),
        before,
        "written to for nothing"
    );
    daemon.restart();
    guarantees::finishes_with(&project, "daemon", 3, &["--retry", "failed"]);
}

#[test]
fn docker_daemon_ended_by_term() {
    dies(false, "TERM");
}

#[test]
fn docker_daemon_killed() {
    dies(false, "KILL");
}

#[test]
fn docker_daemon_ended_by_term_under_live_restore() {
    dies(true, "TERM");
}

#[test]
fn docker_daemon_killed_under_live_restore() {
    dies(true, "KILL");
}

/// A daemon that is restarted in the middle, at once: the same life of lemctl goes on with a new container.
#[test]
fn docker_daemon_restarted_in_the_middle() {
    let Some((mut daemon, project)) = begun(false) else {
        return;
    };
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    daemon.end("TERM");
    daemon.restart();
    let said = session.end();
    // Either it was back before lemctl had tried often enough, with or without a run that failed of it, or the breaker
    // opened.
    assert!(matches!(said.code, Some(0 | 4 | 5)), "{said:#?}");
    guarantees::finishes_with(&project, "daemon", 3, &["--retry", "failed"]);
}

/// A daemon that is stopped keeps its socket open and says nothing.
#[test]
fn docker_daemon_stopped_and_continued() {
    let Some((daemon, project)) = begun(false) else {
        return;
    };
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    daemon.signal("STOP");
    // Bounded: the program's end is awaited with a limit.
    let said = session.end();
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(
        &said,
        &["no answer from the Engine"],
        &["is the daemon stopped or overloaded? docker info"],
    );
    guarantees::names(&said, &["breaker"], &["lemctl campaign resume daemon"]);
    let files = Files::of(&project, "daemon");
    guarantees::hold(&files);
    blames_the_engine(&files);
    let said = project.expect(4, &["campaign", "resume", "daemon"]);
    guarantees::names(&said, &["no answer from the Engine"], &["docker info"]);
    daemon.signal("CONT");
    guarantees::finishes_with(&project, "daemon", 3, &["--retry", "failed"]);
}
