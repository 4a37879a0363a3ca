//! Manifests of an earlier layout, and what a verification says can be done.

use serde_json::Value;

use crate::stage::{EIGHT, Stage};
use crate::{json, measured, text};

/// Version 1 had no `cycles` and no `measured_on`.
#[tokio::test(start_paused = true)]
async fn manifests_of_version_1_are_still_read() {
    let stage = measured().await;
    let path = stage.folders().manifests().join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["schema_version"] = 1.into();
    for experiment in manifest["experiments"].as_array_mut().unwrap() {
        let experiment = experiment.as_object_mut().unwrap();
        experiment.remove("cycles").unwrap();
        let figures =
            serde_json::json!({"output_tokens_per_second": {"n": 3, "mean": 5.25, "sd": 0.5}});
        experiment.insert("figures".to_owned(), figures);
    }
    for run in manifest["runs"].as_array_mut().unwrap() {
        run.as_object_mut().unwrap().remove("measured_on").unwrap();
    }
    std::fs::write(&path, manifest.to_string()).unwrap();
    let shown = text(&stage, 0, &["manifest", "show"]);
    assert!(
        shown.contains("5.2 ±0.5") && shown.contains("3/3"),
        "{shown}"
    );
    // A later one is told apart from a broken one.
    manifest["schema_version"] = 99.into();
    manifest["news"] = true.into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let said = text(&stage, 8, &["manifest", "verify"]);
    assert!(said.contains("use the lemctl that sealed it"), "{said}");
}

/// Each finding of a verification names what can be done about it, and nothing that cannot.
#[tokio::test(start_paused = true)]
async fn a_finding_names_its_own_fix() {
    let stage = measured().await;
    let fixes = |stage: &Stage| -> Vec<String> {
        let said = json(stage, 8, &["manifest", "verify"]);
        let findings = said["findings"].as_array().unwrap().iter();
        findings
            .map(|finding| finding["fix"].as_str().unwrap().to_owned())
            .collect()
    };
    let sums = stage.folders().manifests().join("SHA256SUMS");
    let list = std::fs::read(&sums).unwrap();
    std::fs::remove_file(&sums).unwrap();
    let found = fixes(&stage);
    assert!(
        found.len() == 1 && found[0].starts_with("have it written again: lemctl campaign resume"),
        "{found:?}"
    );
    std::fs::write(&sums, list).unwrap();
    // Reopened by hand, as `--retry` does: the seal is not the last event any more.
    let mut opened = lemctl::runner::reopen(stage.folders()).unwrap();
    let run = stage.state().plan().runs[0].id.clone();
    let event = lemctl::execution::Event::RunsReopened { runs: vec![run] };
    opened.record(&event, &*stage.worker.clock).unwrap();
    drop(opened);
    let found = fixes(&stage);
    assert!(
        found[0].starts_with("finish it, which seals it again: lemctl campaign resume"),
        "{found:?}"
    );
    let said = text(&stage, 8, &["manifest", "verify"]);
    assert!(!said.contains("restore the named files"), "{said}");
    // Never sealed: nothing was lost.
    let fresh = Stage::new(EIGHT);
    drop(fresh.create());
    let found = fixes(&fresh);
    assert!(
        found
            .iter()
            .all(|fix| fix.starts_with("the campaign is not sealed yet")),
        "{found:?}"
    );
}

/// A clone of a repository has manifests and no results: what is absent is said, what the manifest has is listed.
#[tokio::test(start_paused = true)]
async fn a_manifest_alone_is_listed_and_says_what_is_absent() {
    let stage = measured().await;
    let with = json(&stage, 0, &["results", "list", "staged"]);
    std::fs::remove_dir_all(stage.root().join("results")).unwrap();
    for wanted in [&[][..], &["staged"][..]] {
        let said = text(&stage, 0, &[&["results", "list"], wanted].concat());
        assert!(
            said.contains("12 runs: 10 accepted, 1 failed, 1 skipped"),
            "{said}"
        );
        assert!(
            said.contains("is absent, and with it 10 result files and the journal"),
            "{said}"
        );
        assert!(said.contains("FILE ABSENT"), "{said}");
    }
    let without = json(&stage, 0, &["results", "list", "staged"]);
    assert_eq!(without["best"], with["best"]);
    let runs = |view: &Value| -> Vec<Value> {
        let runs = view["runs"].as_array().unwrap().iter().cloned();
        runs.map(|mut run| {
            run["file"] = Value::Null;
            run["flags"] = Value::Null;
            run
        })
        .collect()
    };
    assert_eq!(runs(&without), runs(&with));
    let failed = json(&stage, 0, &["results", "list", "--verdict", "failed"]);
    assert_eq!(failed["runs"].as_array().unwrap().len(), 1);
    assert!(text(&stage, 0, &["manifest", "show"]).contains("12 runs: 10 accepted"));
    let said = text(&stage, 8, &["manifest", "verify"]);
    assert!(
        said.contains("no such folder: the results did not come along"),
        "{said}"
    );
}
