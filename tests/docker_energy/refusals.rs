//! Machines that cannot measure what the campaign asks: said before anything is written.

use serde_json::json;

use crate::lab::{Campaign, Lab};

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
