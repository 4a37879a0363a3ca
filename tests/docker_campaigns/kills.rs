//! lemctl killed in the middle: resuming accepts every run once, repeats no accepted one, leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, processes_of, text};
use crate::project::Project;
use crate::session::{Session, eventually};

const FILE: &str = "campaigns/kills.yaml";

fn begun() -> Option<Project> {
    let project = Project::with_docker()?;
    let execution = "cycles: 2, cycle_gap_seconds: 0.4, config_gap_seconds: 0.2";
    let text = campaign_text("kills", "hidden_size: [32], batch_size: [1, 2, 4]", "", 0.4)
        .replace("config_gap_seconds: 0, cycle_gap_seconds: 0, ", execution);
    project.write(FILE, &text);
    Some(project)
}

/// What must hold however often lemctl was killed before.
fn assert_whole(files: &Files<'_>, kept: &BTreeMap<String, String>, kills: usize) {
    let manifest = files.manifest();
    let runs = manifest["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 6);
    let started = files.events_of("attempt_started");
    let mut interrupted = 0;
    for run in runs {
        let id = text(&run["run"]);
        assert_eq!(run["verdict"], "accepted", "{id}");
        let attempts = run["attempts"].as_array().unwrap();
        let accepted = attempts
            .iter()
            .filter(|attempt| attempt["verdict"] == "accepted")
            .count();
        assert_eq!(accepted, 1, "{id}: {attempts:?}");
        interrupted += attempts
            .iter()
            .filter(|attempt| attempt["verdict"].is_null())
            .count();
        let numbers: Vec<_> = started
            .iter()
            .filter(|event| event["run"] == id.as_str())
            .map(|event| event["attempt"].as_u64().unwrap())
            .collect();
        let want: Vec<_> = (1..=attempts.len() as u64).collect();
        assert_eq!(numbers, want, "numbers of the attempts at {id}");
        if let Some(sha256) = kept.get(&id) {
            assert_eq!(
                run["result"]["sha256"],
                sha256.as_str(),
                "{id} was accepted before"
            );
        }
    }
    // A kill right after an outcome or before an attempt interrupts none.
    assert!(
        interrupted <= kills,
        "{interrupted} interrupted attempts, {kills} kills"
    );
    let accepted = files.accepted();
    let distinct: BTreeSet<_> = accepted.iter().map(|(run, _)| run).collect();
    assert_eq!((accepted.len(), distinct.len()), (6, 6), "{accepted:?}");
    assert_eq!(manifest["sessions"], kills + 1);
}

/// The worker of a lemctl that died sees its stdin end and goes; only the agent waits for its lease.
fn worker_ends_by_itself(files: &Files<'_>) {
    let Some(container) = files.container() else {
        return;
    };
    eventually("the worker's end", Duration::from_secs(10), || {
        processes_of(&container).len() <= 1
    });
}

#[test]
fn docker_killed_at_every_kind_of_moment() {
    let Some(project) = begun() else { return };
    type Moment = (&'static str, fn(&mut Session));
    let moments: [Moment; 9] = [
        ("container start", |session| {
            drop(session.wait_step("step_started", "start-container"))
        }),
        ("probe", |session| {
            drop(session.wait_step("step_started", "probe-container"))
        }),
        ("load", |session| {
            drop(session.wait_step("step_started", "load-engine"))
        }),
        ("warm-up", |session| drop(session.wait_phase("warm-up"))),
        ("measure", |session| drop(session.wait_phase("measure"))),
        ("store", |session| drop(session.wait_phase("store"))),
        ("outcome", |session| {
            drop(session.wait_event("attempt_ended"))
        }),
        ("gap", |session| drop(session.wait_phase("gap"))),
        ("end", |session| drop(session.wait_event("session_ended"))),
    ];
    let mut kept = BTreeMap::new();
    for (index, (moment, wait)) in moments.iter().enumerate() {
        let arguments = if index == 0 {
            vec!["campaign", "up", FILE]
        } else {
            vec!["campaign", "resume", "kills"]
        };
        let mut session = Session::start(&project, &arguments);
        wait(&mut session);
        session.signal("KILL");
        let said = session.end();
        assert_eq!(said.code, None, "{moment}: {said:#?}");
        let files = Files::of(&project, "kills");
        for (run, sha256) in files.accepted() {
            let before = kept.entry(run.clone()).or_insert_with(|| sha256.clone());
            assert_eq!(*before, sha256, "{moment}: {run} was accepted twice");
        }
        let up = project.expect(7, &["campaign", "up", FILE]);
        assert!(
            up.stderr.contains("lemctl campaign resume kills"),
            "{moment}: {up:#?}"
        );
        worker_ends_by_itself(&files);
    }
    let files = Files::of(&project, "kills");
    project.expect(0, &["campaign", "resume", "kills"]);
    assert_whole(&files, &kept, moments.len());
    assert!(
        !kept.is_empty(),
        "nothing was accepted before the last kill"
    );
    project.expect(0, &["manifest", "verify", "kills"]);
    assert_eq!(project.foreign(), Vec::<String>::new());
    files.assert_nothing_left();
}

#[test]
fn docker_down_takes_away_what_a_killed_lemctl_left() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &["campaign", "up", FILE]);
    session.wait_phase("measure");
    session.signal("KILL");
    session.end();
    let files = Files::of(&project, "kills");
    assert!(files.container().is_some(), "nothing was left to take away");
    let said = project.expect(0, &["campaign", "down", "kills"]);
    assert!(said.stdout.contains("1 containers removed"), "{said:#?}");
    files.assert_nothing_left();
    let said = project.expect(0, &["campaign", "down", "kills"]);
    assert!(said.stdout.contains("0 containers removed"), "{said:#?}");
    project.expect(0, &["campaign", "resume", "kills"]);
    assert_whole(&files, &BTreeMap::new(), 1);
    files.assert_nothing_left();
}

#[test]
fn docker_a_torn_journal_line_is_cut_and_told() {
    let Some(project) = begun() else { return };
    let mut session = Session::start(&project, &["campaign", "up", FILE]);
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    session.signal("KILL");
    session.end();
    let files = Files::of(&project, "kills");
    let journal = files.results().join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &whole[..whole.len() - 7]).unwrap();
    let mut session = Session::start(&project, &["campaign", "resume", "kills"]);
    let torn = |line: &Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("torn"))
    };
    session.wait_for("a warning of the torn line", torn);
    assert_eq!(session.end().code, Some(0));
    project.expect(0, &["manifest", "verify", "kills"]);
    files.assert_nothing_left();
}
