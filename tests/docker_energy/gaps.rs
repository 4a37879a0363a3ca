//! Gaps that end by temperature and power, or at their cap.

use serde_json::json;

use crate::lab::{Campaign, Lab, number, words};

#[test]
fn docker_a_gap_ends_by_temperature_and_not_before() {
    // Warm at 500 W, cool within seconds: between the two the gap must wait.
    let gpu = json!({ "power": { "busy_watts": 500 }, "thermal": { "ambient_celsius": 27, "celsius_per_watt": 0.1, "time_constant_s": 0.6 } });
    let Some(lab) = Lab::new(&gpu) else { return };
    let campaign = Campaign {
        execution: "cycles: 3, gap: {temperature_celsius: 2, max_seconds: 30}",
        seconds: 2.0,
        ..Campaign::default()
    };
    lab.up(0, &campaign);
    let results = lab.results(&campaign);
    assert_eq!(
        number(&results[0]["gap"]["seconds"]),
        0.0,
        "nothing ran before the first run"
    );
    for result in &results[1..] {
        let gap = &result["gap"];
        assert_eq!(gap["ended"], "settled", "{gap:#}");
        let seconds = number(&gap["seconds"]);
        assert!(
            seconds > 2.0 * number(&gap["floor_seconds"]),
            "the GPU was still warm at the floor: {gap:#}"
        );
        let (reading, reference) = (&gap["gpus"][0]["reading"], &gap["gpus"][0]["reference"]);
        let warmer =
            number(&reading["temperature_celsius"]) - number(&reference["temperature_celsius"]);
        assert!(warmer <= 2.0, "{gap:#}");
        let watts = number(&reading["watts"]) - number(&reference["watts"]);
        assert!(watts.abs() <= 5.0, "{gap:#}");
        assert!(!words(&result["flags"]).contains(&"gap_capped"));
    }
}

#[test]
fn docker_a_gap_that_cannot_settle_ends_at_its_cap_and_is_flagged() {
    // Never cools down in the time of a test.
    let gpu = json!({ "thermal": { "celsius_per_watt": 0.3, "time_constant_s": 60 } });
    let Some(lab) = Lab::new(&gpu) else { return };
    let campaign = Campaign {
        execution: "cycles: 2, gap: {temperature_celsius: 1, max_seconds: 2}",
        ..Campaign::default()
    };
    lab.up(0, &campaign);
    let results = lab.results(&campaign);
    let gap = &results[1]["gap"];
    assert_eq!(gap["ended"], "capped", "{gap:#}");
    assert!(number(&gap["seconds"]) >= 2.0, "{gap:#}");
    assert!(words(&results[1]["flags"]).contains(&"gap_capped"));
    assert_eq!(results[1]["verdict"], "accepted", "a flag, never a failure");
}
