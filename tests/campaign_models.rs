//! Models in campaign files: who can load what, what rules know of it, and what prompts are drawn for it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/campaigns.rs"]
mod support;

use lem_protocol::{Model, Weights, WorkloadFile};
use support::{load_text, try_load};

const SYNTHETIC: &str = "workload: {synthetic: {input_tokens: 400, output_tokens: 8, prompts: 8}}";

fn file(model: &str, workload: &str, grid: &str) -> String {
    format!("campaign_name: a\nmodel: {{{model}}}\n{workload}\ngrid: {grid}\n")
}

fn refused(model: &str, workload: &str, grid: &str) -> String {
    try_load(&file(model, workload, grid))
        .unwrap_err()
        .to_string()
}

#[test]
fn ids_are_drawn_for_the_models_vocabulary_and_none_of_them_is_special() {
    let text = file("dummy: {config: a.json}", SYNTHETIC, "{backends: [widget]}");
    let campaign = load_text(&text);
    assert_eq!(campaign.model.vocab_size(), Some(1000));
    assert_eq!(campaign.model.weights(), Weights::Dummy);
    let expansion = campaign.expand();
    let content = &expansion.experiments[0].workload.content;
    let file: WorkloadFile = serde_json::from_slice(&content.bytes).unwrap();
    let ids = || file.prompts.iter().flat_map(|prompt| &prompt.input_ids);
    assert_eq!(file.vocab_size, 1000);
    // End of text is 990.
    assert!(ids().all(|id| (3..990).contains(id)));
    assert!(ids().any(|id| *id > 950));
}

#[test]
fn rules_read_facts_of_the_model_and_of_the_workload() {
    let rules = |model: &str, grid: &str| -> Vec<String> {
        let campaign = load_text(&file(model, SYNTHETIC, grid));
        let pruned = campaign.expand().pruned;
        pruned
            .iter()
            .map(|point| campaign.describe(point).rule)
            .collect()
    };
    let parallel = "{backends: [widget], shared: {parallel: [1, 2, 3, 4]}}";
    assert_eq!(rules("dummy: {config: a.json}", parallel), ["heads-divide"]);
    assert!(rules("dummy: {config: b.json}", parallel).is_empty());
    // Nothing is known of a repository before it is fetched.
    assert!(rules("hub: {id: org/m, vocab_size: 1000}", parallel).is_empty());
    let draft = "{backends: [widget], shared: {draft: [false, true]}}";
    assert_eq!(
        rules("dummy: {config: a.json}", draft),
        ["draft-needs-text"]
    );
    let quantised = "{backends: [widget], shared: {load_quantised: [false, true]}}";
    assert_eq!(
        rules("dummy: {config: a.json}", quantised),
        ["no-quantised-dummies"]
    );
    assert!(rules("random: {seed: 1, config: a.json}", quantised).is_empty());
}

#[test]
fn a_moved_folder_is_the_same_model() {
    let load = |model: &str| load_text(&file(model, SYNTHETIC, "{backends: [widget]}"));
    let (here, there) = (
        load("local: {path: m, name: x}"),
        load("local: {path: n, name: x}"),
    );
    let hash = |campaign: &lemctl::campaign::Campaign| campaign.expand().experiments[0].hash;
    assert_eq!(hash(&here), hash(&there));
    assert_eq!(here.model.local_path.as_deref(), Some("m"));
    let Model::Local { name, weights, .. } = load("local: {path: m}").model.model else {
        panic!("a folder");
    };
    assert_eq!((name.as_str(), weights), ("m", Weights::Real));
}

#[test]
fn a_revision_that_can_move_is_told_apart() {
    let moving = |revision: &str| {
        let model = format!("hub: {{id: org/m, vocab_size: 99{revision}}}");
        let campaign = load_text(&file(&model, SYNTHETIC, "{backends: [widget]}"));
        campaign.model.moving_revision().map(str::to_owned)
    };
    assert_eq!(moving("").as_deref(), Some("main"));
    assert_eq!(
        moving(", revision: 0123456789abcdef0123456789abcdef01234567"),
        None
    );
}

#[test]
fn a_backend_that_cannot_load_the_model_is_named() {
    for (model, backend, words) in [
        (
            "dummy: {config: a.json}",
            "reference",
            "`reference` loads no model",
        ),
        (
            "random: {seed: 1, config: a.json}",
            "gadget",
            "`gadget` loads no model",
        ),
        ("random: {seed: 1}", "widget", "`widget` needs a model"),
        ("hub: {id: org/m}", "widget", "not known"),
    ] {
        let report = refused(model, SYNTHETIC, &format!("{{backends: [{backend}]}}"));
        assert!(
            report.contains(words) && report.contains("has 1 problem"),
            "{report}"
        );
    }
}

#[test]
fn the_ids_of_a_file_must_be_the_models() {
    let workload = "workload: {jsonl: {file: a.jsonl, output_tokens: 4}}";
    let grid = "{backends: [widget]}";
    let report = refused("hub: {id: org/m, vocab_size: 16}\n#", workload, grid);
    assert!(!report.is_empty());
    let campaign = load_text(&file("hub: {id: org/m}", workload, grid));
    let content = &campaign.expand().experiments[0].workload.content;
    let file: WorkloadFile = serde_json::from_slice(&content.bytes).unwrap();
    // The largest id of the file is 9.
    assert_eq!(file.vocab_size, 10);
}
