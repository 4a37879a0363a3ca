//! A container that is removed, stopped or paused from outside while it measures: one attempt fails, its run is tried
//! again in a new container, and both attempts are told. Where the campaign wants no retries, the run stays failed and
//! `--retry` mends it in the open.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, docker, text};
use crate::project::Project;
use crate::session::Session;

/// Runs three experiments and does `harm` to the container in the second one's window. Gives the run that it hit.
fn lose(project: &Project, harm: &[&str], retries: &str, exit: i32) -> String {
    let shared = "hidden_size: [32], batch_size: [1, 2, 3]";
    let execution = format!("cycles: 1, timeouts: {{measure_seconds: 30}}, {retries}");
    project.write(
        "campaigns/losses.yaml",
        // Long enough for a busy machine to do harm in it.
        &campaign_text("losses", shared, &execution, 4.0),
    );
    let mut session = Session::start(project, &["campaign", "up", "campaigns/losses.yaml"]);
    session.wait_event("attempt_ended");
    let files = Files::of(project, "losses");
    let container = files.container().unwrap();
    let lost = session.wait_phase("measure");
    let mut arguments = harm.to_vec();
    arguments.push(&container);
    docker(&arguments);
    let said = session.end();
    assert_eq!(said.code, Some(exit), "{said:#?}");
    assert_eq!(files.events_of("container_lost").len(), 1);
    let started = files.events_of("step_done").into_iter();
    let containers: BTreeSet<String> = started
        .filter_map(|step| Some(step["detail"]["container"].as_str()?.to_owned()))
        .collect();
    assert_eq!(containers.len(), 2, "a new container for the rest");
    files.assert_nothing_left();
    lost
}

/// Runs and codes in the order in which attempts ended.
fn ended(files: &Files<'_>) -> Vec<(String, String)> {
    let code = |event: &Value| {
        let verdict = &event["verdict"];
        let code = verdict["failed"]["cause"]["code"].as_str();
        (
            text(&event["run"]),
            code.or(verdict.as_str()).unwrap().to_owned(),
        )
    };
    files.events_of("attempt_ended").iter().map(code).collect()
}

fn retried(harm: &[&str]) {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let lost = lose(&project, harm, "", 0);
    let files = Files::of(&project, "losses");
    let verdicts = ended(&files);
    let codes: Vec<&str> = verdicts.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(
        codes,
        ["accepted", "container_lost", "accepted", "accepted"],
        "{verdicts:?}"
    );
    assert_eq!((&verdicts[1].0, &verdicts[2].0), (&lost, &lost), "at once");
    // Told wherever results are looked at.
    let manifest = files.manifest();
    assert_eq!(manifest["tries"]["attempts"], 4, "{}", manifest["tries"]);
    assert_eq!(manifest["tries"]["retried"], 1);
    let runs = manifest["runs"].as_array().unwrap();
    let run = runs.iter().find(|run| run["run"] == lost.as_str()).unwrap();
    let attempts = run["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "a retry hides nothing: {attempts:?}");
    let because = &attempts[1]["because"]["retried"]["reason"];
    assert_eq!(because["code"], "container_lost", "{attempts:?}");
    for command in [
        &["campaign", "why", &lost, "--campaign", "losses"][..],
        &["results", "list", "losses"],
        &["results", "show", &lost, "--campaign", "losses"],
    ] {
        let said = project.expect(0, command);
        assert!(said.stdout.contains("container_lost"), "{said:#?}");
        assert!(said.stdout.contains("attempt"), "{said:#?}");
    }
    project.expect(0, &["manifest", "verify", "losses"]);
}

#[test]
fn docker_container_removed_from_outside() {
    retried(&["rm", "--force"]);
}

#[test]
fn docker_container_paused_from_outside() {
    retried(&["pause"]);
}

#[test]
fn docker_container_killed_from_outside() {
    retried(&["kill"]);
}

#[test]
fn docker_container_stopped_from_outside_in_a_campaign_without_retries() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let lost = lose(&project, &["stop"], "retries: {max: 0}", 5);
    let files = Files::of(&project, "losses");
    let codes: Vec<String> = ended(&files).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["accepted", "container_lost", "accepted"]);
    let first = files.manifest();
    let sealed = text(&files.events_of("sealed")[0]["manifest_sha256"]);
    let said = project.expect(5, &["campaign", "resume", "losses"]);
    assert!(said.stdout.contains("--retry"), "{said:#?}");
    // A code that no run has is told with those that there are; nothing is written for it.
    let events = files.events().len();
    let unknown = [
        "campaign",
        "resume",
        "losses",
        "--retry",
        "failed=container_last",
    ];
    let said = project.expect(2, &unknown);
    assert!(
        said.stderr.contains("did you mean failed=container_lost")
            && said.stderr.contains("failed=container_lost (1)"),
        "{said:#?}"
    );
    let none = ["campaign", "resume", "losses", "--retry", "rejected"];
    let said = project.expect(5, &none);
    assert!(said.stderr.contains("no run is rejected"), "{said:#?}");
    assert_eq!(files.events().len(), events);
    let retry = [
        "campaign",
        "resume",
        "losses",
        "--retry",
        "failed=container_lost",
    ];
    project.expect(0, &retry);
    let second = files.manifest();
    assert_eq!(second["previous_manifest"], sealed.as_str());
    let runs = first["runs"].as_array().unwrap().iter();
    for (before, after) in runs.zip(second["runs"].as_array().unwrap()) {
        assert_eq!(after["verdict"], "accepted");
        if after["run"] == lost.as_str() {
            let attempts = after["attempts"].as_array().unwrap();
            assert_eq!(attempts.len(), 2, "a retry hides nothing: {attempts:?}");
            let code = &attempts[0]["verdict"]["failed"]["cause"]["code"];
            assert_eq!(code, "container_lost");
            assert_eq!(attempts[1]["because"], "reopened");
        } else {
            assert_eq!(before["result"], after["result"], "only what failed");
        }
    }
    assert_eq!(second["tries"]["reopened"], 1);
    project.expect(0, &["manifest", "verify", "losses"]);
    files.assert_nothing_left();
}
