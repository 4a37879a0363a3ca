//! Faults 4 and 5: the daemon itself dies, is restarted, or is stopped. A private daemon is the victim.

use std::time::Duration;

use crate::campaign_files::{Files, campaign_text};
use crate::guarantees;
use crate::private_daemon::PrivateDaemon;
use crate::project::Project;
use crate::session::Session;

const FILE: &str = "campaigns/daemon.yaml";
const UP: [&str; 3] = ["campaign", "up", FILE];

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

/// The daemon ends by `signal` in the second window and stays away; then it is started again.
fn dies(live_restore: bool, signal: &str) {
    let Some((mut daemon, project)) = begun(live_restore) else {
        return;
    };
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    daemon.end(signal);
    let said = session.end();
    eprintln!("{said:#?}");
    let files = Files::of(&project, "daemon");
    guarantees::hold(&files);
    daemon.restart();
    guarantees::finishes(&project, "daemon", 3);
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
