//! `plan` shows and writes nothing; `up` asks before many experiments.

use serde_json::Value;

use crate::place::{Place, source};

const FORMATS: [&str; 4] = ["text", "json", "dot", "mermaid"];
const QUICKSTART: &str = "campaigns/quickstart.yaml";

fn planned(place: &Place, file: &str, format: &str) -> String {
    place
        .expect(0, &["campaign", "plan", file, "--format", format])
        .stdout
}

#[test]
fn a_plan_is_the_same_every_time_and_writes_nothing() {
    let place = Place::new();
    let before = place.contents();
    for format in FORMATS {
        let first = planned(&place, QUICKSTART, format);
        for _ in 0..3 {
            assert_eq!(first, planned(&place, QUICKSTART, format), "{format}");
        }
        let elsewhere = Place::new();
        assert_eq!(first, planned(&elsewhere, QUICKSTART, format), "{format}");
    }
    assert!(place.contents() == before, "something was written");
}

#[test]
fn a_plan_does_not_follow_the_order_of_keys_but_its_seed() {
    let place = Place::new();
    let text = source(QUICKSTART);
    let (from, to) = ("    batch_size: [1, 2, 4]\n", "    temperature: [0, 0.8]\n");
    assert!(text.contains(&format!("{from}{to}")), "{text}");
    place.write(
        "campaigns/keys.yaml",
        &text.replace(&format!("{from}{to}"), &format!("{to}{from}")),
    );
    assert!(text.contains("seed: 1\n"));
    place.write(
        "campaigns/seed.yaml",
        &text.replace("seed: 1\n", "seed: 2\n"),
    );
    let order = |file: &str| -> Vec<String> {
        let view: Value = serde_json::from_str(&planned(&place, file, "json")).unwrap();
        let runs = view["runs"].as_array().expect("the order of runs");
        runs.iter()
            .map(|run| run["run"].as_str().expect("the id of a run").to_owned())
            .collect()
    };
    let usual = order(QUICKSTART);
    assert!(usual.len() >= 16, "{usual:?}");
    assert_eq!(usual, order("campaigns/keys.yaml"));
    let other = order("campaigns/seed.yaml");
    assert_ne!(usual, other);
    let sorted = |mut order: Vec<String>| {
        order.sort();
        order
    };
    assert_eq!(sorted(usual), sorted(other));
}

#[test]
fn every_format_shows_the_dag_or_what_was_pruned() {
    let place = Place::new();
    let text = planned(&place, QUICKSTART, "text");
    assert!(
        text.contains("heads-divide-hidden-size") && text.contains("exclude[0]"),
        "{text}"
    );
    let view: Value = serde_json::from_str(&planned(&place, QUICKSTART, "json")).unwrap();
    let pruned = view["pruned"].as_array().unwrap();
    assert!(
        !pruned.is_empty() && pruned.iter().all(|point| point["rule"].is_string()),
        "{view}"
    );
    for (format, begin) in [("dot", "digraph"), ("mermaid", "flowchart")] {
        let graph = planned(&place, QUICKSTART, format);
        assert!(graph.starts_with(begin) && graph.contains("->"));
        for step in [
            "ensure-image",
            "start-container",
            "load-engine",
            "measure",
            "stop-container",
        ] {
            assert!(
                graph.to_lowercase().replace(['_', ' '], "-").contains(step),
                "{format} has no {step}: {graph}"
            );
        }
    }
}

#[test]
fn many_experiments_are_warned_of_and_not_begun_without_a_yes() {
    let place = Place::new();
    let many = (1..=101)
        .map(|seed| seed.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let text = format!(
        "campaign_name: many\nmodel: {{random: {{seed: 1}}}}\nworkload:\n  synthetic: {{prompts: 4, input_tokens: 4, output_tokens: 4, seed: 1}}\n  \
         measure: {{min_seconds: 0.1, min_requests: 4}}\ngrid:\n  backends: [reference]\n  shared: {{temperature: 0.8, sampling_seed: [{many}]}}\n"
    );
    place.write("campaigns/many.yaml", &text);
    place.write("campaigns/hundred.yaml", &text.replace(", 101]", "]"));
    let before = place.contents();

    let plan = place.expect(
        0,
        &[
            "campaign",
            "plan",
            "campaigns/many.yaml",
            "--format",
            "json",
        ],
    );
    assert!(
        plan.stderr.starts_with("warning: 101 experiments"),
        "{plan:#?}"
    );
    serde_json::from_str::<Value>(&plan.stdout).expect("the warning is not among the JSON");
    let few = place.expect(0, &["campaign", "plan", "campaigns/hundred.yaml"]);
    assert!(few.stderr.is_empty(), "{few:#?}");

    // Nobody is there to ask; with a yes, and with a hundred, it is the missing Engine that ends it.
    let refused = place.expect(2, &["campaign", "up", "campaigns/many.yaml"]);
    assert!(
        refused.stderr.contains("101 experiments") && refused.stderr.contains("--yes"),
        "{refused:#?}"
    );
    place.expect(4, &["campaign", "up", "campaigns/many.yaml", "--yes"]);
    place.expect(4, &["campaign", "up", "campaigns/hundred.yaml"]);
    assert!(place.contents() == before, "something was written");
}
