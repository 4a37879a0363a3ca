//! Faults 15 and 16: no driver, other GPUs than were asked for, a GPU that is lost, and memory that does not come back.
//! The GPU is the simulator's (docs/simulator.md), all else is real. A missing library, an unknown UUID, a planted leak
//! and a stranger's process are in `tests/docker_energy/refusals.rs` and `leaks.rs`.

use serde_json::{Value, json};

use crate::campaign_files::{Files, docker, text};
use crate::guarantees::{self, hold};
use crate::lab::{Campaign, GPU, Lab, words};

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

/// The machine is well again: what failed, was skipped or rejected is measured.
fn mend(lab: &Lab, campaign: &Campaign, runs: usize, retry: &[&str]) {
    lab.machine(&json!({}));
    let arguments = lab.arguments(retry);
    guarantees::finishes_with(&lab.project, campaign.name, runs, &arguments);
}

#[test]
fn docker_a_gpu_that_is_lost_for_good_stops_what_needs_it() {
    let lost = json!({ "faults": { "lost": { "while_log_busy": 1 } } });
    let Some(lab) = Lab::new(&lost) else { return };
    let campaign = campaign("cycles: 4");
    let said = lab.up(4, &campaign);
    println!("{said:#?}");
    let files = Files::of(&lab.project, campaign.name);
    for event in files.events() {
        println!("{event}");
    }
    panic!();
}

#[test]
fn docker_memory_that_nobody_holds_and_that_does_not_come_back() {
    let kept = json!({ "faults": { "extra_memory": { "mib": 2000, "when": { "after_log": 1 } } } });
    let Some(lab) = Lab::new(&kept) else { return };
    let campaign = campaign("cycles: 3, force_cold_start: true");
    let said = lab.up(5, &campaign);
    println!("{said:#?}");
    let files = Files::of(&lab.project, campaign.name);
    for event in files.events() {
        println!("{event}");
    }
    panic!();
}

#[test]
fn docker_a_host_without_the_driver_and_a_worker_that_sees_other_gpus() {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    let campaign = campaign("cycles: 2");
    let env = std::fs::read_to_string(lab.project.root().join(".env")).unwrap();
    lab.project.write(
        ".env",
        &env.replace(GPU, "GPU-00000000-0000-0000-0000-00000000ffff"),
    );
    let said = lab.up(4, &campaign);
    println!("{said:#?}");
    panic!();
}
