//! From a campaign file to a sealed manifest, on a real transformers model.

use serde_json::{Value, json};

use crate::campaign_files::Files;
use crate::lab::{Campaign, Lab, loads, record_of};
use crate::project;

/// Sums of the numbers under `key` over a record's finished requests.
fn sum(record: &Value, key: &str) -> u64 {
    let requests = record["requests"].as_array().unwrap();
    requests
        .iter()
        .map(|request| request[key].as_u64().unwrap())
        .sum()
}

#[test]
fn docker_a_campaign_on_a_real_engine_loads_once_for_one_engine_key() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "batches",
        shared: "batch_size: [1, 4], cache_implementation: [null, static]",
        execution: "cycles: 2",
        ..Campaign::default()
    };
    let results = lab.up(0, &campaign);
    assert_eq!(results.len(), 8);
    let files = Files::of(&lab.project, "batches");
    // Four experiments, twice each: request level only, so the engine stays.
    assert_eq!(loads(&files), ["load-engine:0"]);
    for result in &results {
        assert_eq!(result["verdict"], "accepted", "{result:#}");
        assert_eq!(result["backend_version"], "5.17.0");
        assert_eq!(
            (&result["device"], &result["weights"]),
            (&json!("cpu"), &json!("dummy"))
        );
        assert!(
            result["packages"]["torch"].is_string(),
            "{}",
            result["packages"]
        );
        let effective = &result["effective"];
        assert_eq!(effective["dtype"], "float32");
        assert_eq!(effective["attn_implementation"], "sdpa");
        let asked = &result["config"]["request"]["cache_implementation"];
        let expected = if asked.is_null() { "dynamic" } else { "static" };
        assert_eq!(effective["cache_implementation"], expected);
        assert_eq!(
            result["model_parameters"],
            2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96 + 2 * 64) + 64 + 2 * 300 * 64
        );
        let record = project::json(record_of(&files, result));
        assert_eq!(record["token_timing"], "measured");
        let requests = record["requests"].as_array().unwrap();
        let batch = result["config"]["request"]["batch_size"].as_u64().unwrap();
        assert_eq!(requests.len() as u64 % batch, 0, "whole batches only");
        assert_eq!(sum(&record, "output_tokens"), 6 * requests.len() as u64);
        assert_eq!(sum(&record, "input_tokens"), 8 * requests.len() as u64);
    }
    lab.project.expect(0, &["manifest", "verify", "batches"]);
    files.assert_nothing_left();
}

#[test]
fn docker_a_closed_loop_on_a_static_batcher_keeps_its_concurrency() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "loop",
        arrival: "{closed_loop: {concurrency: 5}}",
        shared: "batch_size: [2], do_sample: [true], temperature: [0.8], top_k: [40]",
        ..Campaign::default()
    };
    let results = lab.up(0, &campaign);
    assert_eq!(results.len(), 1);
    let files = Files::of(&lab.project, "loop");
    let record = project::json(record_of(&files, &results[0]));
    // Both rows of the last batch ended at one moment. What had not finished then is told, so that no token is lost.
    assert_eq!(record["unfinished"].as_array().unwrap().len(), 3);
    assert_eq!(
        (
            &record["effective"]["do_sample"],
            &record["effective"]["top_k"]
        ),
        (&json!(true), &json!(40))
    );
    lab.project.expect(0, &["manifest", "verify", "loop"]);
    files.assert_nothing_left();
}

#[test]
fn docker_an_open_loop_on_a_real_engine_keeps_to_its_schedule() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "open",
        arrival: "{open_loop: {rate: 5, process: constant, drain_seconds: 60}}",
        shared: "batch_size: [4]",
        ..Campaign::default()
    };
    // That the record passed is the test: lemctl holds it against the schedule.
    let results = lab.up(0, &campaign);
    let open = &results[0]["figures"]["open_loop"];
    let files = Files::of(&lab.project, "open");
    let record = project::json(record_of(&files, &results[0]));
    let requests = record["requests"].as_array().unwrap();
    assert_eq!(open["scheduled"].as_u64(), Some(requests.len() as u64));
    assert_eq!(open["unfinished"], 0);
    assert!(requests.iter().all(|one| one["due_ns"].is_u64()));
    assert!(
        results[0]["flops"]["formula"]
            .as_str()
            .unwrap()
            .contains("context")
    );
    files.assert_nothing_left();
}

#[test]
fn docker_another_engine_key_is_another_load() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "keys",
        model: "random: {seed: 3, config: models/tiny.json}",
        shared: "dtype: [float32, bfloat16], batch_size: [1, 2]",
        ..Campaign::default()
    };
    let results = lab.up(0, &campaign);
    let files = Files::of(&lab.project, "keys");
    assert_eq!(loads(&files), ["load-engine:0", "load-engine:1"]);
    assert!(results.iter().all(|result| result["weights"] == "random"));
    let dtypes: Vec<_> = results
        .iter()
        .map(|result| result["effective"]["dtype"].as_str().unwrap())
        .collect();
    assert_eq!(dtypes, ["float32", "float32", "bfloat16", "bfloat16"]);
    files.assert_nothing_left();
}

#[test]
fn docker_a_profile_counts_what_the_estimate_estimates() {
    let Some(lab) = Lab::new() else { return };
    let campaign = Campaign {
        name: "profiled",
        execution: "cycles: 1, profile: torch",
        ..Campaign::default()
    };
    let results = lab.up(0, &campaign);
    let (profile, estimate) = (&results[0]["profile"], &results[0]["flops"]["flops"]);
    let counted = profile["flops"].as_f64().unwrap();
    // The estimate has the embeddings of every token and the logits of every place: more than half again for a model
    // this small, and next to nothing for a large one.
    let ratio = estimate.as_f64().unwrap() / counted;
    assert!(
        (1.0..2.0).contains(&ratio),
        "{ratio}: {profile}, {estimate}"
    );
    let nanoseconds = |key: &str| profile[key].as_u64().unwrap();
    let phases = nanoseconds("prefill_ns") + nanoseconds("decode_ns");
    assert!(nanoseconds("prefill_ns") > 0 && nanoseconds("decode_ns") > 0);
    assert!(
        (1..=phases).contains(&nanoseconds("device_busy_ns")),
        "{profile}"
    );
    let seconds = results[0]["figures"]["seconds"].as_f64().unwrap();
    assert!(phases as f64 / 1e9 <= seconds, "{profile}: {seconds} s");
    Files::of(&lab.project, "profiled").assert_nothing_left();
}
