//! A harness's scores, attached to an experiment of a sealed campaign: kept by hash, named by the next seal.

use crate::{json, measured, text};

#[tokio::test(start_paused = true)]
async fn scores_are_attached_sealed_again_and_shown() {
    let stage = measured().await;
    let id = stage.state().plan().experiments[0].id.clone();
    let file = stage.root().join("scores.json");
    let scores = r#"{"results": {"arc_easy": {"acc,none": 0.625, "alias": "arc_easy"}}}"#;
    std::fs::write(&file, scores).unwrap();
    let attach = |experiment: &str, code| {
        let arguments = [
            "results",
            "attach-scores",
            "staged",
            experiment,
            "scores.json",
        ];
        text(&stage, code, &arguments)
    };
    let before = stage.state().sealed().unwrap();
    let said = attach("nobody", 2);
    assert!(said.contains("nobody"), "{said}");
    assert_eq!(stage.state().sealed(), Some(before), "nothing was touched");

    let said = attach(&id, 0);
    assert!(
        said.contains("scores of 1 tasks") && said.contains("sealed again"),
        "{said}"
    );
    let state = stage.state();
    assert!(state.sealed().is_some_and(|seal| seal != before));
    assert_eq!(state.previous_seal(), Some(before));
    let verified = json(&stage, 0, &["manifest", "verify"]);
    assert_eq!(verified["findings"].as_array().unwrap().len(), 0);
    let shown = text(&stage, 0, &["results", "show", &id]);
    assert!(shown.contains("score arc_easy: acc,none 0.625"), "{shown}");

    let said = attach(&id, 0);
    assert!(said.contains("attached already"), "{said}");
    assert_eq!(stage.state().sealed(), state.sealed());

    // The kept copy is part of the seal.
    let kept = stage.folders().inputs().join(
        state.scores(&state.plan().experiments[0].hash)[0]
            .sha256
            .to_string(),
    );
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), scores);
    std::fs::write(&kept, "{}").unwrap();
    json(&stage, 8, &["manifest", "verify"]);

    std::fs::write(&file, "{}").unwrap();
    let said = attach(&id, 2);
    assert!(said.contains("no `results`"), "{said}");
}
