//! Energy, baselines and readings of a whole campaign.

use serde_json::{Value, json};

use crate::campaign_files::Files;
use crate::lab::{Campaign, GPU, Lab, number, words};

fn idle(result: &Value, which: &str) -> f64 {
    let baselines = result["baseline"][which].as_array().unwrap();
    assert_eq!(baselines.len(), 1, "{baselines:?}");
    assert_eq!(baselines[0]["gpu"], GPU);
    number(&baselines[0]["watts"])
}

#[test]
fn docker_energy_baselines_and_readings_of_a_whole_campaign() {
    // A busy power below the cap: mean watts must come out at the share of time that was busy.
    let gpu = json!({ "power": { "bare_watts": 72, "context_watts": 118, "busy_watts": 500 } });
    let Some(lab) = Lab::new(&gpu) else { return };
    let campaign = Campaign {
        execution: "cycles: 3",
        ..Campaign::default()
    };
    let said = lab.up(0, &campaign);
    assert!(said.stdout.contains("SIMULATED"), "{said:#?}");
    let results = lab.results(&campaign);
    assert_eq!(results.len(), 3);
    for result in &results {
        assert_eq!(result["simulated"], true);
        assert!(words(&result["flags"]).contains(&"simulated"), "{result:#}");
        // The model's idle powers, by its own sensor: nothing is between them and the true ones but its noise.
        assert!((idle(result, "bare") - 72.0).abs() < 1.0, "{result:#}");
        for which in ["before", "after"] {
            assert!((idle(result, which) - 118.0).abs() < 2.0, "{result:#}");
        }
        let window = &result["energy"]["window"];
        let (joules, watts) = (number(&window["joules"]), number(&window["mean_watts"]));
        let seconds = number(&result["figures"]["seconds"]);
        assert!(watts > 300.0 && watts < 505.0, "{window:#}");
        assert!((joules / seconds / watts - 1.0).abs() < 1e-9, "{window:#}");
        let part = &window["gpus"][0];
        assert_eq!(part["source"], "counter", "{part:#}");
        let (low, high) = (
            number(&part["timing"]["low_joules"]),
            number(&part["timing"]["high_joules"]),
        );
        assert!(low < joules && joules < high, "{part:#}");
        let absolute = &part["absolute"];
        assert!(
            number(&absolute["low_joules"]) < low && high < number(&absolute["high_joules"]),
            "an assumed gain is less sure than the timing: {part:#}"
        );
        let figures = &result["energy"]["figures"];
        let tokens = number(&result["figures"]["output_tokens"]);
        assert!((number(&figures["joules_per_output_token"]) * tokens / joules - 1.0).abs() < 1e-9);
        let above = number(&figures["joules_above_resident"]);
        let resident = number(&result["baseline"]["resident_watts"]);
        assert!((joules - resident * seconds - above).abs() < 1e-6 * joules);
        assert_eq!(result["leak_check"]["gpus"][GPU]["verdict"], "clean");
        assert!(number(&result["energy"]["sampler"]["ticks"]) > 10.0);
        assert_eq!(result["environment_drift"], json!([]));
    }
    let files = Files::of(&lab.project, campaign.name);
    let manifest = files.manifest();
    let figures = &manifest["experiments"][0]["cycles"]["figures"]["joules_per_output_token"];
    assert_eq!(figures["n"], 3, "{figures:#}");
    assert_eq!(
        manifest["environment"]["telemetry"]["simulated"], true,
        "{manifest:#}"
    );
    // The readings are sealed with the result: an edit of one is found.
    lab.project
        .expect(0, &["manifest", "verify", campaign.name]);
    let readings = files
        .results()
        .join(results[1]["run"].as_str().unwrap())
        .join("a1/readings.parquet");
    let mut bytes = std::fs::read(&readings).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&readings, bytes).unwrap();
    let said = lab
        .project
        .expect(8, &["manifest", "verify", campaign.name]);
    let told = format!("{}{}", said.stdout, said.stderr);
    assert!(told.contains("readings.parquet"), "{said:#?}");
    files.assert_nothing_left();
}

#[test]
fn docker_without_a_baseline_energy_is_there_and_says_so() {
    let Some(lab) = Lab::new(&json!({})) else {
        return;
    };
    let campaign = Campaign {
        baseline: "off",
        ..Campaign::default()
    };
    lab.up(0, &campaign);
    let results = lab.results(&campaign);
    let result = &results[0];
    assert!(number(&result["energy"]["window"]["joules"]) > 0.0);
    assert_eq!(result["baseline"]["resident_watts"], Value::Null);
    assert_eq!(
        words(&result["baseline"]["reasons"]),
        ["the campaign asks for none"]
    );
    let figures = &result["energy"]["figures"];
    assert_eq!(figures["joules_above_resident"], Value::Null);
    assert!(number(&figures["joules_per_output_token"]) > 0.0);
}
