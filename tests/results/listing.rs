//! `results list` and `results show`: sealed or not, and with files that somebody changed.

use lemctl::execution::{RunStatus, Verdict};
use lemctl::units::Digest;

use crate::fake_worker::Act;
use crate::stage::{EIGHT, Stage};
use crate::{json, lemctl, measured, text};

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
    assert_eq!(manifest["schema_version"], 3);
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

/// What was skipped names the code that all began with: `--retry failed=CODE` finds it by that.
#[tokio::test(start_paused = true)]
async fn skipped_runs_name_the_code_that_all_began_with() {
    let stage = Stage::new(EIGHT);
    stage.worker.at("load", 1, Act::Refuse("out_of_memory"));
    stage.up().await.unwrap();
    let skipped = json(&stage, 0, &["results", "list", "--verdict", "skipped"]);
    let runs = skipped["runs"].as_array().unwrap();
    // One of two engine keys: two experiments, two cycles, none of which was ever tried.
    assert_eq!(runs.len(), 4, "{skipped}");
    for run in runs {
        let why = run["why"].as_str().unwrap();
        let first = "same_as:load-engine:0 (out_of_memory): ";
        assert!(why.starts_with(first), "{why}");
        assert_eq!(run["attempts"], 0);
    }
    for run in 0..stage.state().plan().runs.len() {
        if let RunStatus::Ended {
            verdict: Verdict::Skipped { cause },
            ..
        } = stage.state().status(run)
        {
            assert_eq!(cause.origin(), "out_of_memory");
        }
    }
}
