//! What an engine refuses or cannot do is a verdict with a code and a hint, and the campaign goes on.

use serde_json::Value;

use crate::campaign_files::{Files, text};
use crate::lab::{Campaign, Lab};

/// The only step that failed, and its cause.
fn failed(files: &Files<'_>) -> (String, Value) {
    let failures = files.events_of("step_failed");
    assert_eq!(failures.len(), 1, "tried once: {failures:#?}");
    (text(&failures[0]["step"]), failures[0]["cause"].clone())
}

#[test]
fn docker_what_the_image_lacks_fails_its_own_experiment_only() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "lacking",
        // Before the one that works: what comes after a failure is seen.
        shared: "attn_implementation: [flash_attention_2, eager]",
        ..Campaign::default()
    };
    let results = lab.up(5, &campaign);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["verdict"], "accepted");
    assert_eq!(results[0]["effective"]["attn_implementation"], "eager");
    let files = Files::of(&lab.project, "lacking");
    let (_, cause) = failed(&files);
    assert_eq!(
        (&cause["code"], &cause["blame"]),
        (&"unsupported".into(), &"config".into()),
        "{cause:#}"
    );
    assert!(
        text(&cause["message"]).contains("attn_implementation"),
        "{cause:#}"
    );
    lab.project.expect(0, &["manifest", "verify", "lacking"]);
    files.assert_nothing_left();
}

/// Runs a campaign on a model that cannot be loaded; the code of why.
fn refused(name: &'static str, model: &'static str, config: &str) -> Option<Value> {
    let lab = Lab::new()?;
    lab.write_model("odd", config);
    let campaign = Campaign {
        name,
        model,
        ..Campaign::default()
    };
    assert_eq!(lab.up(5, &campaign), Vec::<Value>::new());
    let files = Files::of(&lab.project, name);
    let (step, cause) = failed(&files);
    assert_eq!(step, "load-engine:0", "{cause:#}");
    assert_eq!(cause["blame"], "config", "{cause:#}");
    lab.project.expect(0, &["manifest", "verify", name]);
    files.assert_nothing_left();
    Some(cause)
}

#[test]
fn docker_a_model_beyond_memory_is_out_of_memory() {
    // 262 TB of embeddings: no machine tries.
    let config = r#"{"model_type": "llama", "hidden_size": 65536, "num_hidden_layers": 1, "num_attention_heads": 64,
        "intermediate_size": 64, "vocab_size": 1000000000, "max_position_embeddings": 128, "dtype": "float32"}"#;
    let Some(cause) = refused("oom", "dummy: {config: models/odd.json}", config) else {
        return;
    };
    assert_eq!(cause["code"], "out_of_memory", "{cause:#}");
    assert!(
        cause["hint"].is_string() || text(&cause["message"]).contains('('),
        "{cause:#}"
    );
}

#[test]
fn docker_a_type_of_number_that_torch_does_not_have_is_a_bad_dtype() {
    let config = r#"{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
        "intermediate_size": 64, "vocab_size": 300, "max_position_embeddings": 128, "dtype": "float12"}"#;
    let Some(cause) = refused("dtype", "dummy: {config: models/odd.json}", config) else {
        return;
    };
    assert_eq!(cause["code"], "bad_dtype", "{cause:#}");
}

#[test]
fn docker_a_model_that_transformers_does_not_know_is_unavailable() {
    let config = r#"{"model_type": "of-next-year", "hidden_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 4, "vocab_size": 300, "max_position_embeddings": 128}"#;
    let Some(cause) = refused("unknown", "dummy: {config: models/odd.json}", config) else {
        return;
    };
    assert_eq!(cause["code"], "model_unavailable", "{cause:#}");
}
