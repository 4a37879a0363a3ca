//! `results validate`: PASS and FAIL a rule, and what a forger of results meets.

use std::collections::BTreeMap;

use lemctl::units::Digest;
use serde_json::Value;

use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};
use crate::{json, measured, text};

/// Outcomes by rule of `results validate`.
fn outcomes(stage: &Stage, code: i32, arguments: &[&str]) -> BTreeMap<String, String> {
    let said = json(stage, code, &[&["results", "validate"], arguments].concat());
    let rules = said["rules"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules
        .map(|rule| (text(&rule["rule"]), text(&rule["outcome"])))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_whole_campaign_passes_every_rule() {
    let stage = Stage::new(&EIGHT.replace("cycles: 2", "cycles: 3"));
    stage.up().await.unwrap();
    let found = outcomes(&stage, 0, &[]);
    let passed: Vec<&str> = found
        .iter()
        .filter(|(_, outcome)| *outcome == "pass")
        .map(|(rule, _)| rule.as_str())
        .collect();
    assert_eq!(
        passed,
        [
            "cycle_cv",
            "cycle_drift",
            "figures_follow_from_record",
            "files_intact",
            "result_is_cited",
            "runs_complete",
            "simulated_unmixed",
        ]
    );
    // No GPU: nothing of energy applies, and the rules of the other kind do not.
    for rule in ["identity_power", "baseline_repeats", "quick_time"] {
        assert_eq!(found[rule], "not_applicable");
    }
    let quick = outcomes(&stage, 0, &["--rules", "quick"]);
    assert_eq!(
        (&*quick["quick_time"], &*quick["runs_complete"]),
        ("pass", "not_applicable")
    );
    let shown = text(&stage, 0, &["results", "validate", "staged"]);
    assert!(
        shown.contains("PASS  runs_complete") && shown.contains("12 of 12 runs accepted"),
        "{shown}"
    );
    assert!(
        shown.ends_with("PASS: 7 rules pass, 0 fail, 7 are not applicable\n"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn rules_that_fail_are_told_with_their_values_and_exit_6() {
    // A run failed, and one was skipped because of it.
    let stage = measured().await;
    let found = outcomes(&stage, 6, &[]);
    assert_eq!(found["runs_complete"], "fail");
    let shown = text(&stage, 6, &["results", "validate"]);
    assert!(
        shown.contains("FAIL") && shown.contains("10 of 12 runs accepted; not: "),
        "{shown}"
    );
    // One result is enough for a quick look.
    assert_eq!(
        outcomes(&stage, 0, &["--rules", "quick"])["quick_result"],
        "pass"
    );
    // The file's own thresholds count.
    let text_of = EIGHT
        .replace("cycles: 2", "cycles: 3")
        .replace("min_requests: 2", "min_requests: 10")
        + "rules: {cycle_cv: 0.05}\n";
    let stage = Stage::new(&text_of);
    stage.worker.at(
        "measure",
        0,
        Act::Lie(|record| {
            if record.attempt.contains(".c2.") {
                let more = record.requests[..2].to_vec();
                record.requests.extend(more);
            }
        }),
    );
    stage.up().await.unwrap();
    let found = outcomes(&stage, 6, &[]);
    assert_eq!(
        (&*found["cycle_cv"], &*found["runs_complete"]),
        ("fail", "pass")
    );
    let listed = json(&stage, 0, &["manifest", "show"]);
    let flags = &listed["experiments"][0]["cycles"]["flags"];
    assert!(
        flags
            .as_array()
            .unwrap()
            .iter()
            .any(|flag| flag == "cycle_cv_high"),
        "{flags}"
    );
}

/// Who changes a result and the hashes that cite it still cannot change what the record says.
#[tokio::test(start_paused = true)]
async fn figures_that_do_not_follow_from_the_record_fail() {
    let stage = Stage::new(EIGHT);
    stage.up().await.unwrap();
    let run = stage.state().plan().runs[0].id.clone();
    let path = stage.folders().results().join(&run).join("a1/result.json");
    let before = std::fs::read_to_string(&path).unwrap();
    let mut result: Value = serde_json::from_str(&before).unwrap();
    let tokens = result["figures"]["output_tokens"].as_u64().unwrap();
    result["figures"]["output_tokens"] = (2 * tokens).into();
    let after = result.to_string();
    std::fs::write(&path, &after).unwrap();
    assert_eq!(outcomes(&stage, 8, &[])["files_intact"], "fail");
    let hashes = [&before, &after].map(|text| Digest::of(text.as_bytes()).to_string());
    let journal = std::fs::read_to_string(stage.journal()).unwrap();
    let forged = chained(&journal.replace(&hashes[0], &hashes[1]));
    std::fs::write(stage.journal(), forged).unwrap();
    std::fs::remove_dir_all(stage.root().join("manifests")).unwrap();
    let found = outcomes(&stage, 6, &[]);
    assert_eq!(found["files_intact"], "pass", "the forger was thorough");
    assert_eq!(found["figures_follow_from_record"], "fail");
    let shown = text(&stage, 6, &["results", "validate"]);
    assert!(shown.contains(&format!("1 of 8: {run}: ")), "{shown}");
}

/// A journal's lines with their chain of hashes made anew.
fn chained(journal: &str) -> String {
    let mut prev = Digest::ZERO.to_string();
    let mut out = String::new();
    for line in journal.lines() {
        let at = line.find("\"prev\":\"").unwrap() + 8;
        let line = format!("{}{prev}{}", &line[..at], &line[at + 64..]);
        prev = Digest::of(line.as_bytes()).to_string();
        out.push_str(&line);
        out.push('\n');
    }
    out
}
