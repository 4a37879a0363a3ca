//! Throttling that is planted into one run rejects that run and no other.

use serde_json::json;

use crate::lab::{Campaign, Lab, words};

#[test]
fn docker_a_thermally_throttled_run_is_rejected_and_no_other() {
    let gpu = json!({ "faults": { "throttle": [
        { "reasons": ["hw_thermal"], "when": { "while_log_busy": 2 } }
    ] } });
    let Some(lab) = Lab::new(&gpu) else { return };
    let campaign = Campaign {
        execution: "cycles: 3, force_cold_start: true",
        ..Campaign::default()
    };
    let said = lab.up(6, &campaign);
    assert!(said.stderr.contains("1 rejected"), "{said:#?}");
    let results = lab.results(&campaign);
    let verdict = |index: usize| &results[index]["verdict"];
    assert_eq!(
        (verdict(0), verdict(2)),
        (&json!("accepted"), &json!("accepted"))
    );
    let reasons = verdict(1)["rejected"]["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_eq!(reasons[0]["code"], "thermal_throttling_detected");
    let throttle = &results[1]["throttling"][0];
    assert!(
        words(&throttle["reasons_seen"]).contains(&"hardware_thermal"),
        "{throttle:#}"
    );
    assert_eq!(throttle["thermal"]["method"], "counters", "{throttle:#}");
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
