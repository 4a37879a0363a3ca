//! Machines that cannot measure what the campaign asks: said before anything is written.

use serde_json::json;

use crate::lab::{Campaign, Lab, words};

#[test]
fn docker_a_missing_library_and_an_unknown_gpu_are_named_with_their_fix() {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    lab.write(&Campaign::default());
    let up = ["campaign", "up", "campaigns/lab.yaml", "--nvml-library"];
    let said = lab
        .project
        .expect(4, &[&up[..], &["nowhere/libnvidia-ml.so"]].concat());
    assert!(
        said.stderr.contains("nowhere/libnvidia-ml.so") && said.stderr.contains("--nvml-library"),
        "{said:#?}"
    );
    lab.machine(&json!({ "uuid": "GPU-00000000-0000-0000-0000-00000000abcd" }));
    let said = lab.up(4, &Campaign::default());
    assert!(
        said.stderr.contains("00000000abcd") && said.stderr.contains("lemctl gpu list"),
        "{said:#?}"
    );
    assert!(!lab.project.root().join("results/lab").exists());
}

#[test]
fn docker_a_gpu_that_is_lost_rejects_its_run() {
    let Some(lab) = Lab::new(&json!({ "faults": { "lost": { "while_log_busy": 1 } } })) else {
        return;
    };
    let campaign = Campaign {
        baseline: "off",
        ..Campaign::default()
    };
    let said = lab.up(6, &campaign);
    let results = lab.results(&campaign);
    let reasons = results[0]["verdict"]["rejected"]["reasons"]
        .as_array()
        .unwrap_or_else(|| panic!("{said:#?} {:#}", results[0]));
    assert!(
        reasons.iter().any(|reason| reason["code"] == "gpu_lost"),
        "{reasons:?}"
    );
    assert!(words(&results[0]["flags"]).contains(&"energy_missing"));
}
