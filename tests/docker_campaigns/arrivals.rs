//! Open loops through the real program on the real reference worker: what can be served is kept up with, what
//! cannot is told.

use serde_json::Value;

use crate::campaign_files::{Files, text};
use crate::project::{Project, json};

/// One request takes some milliseconds; in two seconds of the higher rate more arrive than fit a batch at any speed.
const CAMPAIGN: &str = "campaign_name: arrivals
model: {random: {seed: 7}}
workload:
  synthetic: {input_tokens: 8, output_tokens: 32, seed: 1, prompts: 4}
  arrival: {open_loop: {process: constant, drain_seconds: 1}}
  measure: {min_seconds: 2, min_requests: 2}
grid:
  backends: [reference]
  shared: {workload.rate: [4, 5000], batch_size: 1, hidden_size: 64, num_heads: 4, intermediate_size: 64, num_layers: 1, vocab_size: 512}
execution: {cycles: 1, config_gap_seconds: 0, cycle_gap_seconds: 0}
warmup: {max_seconds: 1, min_iterations: 2, throughput_cv: 1}
baseline: off
slo: {ttft_p99_ms: 60000}
";

/// The result of the first run of an experiment whose id holds `part`.
fn result(files: &Files<'_>, part: &str) -> Value {
    let manifest = files.manifest();
    let runs = manifest["runs"].as_array().unwrap();
    let run = runs.iter().find(|run| text(&run["run"]).contains(part));
    let path = text(&run.unwrap()["attempts"][0]["result"]["path"]);
    json(files.results().join(path))
}

#[test]
fn docker_a_rate_that_cannot_be_served_saturates_and_one_that_can_does_not() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    project.write("campaigns/arrivals.yaml", CAMPAIGN);
    project.expect(0, &["campaign", "up", "campaigns/arrivals.yaml"]);
    let files = Files::of(&project, "arrivals");
    let (slow, fast) = (result(&files, "rate4-"), result(&files, "rate5000-"));
    let flagged = |result: &Value| {
        let flags = result["flags"].as_array().unwrap();
        flags.iter().any(|flag| flag == "saturated")
    };
    assert!(!flagged(&slow) && flagged(&fast), "{slow:#} {fast:#}");
    let open = &slow["figures"]["open_loop"];
    assert_eq!(open["scheduled"], 8);
    assert!(open["lateness"]["max_ms"].as_f64().unwrap() >= 0.0);
    let open = &fast["figures"]["open_loop"];
    assert_eq!(open["scheduled"], 10_000);
    assert!(open["unfinished"].as_u64().unwrap() > 0);
    assert_eq!(fast["figures"]["window"], "whole_run");
    // A minute is enough for each that finished, and what did not finish missed it.
    assert!(fast["slo"]["attainment"].as_f64().unwrap() < 1.0);
    assert_eq!(slow["slo"]["kept"], true);
    assert!(slow["flops"]["flops"].as_f64().unwrap() > 0.0);
    project.expect(0, &["results", "validate", "arrivals"]);
    let shown = project.expect(0, &["results", "list", "arrivals"]).stdout;
    assert!(
        shown.contains("goodput/s") && shown.contains("saturated"),
        "{shown}"
    );
}
