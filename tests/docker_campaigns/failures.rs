//! Failures as data: a config that cannot work, or a window that never ends, costs its own runs only.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, processes_of, text};
use crate::project::Project;
use crate::session::Session;

/// Verdicts in the manifest, by hidden size and cycle: a word, or the code of a cause.
fn verdicts(files: &Files<'_>) -> BTreeMap<(u64, u64), String> {
    let manifest = files.manifest();
    let experiments = manifest["experiments"].as_array().unwrap();
    let of = |run: &Value| {
        let found = experiments
            .iter()
            .find(|experiment| experiment["id"] == run["experiment"]);
        let size = found.unwrap()["config"]["engine"]["hidden_size"]
            .as_u64()
            .unwrap();
        let verdict = &run["verdict"];
        let code = ["failed", "skipped"].iter().find_map(|word| {
            let code = verdict[word]["cause"]["code"].as_str()?;
            Some(format!("{word} {code}"))
        });
        let word = code.unwrap_or_else(|| text(verdict));
        ((size, run["cycle"].as_u64().unwrap()), word)
    };
    manifest["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(of)
        .collect()
}

#[test]
fn docker_a_model_beyond_memory_is_tried_once() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let shared = "hidden_size: [32, 65536], batch_size: [1]";
    let file = campaign_text("oom", shared, "cycles: 3", 0.2);
    // Fits the catalogue's ranges and rules, and no machine.
    project.write(
        "campaigns/oom.yaml",
        &file.replace("num_layers: [1]", "num_layers: [1024]"),
    );
    let said = project.expect(5, &["campaign", "up", "campaigns/oom.yaml"]);
    let files = Files::of(&project, "oom");
    let verdicts = verdicts(&files);
    for cycle in 1..=3 {
        assert_eq!(verdicts[&(32, cycle)], "accepted", "{verdicts:?}");
    }
    for cycle in 1..=3 {
        assert_eq!(
            verdicts[&(65536, cycle)],
            "skipped same_as:load-engine:1",
            "{verdicts:?}"
        );
    }
    let failures: Vec<_> = files.events_of("step_failed");
    assert_eq!(failures.len(), 1, "tried once: {failures:?}");
    assert_eq!(failures[0]["step"], "load-engine:1");
    assert_eq!(failures[0]["cause"]["blame"], "config");
    assert_eq!(failures[0]["cause"]["code"], "out_of_memory");
    assert!(said.stderr.contains("out_of_memory"), "{said:#?}");
    project.expect(0, &["manifest", "verify", "oom"]);
    // Every run of the refused load is found by the code that it goes back to, and comes to the same end.
    let code = "failed=out_of_memory";
    project.expect(5, &["campaign", "resume", "oom", "--retry", code]);
    let reopened = files.events_of("runs_reopened");
    assert_eq!(reopened[0]["runs"].as_array().unwrap().len(), 3);
    let manifest = files.manifest();
    let skipped = manifest["runs"].as_array().unwrap().iter();
    let origins: Vec<&Value> = skipped
        .filter_map(|run| run["verdict"].get("skipped"))
        .map(|skipped| &skipped["cause"]["origin"])
        .collect();
    assert_eq!(origins, ["out_of_memory"; 3]);
    // A retry that cannot run leaves the seal as it is.
    let said = project.without_engine(&["campaign", "resume", "oom", "--retry", "failed"]);
    assert_eq!(said.code, Some(4), "{said:#?}");
    project.expect(0, &["manifest", "verify", "oom"]);
    files.assert_nothing_left();
}

#[test]
fn docker_a_window_that_takes_too_long_is_ended_with_its_processes() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let shared = "hidden_size: [1024, 32], batch_size: [1]";
    let execution = "cycles: 1, timeouts: {measure_seconds: 1}";
    let file = campaign_text("slow", shared, execution, 0.2)
        .replace("intermediate_size: [64]", "intermediate_size: [4096]")
        .replace("num_layers: [1]", "num_layers: [4]")
        .replace("output_tokens: 8", "output_tokens: 128")
        .replace("min_requests: 2", "min_requests: 8")
        .replace(
            "warmup: {max_seconds: 1, min_iterations: 2, throughput_cv: 1}",
            "warmup: {enabled: false}",
        );
    project.write("campaigns/slow.yaml", &file);
    let mut session = Session::start(&project, &["campaign", "up", "campaigns/slow.yaml"]);
    session.wait_phase("measure");
    let files = Files::of(&project, "slow");
    let container = files.container().unwrap();
    let before = processes_of(&container);
    session.wait_phase("measure");
    let after = processes_of(&container);
    let agent = before.iter().min().unwrap();
    let common: Vec<_> = before.iter().filter(|pid| after.contains(pid)).collect();
    assert_eq!(common, [agent], "only PID 1 outlives the window");
    let said = session.end();
    assert_eq!(said.code, Some(5), "{said:#?}");
    let want = [((32, 1), "accepted"), ((1024, 1), "failed timed_out")];
    assert_eq!(
        verdicts(&files),
        want.map(|(key, word)| (key, word.to_owned())).into()
    );
    assert_eq!(files.events_of("worker_lost").len(), 1);
    files.assert_nothing_left();
}

#[test]
fn docker_a_worker_that_is_killed_fails_its_run_only() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    let shared = "hidden_size: [32], batch_size: [1, 2]";
    project.write(
        "campaigns/killed.yaml",
        &campaign_text("killed", shared, "cycles: 1", 1.0),
    );
    let mut session = Session::start(&project, &["campaign", "up", "campaigns/killed.yaml"]);
    session.wait_phase("measure");
    let files = Files::of(&project, "killed");
    let container = files.container().unwrap();
    let pids = processes_of(&container);
    // Pids grow: the worker came last.
    let worker = pids.iter().max().unwrap().to_string();
    let status = std::process::Command::new("kill")
        .args(["-s", "KILL", &worker])
        .status();
    assert!(status.unwrap().success());
    let said = session.end();
    assert_eq!(said.code, Some(5), "{said:#?}");
    let causes: Vec<_> = files
        .events_of("attempt_ended")
        .into_iter()
        .map(|mut event| event["verdict"].take())
        .collect();
    assert_eq!(
        causes[0]["failed"]["cause"]["code"], "worker_gone",
        "{causes:?}"
    );
    assert!(
        text(&causes[0]["failed"]["cause"]["message"]).contains("SIGKILL"),
        "{causes:?}"
    );
    assert_eq!(causes[1], "accepted");
    assert_eq!(files.container(), None);
    files.assert_nothing_left();
}
