//! Throttling that is planted into one run rejects that attempt and no other; the run is tried again once by itself.

use serde_json::{Value, json};

use crate::campaign_files::Files;
use crate::lab::{Campaign, Lab, number, words};

/// Cold starts in so many cycles, of which the workers with these numbers are throttled.
fn throttled(execution: &'static str, workers: &[u32], exit: i32) -> Option<(Lab, Campaign)> {
    let fault =
        |worker: &u32| json!({ "reasons": ["hw_thermal"], "when": { "while_log_busy": worker } });
    let faults: Vec<Value> = workers.iter().map(fault).collect();
    let lab = Lab::new(&json!({ "faults": { "throttle": faults } }))?;
    let campaign = Campaign {
        execution,
        ..Campaign::default()
    };
    let said = lab.up(exit, &campaign);
    assert_eq!(said.stderr.contains("1 rejected"), exit == 6, "{said:#?}");
    Some((lab, campaign))
}

fn verdicts(results: &[Value]) -> Vec<&str> {
    let word = |result: &'_ Value| -> &'static str {
        match result["verdict"].as_str() {
            Some("accepted") => "accepted",
            _ => "rejected",
        }
    };
    results.iter().map(word).collect()
}

#[test]
fn docker_a_throttled_run_is_rejected_and_tried_again_once_after_a_longer_gap() {
    let execution = "cycles: 3, force_cold_start: true, retries: {thermal_gap_seconds: 2}";
    let Some((lab, campaign)) = throttled(execution, &[2], 0) else {
        return;
    };
    let results = lab.results(&campaign);
    let all = ["accepted", "rejected", "accepted", "accepted"];
    assert_eq!(verdicts(&results), all, "that attempt and no other");
    let reasons = &results[1]["verdict"]["rejected"]["reasons"];
    let reasons = reasons.as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_eq!(reasons[0]["code"], "thermal_throttling_detected");
    let throttle = &results[1]["throttling"][0];
    assert!(
        words(&throttle["reasons_seen"]).contains(&"hardware_thermal"),
        "{throttle:#}"
    );
    assert_eq!(throttle["thermal"]["method"], "counters", "{throttle:#}");
    assert_eq!(results[1]["run"], results[2]["run"], "at once");
    assert_eq!(results[2]["attempt"], 2);
    // Cold, and after the longer gap; the others waited a fifth of a second at most.
    assert_eq!(results[2]["runs_before_on_load"], 0);
    let floors: Vec<f64> = results
        .iter()
        .map(|result| number(&result["gap"]["floor_seconds"]))
        .collect();
    assert_eq!(floors[2], 2.0, "{floors:?}");
    assert!(number(&results[2]["gap"]["seconds"]) >= 2.0);
    assert!(
        floors
            .iter()
            .enumerate()
            .all(|(at, floor)| at == 2 || *floor < 1.0),
        "{floors:?}"
    );
    let files = Files::of(&lab.project, campaign.name);
    let manifest = files.manifest();
    let run = &manifest["runs"][1];
    assert_eq!(run["verdict"], "accepted");
    let attempts = run["attempts"].as_array().unwrap();
    let reason = &attempts[1]["because"]["retried"]["reason"]["code"];
    assert_eq!(reason, "thermal_throttling_detected", "{attempts:#?}");
    assert!(
        attempts[0]["result"].is_object(),
        "what was rejected is kept"
    );
    assert_eq!(manifest["tries"]["retried"], 1);
    let list = lab.project.expect(0, &["results", "list", campaign.name]);
    assert!(
        list.stdout
            .contains("2 attempts, one after thermal_throttling_detected")
            && list
                .stdout
                .contains("4 attempts, of them again: 1 by lemctl itself"),
        "{list:#?}"
    );
    lab.project
        .expect(0, &["manifest", "verify", campaign.name]);
    files.assert_nothing_left();
}

#[test]
fn docker_heat_that_stays_is_a_rejection_after_the_second_attempt() {
    let execution = "cycles: 1, force_cold_start: true, retries: {thermal_gap_seconds: 1}";
    let Some((lab, campaign)) = throttled(execution, &[1, 2], 6) else {
        return;
    };
    let results = lab.results(&campaign);
    assert_eq!(verdicts(&results), ["rejected", "rejected"]);
    let retry = [
        "campaign",
        "resume",
        "lab",
        "--retry",
        "rejected=thermal_throttling_detected",
    ];
    lab.machine(&json!({}));
    lab.project.expect(0, &lab.arguments(&retry));
    let attempts = &Files::of(&lab.project, campaign.name).manifest()["runs"][0]["attempts"];
    assert_eq!(attempts.as_array().unwrap().len(), 3, "{attempts:#}");
    assert_eq!(attempts[2]["because"], "reopened");
}

#[test]
fn docker_a_power_cap_is_reported_and_rejects_nothing() {
    let gpu = json!({ "power": { "busy_watts": 900, "capped_watts": 697 } });
    let Some(lab) = Lab::new(&gpu) else { return };
    let campaign = Campaign::default();
    lab.up(0, &campaign);
    let results = lab.results(&campaign);
    assert_eq!(results[0]["verdict"], "accepted");
    assert!(
        words(&results[0]["flags"]).contains(&"power_capped"),
        "{:#}",
        results[0]
    );
}
