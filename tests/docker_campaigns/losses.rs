//! A container that is removed, stopped or paused from outside while it measures: one run fails, the campaign goes
//! on in a new container, and `--retry failed` mends it in the open.

use std::collections::BTreeSet;

use crate::campaign_files::{Files, campaign_text, docker, text};
use crate::project::Project;
use crate::session::Session;

/// Runs three experiments and does `harm` to the container in the second one's window.
fn lose(harm: &[&str]) {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let shared = "hidden_size: [32], batch_size: [1, 2, 3]";
    let execution = "cycles: 1, timeouts: {measure_seconds: 2}";
    project.write(
        "campaigns/losses.yaml",
        &campaign_text("losses", shared, execution, 0.5),
    );
    let mut session = Session::start(&project, &["campaign", "up", "campaigns/losses.yaml"]);
    session.wait_event("attempt_ended");
    let lost = session.wait_phase("measure");
    let files = Files::of(&project, "losses");
    let container = files.container().unwrap();
    let mut arguments = harm.to_vec();
    arguments.push(&container);
    docker(&arguments);
    let said = session.end();
    assert_eq!(said.code, Some(5), "{said:#?}");
    assert!(said.stdout.contains("container_lost"), "{said:#?}");
    let verdicts: Vec<(String, String)> = files
        .events_of("attempt_ended")
        .iter()
        .map(|event| {
            let verdict = &event["verdict"];
            let code = verdict["failed"]["cause"]["code"]
                .as_str()
                .or(verdict.as_str());
            (text(&event["run"]), code.unwrap().to_owned())
        })
        .collect();
    let codes: Vec<&str> = verdicts.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(
        codes,
        ["accepted", "container_lost", "accepted"],
        "{verdicts:?}"
    );
    assert_eq!(verdicts[1].0, lost);
    assert_eq!(files.events_of("container_lost").len(), 1);
    let started = files.events_of("step_done").into_iter();
    let containers: BTreeSet<String> = started
        .filter_map(|step| Some(step["detail"]["container"].as_str()?.to_owned()))
        .collect();
    assert_eq!(containers.len(), 2, "a new container for the rest");
    files.assert_nothing_left();
    let why = project.expect(0, &["campaign", "why", &lost, "--campaign", "losses"]);
    assert!(why.stdout.contains("container_lost"), "{why:#?}");
    mend(&project, &files, &lost);
}

/// Retries what failed; the new manifest names the old one and hides no attempt.
fn mend(project: &Project, files: &Files<'_>, lost: &str) {
    let first = files.manifest();
    let sealed = text(&files.events_of("sealed")[0]["manifest_sha256"]);
    let said = project.expect(5, &["campaign", "resume", "losses"]);
    assert!(said.stdout.contains("--retry"), "{said:#?}");
    project.expect(0, &["campaign", "resume", "losses", "--retry", "failed"]);
    let second = files.manifest();
    assert_eq!(second["previous_manifest"], sealed.as_str());
    let runs = first["runs"]
        .as_array()
        .unwrap()
        .iter()
        .zip(second["runs"].as_array().unwrap());
    for (before, after) in runs {
        assert_eq!(after["verdict"], "accepted");
        if after["run"] == lost {
            let attempts = after["attempts"].as_array().unwrap();
            assert_eq!(attempts.len(), 2, "a retry hides nothing: {attempts:?}");
            assert_eq!(
                attempts[0]["verdict"]["failed"]["cause"]["code"],
                "container_lost"
            );
        } else {
            assert_eq!(
                before["result"], after["result"],
                "only what failed is done again"
            );
        }
    }
    project.expect(0, &["manifest", "verify", "losses"]);
    files.assert_nothing_left();
}

#[test]
fn docker_container_removed_from_outside() {
    lose(&["rm", "--force"]);
}

#[test]
fn docker_container_paused_from_outside() {
    lose(&["pause"]);
}

#[test]
fn docker_container_killed_from_outside() {
    lose(&["kill"]);
}

#[test]
fn docker_container_stopped_from_outside() {
    lose(&["stop"]);
}
