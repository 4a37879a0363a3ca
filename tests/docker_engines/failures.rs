//! What an engine refuses or cannot do is a verdict with a code and a hint, and the campaign goes on.

use serde_json::Value;

use crate::campaign_files::{Files, processes_of, text};
use crate::lab::{Campaign, Lab, loads};
use crate::session::Session;

/// The only step that failed, and its cause.
fn failed(files: &Files<'_>) -> (String, Value) {
    let failures = files.events_of("step_failed");
    assert_eq!(failures.len(), 1, "tried once: {failures:#?}");
    (text(&failures[0]["step"]), failures[0]["cause"].clone())
}

#[test]
fn docker_what_the_machine_lacks_fails_its_own_experiment_only() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "lacking",
        // Before the one that works: what comes after a failure is seen.
        shared: "tf32: [true, false]",
        ..Campaign::default()
    };
    let results = lab.up(5, &campaign);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["verdict"], "accepted");
    assert_eq!(results[0]["effective"]["tf32"], false);
    let files = Files::of(&lab.project, "lacking");
    let (_, cause) = failed(&files);
    assert_eq!(
        (&cause["code"], &cause["blame"]),
        (&"unsupported".into(), &"config".into()),
        "{cause:#}"
    );
    assert!(text(&cause["message"]).contains("tf32"), "{cause:#}");
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
    // A petabyte of embeddings: beyond every process's addresses, however generous the kernel is.
    let config = r#"{"model_type": "llama", "hidden_size": 16777216, "num_hidden_layers": 1, "num_attention_heads": 64,
        "intermediate_size": 64, "vocab_size": 16777216, "max_position_embeddings": 128, "dtype": "float32"}"#;
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

#[test]
fn docker_an_engine_that_dies_in_a_window_costs_that_run_only() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "died",
        shared: "batch_size: [1, 2]",
        ..Campaign::default()
    };
    let file = lab.write(&campaign);
    let mut session = Session::start(&lab.project, &["campaign", "up", &file]);
    session.wait_phase("measure");
    let files = Files::of(&lab.project, "died");
    // Pids grow: the engine's process came last.
    let pids = processes_of(&files.container().unwrap());
    let engine = pids.iter().max().unwrap().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-s", "KILL", &engine])
        .status();
    assert!(killed.unwrap().success());
    let said = session.end();
    assert_eq!(said.code, Some(5), "{said:#?}");
    let verdicts: Vec<_> = files
        .events_of("attempt_ended")
        .into_iter()
        .map(|mut event| event["verdict"].take())
        .collect();
    assert_eq!(
        verdicts[0]["failed"]["cause"]["code"], "worker_gone",
        "{verdicts:?}"
    );
    assert_eq!(verdicts[1], "accepted");
    assert_eq!(loads(&files).len(), 2, "the next run has a new engine");
    files.assert_nothing_left();
}
