//! Faults 15 and 16: no driver, other GPUs than were asked for, a GPU that is lost, and memory that does not come back.
//! The GPU is the simulator's (docs/simulator.md), all else is real. A missing library, an unknown UUID, a planted leak
//! and a stranger's process are in `tests/docker_energy/refusals.rs` and `leaks.rs`.

use serde_json::json;

use crate::campaign_files::{Files, docker, text};
use crate::guarantees::{self, hold};
use crate::lab::{Campaign, GPU, Lab};

/// `baseline: off` and short windows: what is measured does not matter here.
fn campaign(execution: &'static str) -> Campaign {
    Campaign {
        execution,
        baseline: "off",
        seconds: 0.3,
        rest: "leaks: {tolerance_mib: 64, deadline_seconds: 1}",
        ..Campaign::default()
    }
}

/// The machine is well again, and all runs come to be accepted.
fn finishes(lab: &Lab, campaign: &Campaign, runs: usize, retry: &[&str]) {
    lab.machine(&json!({}));
    let arguments = lab.arguments(retry);
    guarantees::finishes_with(&lab.project, campaign.name, runs, &arguments);
}

#[test]
fn docker_a_gpu_that_is_lost_stops_the_campaign_until_it_is_back() {
    let Some(lab) = Lab::new(&json!({ "faults": { "lost": { "after_log": 1 } } })) else {
        return;
    };
    let campaign = campaign("cycles: 3, force_cold_start: true");
    let said = lab.up(4, &campaign);
    let files = Files::of(&lab.project, campaign.name);
    hold(&files);
    guarantees::names(&said, &["gpu_lost"], &["gpu-reset"]);
    assert_eq!(files.accepted().len(), 1, "{said:#?}");
    assert_eq!(files.events_of("breaker_opened").len(), 1);
    files.assert_nothing_left();
    // Still lost: said, and nothing is measured.
    lab.machine(&json!({ "faults": { "lost": { "from_s": 0 } } }));
    let said = lab
        .project
        .run(&lab.arguments(&["campaign", "resume", campaign.name]));
    assert_eq!(said.code, Some(4), "{said:#?}");
    guarantees::names(
        &said,
        &["cannot be read", "gpu_lost"],
        &["gpu-reset", "fix:"],
    );
    assert_eq!(lab.results(&campaign).len(), 1, "{said:#?}");
    files.assert_nothing_left();
    finishes(&lab, &campaign, 3, &["--retry", "failed"]);
}

#[test]
fn docker_memory_that_nobody_holds_and_that_does_not_come_back_keeps_the_rest_from_measuring() {
    let kept =
        json!({ "faults": { "extra_memory": [{ "mib": 2000, "when": { "after_log": 1 } }] } });
    let Some(lab) = Lab::new(&kept) else { return };
    let campaign = campaign("cycles: 3, force_cold_start: true");
    let said = lab.up(5, &campaign);
    let files = Files::of(&lab.project, campaign.name);
    hold(&files);
    // Found when the first worker had ended; its container is made anew, which does not help.
    assert_eq!(files.accepted().len(), 1, "{said:#?}");
    let lost = files.events_of("container_lost");
    assert!(
        text(&lost[0]["reason"]).contains("gpu_memory_leaked"),
        "{lost:?}"
    );
    let failed = files.events_of("step_failed");
    let cause = &failed.last().unwrap()["cause"];
    assert_eq!(
        (&cause["code"], &cause["blame"]),
        (&json!("gpu_memory_left"), &json!("environment"))
    );
    assert!(text(&cause["message"]).contains(GPU), "{cause:#}");
    guarantees::names(&said, &["gpu_memory_left"], &["GPU reset"]);
    let skipped = files.events_of("run_skipped");
    assert_eq!(
        skipped.len(),
        2,
        "nothing is measured beside it: {skipped:?}"
    );
    files.assert_nothing_left();
    finishes(&lab, &campaign, 3, &["--retry", "failed"]);
}

#[test]
fn docker_a_worker_that_sees_other_gpus_and_an_engine_without_the_driver_measure_nothing() {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    let campaign = campaign("cycles: 2");
    let env = std::fs::read_to_string(lab.project.root().join(".env")).unwrap();
    let other = "GPU-00000000-0000-0000-0000-00000000ffff";
    lab.project.write(".env", &env.replace(GPU, other));
    let said = lab.up(4, &campaign);
    let files = Files::of(&lab.project, campaign.name);
    hold(&files);
    guarantees::names(&said, &["worker_is_another"], &["Compose file"]);
    assert!(
        said.stderr.contains(other) && said.stderr.contains(GPU),
        "{said:#?}"
    );
    assert_eq!(files.events_of("attempt_started").len(), 0);
    files.assert_nothing_left();
    lab.project.write(".env", &env);
    let runtimes = docker(&["info", "--format", "{{json .Runtimes}}"]);
    if runtimes.contains("nvidia") {
        eprintln!("SKIPPED: this Engine has the NVIDIA runtime. That it lacks it was not tested.");
    } else {
        without_driver(&lab, &files);
    }
    finishes(&lab, &campaign, 2, &["--retry", "failed"]);
}

/// The Engine creates such a container, and refuses to start it.
fn without_driver(lab: &Lab, files: &Files<'_>) {
    let path = lab.project.root().join("compose/reference.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let reserved = format!(
        "{text}    deploy:\n      resources:\n        reservations:\n          devices:\n            \
         - {{driver: nvidia, count: all, capabilities: [gpu]}}\n"
    );
    lab.project.write("compose/reference.yaml", &reserved);
    let said = lab
        .project
        .run(&lab.arguments(&["campaign", "resume", &files.name]));
    hold(files);
    assert!(matches!(said.code, Some(4 | 5)), "{said:#?}");
    guarantees::names(
        &said,
        &["could not select device driver"],
        &["nvidia-ctk", "LEM_COMPOSE_VARIANT"],
    );
    assert_eq!(files.events_of("attempt_started").len(), 0);
    files.assert_nothing_left();
    lab.project.write("compose/reference.yaml", &text);
}

#[test]
fn docker_pids_that_say_nothing_are_named() {
    // The driver of another namespace lists what it cannot name as 0; 1 is the host's init.
    let listed = |pid: u32| json!({ "pid": pid, "mib": 700, "when": {} });
    for pid in [0, 1] {
        let machine = json!({ "faults": { "processes": [listed(pid)] } });
        let Some(lab) = Lab::new(&machine) else {
            return;
        };
        let said = lab.up(4, &campaign("cycles: 1"));
        guarantees::names(&said, &["foreign_process"], &["wait for it or end it"]);
        assert!(said.stderr.contains(&format!("pid {pid}")), "{said:#?}");
        let files = Files::of(&lab.project, "lab");
        assert_eq!(files.events_of("attempt_started").len(), 0);
        files.assert_nothing_left();
    }
}
