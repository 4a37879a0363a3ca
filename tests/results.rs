//! `lemctl results` on campaigns that a session on fakes left on disk: what is listed, shown and judged, sealed
//! or not, and what becomes of files that somebody changed.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[path = "support/campaigns.rs"]
mod campaigns;
#[path = "support/fake_engine.rs"]
mod fake_engine;
#[path = "support/fake_worker.rs"]
mod fake_worker;
#[path = "support/said.rs"]
mod said;
#[path = "support/stage.rs"]
mod stage;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use fake_worker::Act;
use lemctl::units::Digest;
use said::{Said, said};
use serde_json::Value;
use stage::{EIGHT, Stage};

/// Runs lemctl in a stage's project.
fn lemctl(stage: &Stage, arguments: &[&str]) -> Said {
    for folder in ["compose", "catalogues"] {
        std::fs::create_dir_all(stage.root().join(folder)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_lemctl"));
    command.env_clear().current_dir(stage.root());
    said(command.args(arguments).stdout(Stdio::piped()))
}

fn json(stage: &Stage, code: i32, arguments: &[&str]) -> Value {
    let said = lemctl(stage, &[arguments, &["--format", "json"]].concat());
    assert_eq!(said.code, Some(code), "{said:#?}");
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
}

fn text(stage: &Stage, code: i32, arguments: &[&str]) -> String {
    let said = lemctl(stage, arguments);
    assert_eq!(said.code, Some(code), "{said:#?}");
    said.stdout + &said.stderr
}

/// Three cycles of four experiments, two engine keys; one measurement fails.
async fn measured() -> Stage {
    let stage = Stage::new(&EIGHT.replace("cycles: 2", "cycles: 3"));
    stage.worker.at("measure", 8, Act::Refuse("out_of_memory"));
    stage.up().await.unwrap();
    stage
}

#[tokio::test(start_paused = true)]
async fn runs_are_listed_with_verdict_figures_and_reasons() {
    let stage = measured().await;
    let all = json(&stage, 0, &["results", "list"]);
    assert_eq!(all["sealed"], true);
    let runs = all["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 12);
    let verdicts = |word: &str| runs.iter().filter(|run| run["verdict"] == word).count();
    assert_eq!(
        (
            verdicts("accepted"),
            verdicts("failed"),
            verdicts("skipped")
        ),
        (10, 1, 1)
    );
    for run in runs {
        let accepted = run["verdict"] == "accepted";
        let figure = &run["figures"]["output_tokens_per_second"];
        assert_eq!(figure.is_f64(), accepted, "{run}");
        assert_eq!(run["simulated"].is_boolean(), accepted, "{run}");
        assert_eq!(run["why"].is_null(), accepted, "{run}");
    }
    // Filters, by what the text shows as well.
    let failed = text(&stage, 0, &["results", "list", "--verdict", "failed"]);
    assert!(
        failed.contains("1 failed") && failed.contains("out_of_memory"),
        "{failed}"
    );
    let of = runs[0]["experiment"].as_str().unwrap();
    let one = json(&stage, 0, &["results", "list", "--experiment", of]);
    assert_eq!(one["runs"].as_array().unwrap().len(), 3);
    let shown = text(&stage, 0, &["results", "list", "staged"]);
    assert!(
        shown.contains("tokens/s") && !shown.contains("J/token"),
        "{shown}"
    );
    let wrong = text(
        &stage,
        2,
        &["results", "list", "--experiment", "batch_size7"],
    );
    assert!(
        wrong.contains("batch_size7") && wrong.contains("fix:"),
        "{wrong}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_campaign_that_is_not_sealed_is_listed_from_its_journal() {
    let stage = measured().await;
    let journal = std::fs::read_to_string(stage.journal()).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.contains("attempt_ended"))
        .unwrap();
    std::fs::write(stage.journal(), lines[..=at].join("\n") + "\n").unwrap();
    std::fs::remove_dir_all(stage.root().join("manifests")).unwrap();
    let all = json(&stage, 0, &["results", "list"]);
    assert_eq!(all["sealed"], false);
    let runs = all["runs"].as_array().unwrap();
    let words: Vec<&str> = runs
        .iter()
        .map(|run| run["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(words[..2], ["accepted", "due"]);
    let due = json(&stage, 0, &["results", "list", "--verdict", "due"]);
    assert_eq!(due["runs"].as_array().unwrap().len(), 11);
    let run = runs[0]["run"].as_str().unwrap();
    let shown = text(&stage, 0, &["results", "show", run]);
    assert!(
        shown.contains("accepted · attempt 1 of 1 · session 1"),
        "{shown}"
    );
    let due = text(
        &stage,
        0,
        &["results", "show", runs[1]["run"].as_str().unwrap()],
    );
    assert!(due.ends_with("\n  due\n"), "{due}");
}

#[tokio::test(start_paused = true)]
async fn a_run_is_shown_in_full_and_as_its_file() {
    let stage = measured().await;
    let run = stage.state().plan().runs[0].id.clone();
    let shown = text(&stage, 0, &["results", "show", &run]);
    for part in [
        "figures:",
        "output_tokens_per_second:",
        "config:",
        "record:",
        "warmup:",
        "SHA-256",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    // JSON is the file byte for byte: its hash is the one that the journal cites.
    let said = lemctl(&stage, &["results", "show", &run, "--format", "json"]);
    let all = json(&stage, 0, &["results", "list"]);
    let cited = &all["runs"][0]["result"]["sha256"];
    assert_eq!(*cited, Digest::of(said.stdout.as_bytes()).to_string());
    // What failed has no file; its cause is shown.
    let failed = json(&stage, 0, &["results", "list", "--verdict", "failed"]);
    let failed = failed["runs"][0]["run"].as_str().unwrap();
    let shown = text(&stage, 0, &["results", "show", failed]);
    assert!(
        shown.contains("failed") && shown.contains("out_of_memory"),
        "{shown}"
    );
    // Unknown names are answered with near ones.
    let wrong = run.replace("batch", "badge");
    let said = text(&stage, 2, &["results", "show", &wrong]);
    assert!(said.contains(&format!("did you mean {run}?")), "{said}");
    let said = text(&stage, 2, &["results", "show", &run, "--attempt", "2"]);
    assert!(said.contains("has 1 attempts"), "{said}");
    let said = text(&stage, 0, &["results", "show", &run, "--attempt", "1"]);
    assert!(said.contains("attempt 1 of 1"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_experiment_is_shown_over_its_cycles() {
    let stage = measured().await;
    let experiment = stage.state().plan().experiments[0].id.clone();
    let view = json(&stage, 0, &["results", "show", &experiment]);
    assert_eq!(view["runs"].as_array().unwrap().len(), 3);
    let figure = &view["cycles"]["figures"]["output_tokens_per_second"];
    assert_eq!((&figure["n"], &figure["loads"]), (&3.into(), &3.into()));
    assert!(figure["interval"]["low"].is_f64(), "{figure}");
    let shown = text(&stage, 0, &["results", "show", &experiment]);
    assert!(
        shown.contains("low 95 %") && shown.contains("3 of 3 runs accepted"),
        "{shown}"
    );
    // The manifest and the status say the same.
    let manifest = json(&stage, 0, &["manifest", "show"]);
    assert_eq!(manifest["schema_version"], 2);
    assert_eq!(manifest["experiments"][0]["cycles"], view["cycles"]);
    assert_eq!(manifest["runs"][0]["measured_on"]["engine_load"], 1);
    let status = json(&stage, 0, &["campaign", "status"]);
    assert_eq!(
        status["experiments"][0]["figures"],
        view["cycles"]["figures"]
    );
    let status = text(&stage, 0, &["campaign", "status"]);
    assert!(status.contains("±95 %"), "{status}");
}

/// Version 1 had no `cycles` and no `measured_on`.
#[tokio::test(start_paused = true)]
async fn manifests_of_version_1_are_still_read() {
    let stage = measured().await;
    let path = stage.folders().manifests().join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["schema_version"] = 1.into();
    for experiment in manifest["experiments"].as_array_mut().unwrap() {
        let experiment = experiment.as_object_mut().unwrap();
        experiment.remove("cycles").unwrap();
        let figures =
            serde_json::json!({"output_tokens_per_second": {"n": 3, "mean": 5.25, "sd": 0.5}});
        experiment.insert("figures".to_owned(), figures);
    }
    for run in manifest["runs"].as_array_mut().unwrap() {
        run.as_object_mut().unwrap().remove("measured_on").unwrap();
    }
    std::fs::write(&path, manifest.to_string()).unwrap();
    let shown = text(&stage, 0, &["manifest", "show"]);
    assert!(
        shown.contains("5.2 ±0.5") && shown.contains("3/3"),
        "{shown}"
    );
    // A later one is told apart from a broken one.
    manifest["schema_version"] = 99.into();
    manifest["news"] = true.into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let said = text(&stage, 8, &["manifest", "verify"]);
    assert!(said.contains("use the lemctl that sealed it"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn files_that_were_changed_give_nothing_and_are_told() {
    for (harm, word) in [
        ("remove", "absent"),
        ("alter", "altered"),
        ("nest", "altered"),
        ("escape", "altered"),
    ] {
        let stage = measured().await;
        let run = stage.state().plan().runs[0].id.clone();
        let path = stage.folders().results().join(&run).join("a1/result.json");
        match harm {
            "remove" => std::fs::remove_file(&path).unwrap(),
            "alter" => {
                let text = std::fs::read_to_string(&path).unwrap();
                std::fs::write(&path, text.replace("accepted", "rejected")).unwrap();
            }
            // Deeper than any parser may follow.
            "nest" => std::fs::write(&path, "[".repeat(1_000_000)).unwrap(),
            _ => {
                std::fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            }
        }
        let all = json(&stage, 0, &["results", "list"]);
        assert_eq!(all["runs"][0]["file"], word, "{harm}");
        let shown = text(&stage, 0, &["results", "list"]);
        assert!(
            shown.contains(&format!("FILE {}", word.to_uppercase())),
            "{shown}"
        );
        let shown = text(&stage, 8, &["results", "show", &run]);
        assert!(
            shown.contains(&format!("the file is {word}")) && !shown.contains("figures:"),
            "{shown}"
        );
        let said = text(&stage, 8, &["manifest", "verify"]);
        let fix = "--retry lost";
        assert!(
            said.contains(&format!("{word}: ")) && said.contains(fix),
            "{said}"
        );
    }
}

/// Each finding of a verification names what can be done about it, and nothing that cannot.
#[tokio::test(start_paused = true)]
async fn a_finding_names_its_own_fix() {
    let stage = measured().await;
    let fixes = |stage: &Stage| -> Vec<String> {
        let said = json(stage, 8, &["manifest", "verify"]);
        let findings = said["findings"].as_array().unwrap().iter();
        findings
            .map(|finding| finding["fix"].as_str().unwrap().to_owned())
            .collect()
    };
    let sums = stage.folders().manifests().join("SHA256SUMS");
    let list = std::fs::read(&sums).unwrap();
    std::fs::remove_file(&sums).unwrap();
    let found = fixes(&stage);
    assert!(
        found.len() == 1 && found[0].starts_with("have it written again: lemctl campaign resume"),
        "{found:?}"
    );
    std::fs::write(&sums, list).unwrap();
    // Reopened by hand, as `--retry` does: the seal is not the last event any more.
    let mut opened = lemctl::runner::reopen(stage.folders()).unwrap();
    let run = stage.state().plan().runs[0].id.clone();
    let event = lemctl::execution::Event::RunsReopened { runs: vec![run] };
    opened.record(&event, &*stage.worker.clock).unwrap();
    drop(opened);
    let found = fixes(&stage);
    assert!(
        found[0].starts_with("finish it, which seals it again: lemctl campaign resume"),
        "{found:?}"
    );
    let said = text(&stage, 8, &["manifest", "verify"]);
    assert!(!said.contains("restore the named files"), "{said}");
    // Never sealed: nothing was lost.
    let fresh = Stage::new(EIGHT);
    drop(fresh.create());
    let found = fixes(&fresh);
    assert!(
        found
            .iter()
            .all(|fix| fix.starts_with("the campaign is not sealed yet")),
        "{found:?}"
    );
}

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
