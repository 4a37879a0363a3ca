//! lemctl asked to stop: once ends in order, twice at once; a second lemctl is kept out meanwhile.

use std::time::Duration;

use crate::campaign_files::{Files, campaign_text, docker, processes_of};
use crate::project::Project;
use crate::session::{Session, eventually};

const FILE: &str = "campaigns/stops.yaml";
const UP: [&str; 3] = ["campaign", "up", FILE];

fn begun() -> Option<Project> {
    let project = Project::with_docker()?;
    let text = campaign_text(
        "stops",
        "hidden_size: [32, 64], batch_size: [1]",
        "cycles: 2",
        0.6,
    );
    project.write(FILE, &text);
    Some(project)
}

/// The journal tells of the stop, nothing is left, resuming accepts everything.
fn assert_stopped_in_order(project: &Project, reason: &str) {
    let files = Files::of(project, "stops");
    files.assert_nothing_left();
    let stops = files.events_of("stop_requested");
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert_eq!(stops[0]["reason"], reason);
    assert!(
        files
            .events()
            .last()
            .unwrap()
            .get("session_ended")
            .is_some()
    );
    project.expect(0, &["campaign", "resume", "stops"]);
    let manifest = files.manifest();
    for run in manifest["runs"].as_array().unwrap() {
        assert_eq!(run["verdict"], "accepted", "{run}");
    }
    assert_eq!(manifest["sessions"], 2);
    files.assert_nothing_left();
}

#[test]
fn docker_ctrl_c_once_while_measuring() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    session.signal("INT");
    let said = session.end();
    assert_eq!(said.code, Some(130), "{said:#?}");
    assert!(
        said.stderr.contains("lemctl campaign resume stops"),
        "{said:#?}"
    );
    let interrupted = Files::of(&project, "stops").events_of("attempt_interrupted");
    assert_eq!(interrupted.len(), 1, "{interrupted:?}");
    assert_stopped_in_order(&project, "Ctrl-C");
}

#[test]
fn docker_ctrl_c_while_an_engine_loads_fails_no_run() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_step("step_started", "load-engine");
    session.signal("INT");
    let said = session.end();
    assert_eq!(said.code, Some(130), "{said:#?}");
    assert_stopped_in_order(&project, "Ctrl-C");
}

#[test]
fn docker_sigterm_is_a_ctrl_c() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_phase("warm-up");
    session.signal("TERM");
    let said = session.end();
    assert_eq!(said.code, Some(130), "{said:#?}");
    assert_stopped_in_order(&project, "SIGTERM");
}

#[test]
fn docker_ctrl_c_twice_leaves_at_once_and_the_lease_cleans_up() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_phase("measure");
    let files = Files::of(&project, "stops");
    let container = files.container().unwrap();
    session.signal("INT");
    session.wait_event("attempt_interrupted");
    session.signal("INT");
    let said = session.end();
    assert_eq!(said.code, Some(130), "{said:#?}");
    assert!(said.stderr.contains("leaving now"), "{said:#?}");
    if files.container().is_some() {
        let state = [
            "inspect",
            "--format",
            "{{.State.Running}} {{.State.ExitCode}}",
            &container,
        ];
        eventually(
            "the container's end by its lease",
            Duration::from_secs(45),
            || docker(&state).starts_with("false"),
        );
        // The Engine may have heard of the stop that was under way: then the agent ended by its signal.
        let ended = docker(&state);
        assert!(
            ["false 75", "false 0", "false 143"].contains(&ended.as_str()),
            "{ended}"
        );
    }
    project.expect(0, &["campaign", "down", "stops"]);
    files.assert_nothing_left();
    project.expect(0, &["campaign", "resume", "stops"]);
    files.assert_nothing_left();
}

#[test]
fn docker_a_lease_that_nobody_renews_ends_the_container() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_phase("measure");
    let files = Files::of(&project, "stops");
    let container = files.container().unwrap();
    session.signal("KILL");
    session.end();
    let state = [
        "inspect",
        "--format",
        "{{.State.Running}} {{.State.ExitCode}}",
        &container,
    ];
    eventually(
        "the container's end by its lease",
        Duration::from_secs(45),
        || docker(&state).starts_with("false"),
    );
    assert_eq!(docker(&state), "false 75");
    project.expect(0, &["campaign", "down", "stops"]);
    files.assert_nothing_left();
}

/// A client that is lost without its streams being closed: nothing tells the worker, but the lease does.
#[test]
fn docker_a_frozen_lemctl_loses_its_container_to_the_lease_and_goes_on_when_it_thaws() {
    let Some(project) = begun() else { return };
    // A warm-up that never settles: lemctl is frozen in it, and no window is under way that could end meanwhile.
    let text = std::fs::read_to_string(project.root().join(FILE)).unwrap();
    let short = "max_seconds: 1, min_iterations: 2, throughput_cv: 1";
    let long = "max_seconds: 3, min_iterations: 2, throughput_cv: 0.000001";
    assert!(text.contains(short), "{text}");
    project.write(FILE, &text.replace(short, long));
    let mut session = Session::start(&project, &UP);
    session.wait_phase("warm-up");
    let files = Files::of(&project, "stops");
    let container = files.container().unwrap();
    session.signal("STOP");
    assert!(processes_of(&container).len() > 1, "a worker waits in it");
    let state = [
        "inspect",
        "--format",
        "{{.State.Running}} {{.State.ExitCode}}",
    ];
    let state = [&state[..], &[&container]].concat();
    eventually(
        "the container's end by its lease",
        Duration::from_secs(60),
        || docker(&state) == "false 75",
    );
    assert_eq!(processes_of(&container), Vec::<u32>::new());
    session.signal("CONT");
    let said = session.end();
    assert_eq!(said.code, Some(0), "{said:#?}");
    let retried = files.events_of("run_retried");
    assert_eq!(retried.len(), 1, "{retried:?}");
    assert_eq!(retried[0]["reason"]["code"], "container_lost");
    assert_eq!(files.accepted().len(), 4);
    files.assert_nothing_left();
}

#[test]
fn docker_a_second_lemctl_is_kept_out_and_told_by_whom() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &UP);
    session.wait_phase("measure");
    let pid = session.pid().to_string();
    for command in ["resume", "down"] {
        let said = project.expect(7, &["campaign", command, "stops"]);
        assert!(said.stderr.contains(&pid), "{pid}: {said:#?}");
    }
    let list = project.expect(0, &["campaign", "list"]);
    assert!(list.stdout.contains("running"), "{list:#?}");
    assert_eq!(session.end().code, Some(0), "the first one must not notice");
    Files::of(&project, "stops").assert_nothing_left();
}
