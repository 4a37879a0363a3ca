//! What holds after every fault, asked of the campaign's journal, its results and the Engine. docs/reliability.md
//! has the list.
//!
//! [`hold`] may be asked at any time when no lemctl runs on the campaign, however the last one ended. [`finishes`]
//! resumes it until nothing is due and asks the rest.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::campaign_files::{Files, text};
use super::project::{Project, Said};

/// Sessions that a campaign may need after a fault was taken away. More means that it does not get on.
const SESSIONS: usize = 3;

/// What must be true whenever no lemctl runs: guarantees 1 and 2.
pub fn hold(files: &Files<'_>) {
    let accepted = accepted(files);
    for (run, result) in &accepted {
        let path = files.results().join(text(&result["path"]));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{run} is accepted, and its result {path} cannot be read: {error}")
        });
        assert_eq!(
            sha256(&path),
            text(&result["sha256"]),
            "{run} is accepted with another file than {path}"
        );
        let result: Value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|error| panic!("{run} is accepted, and {path} is torn: {error}"));
        assert_eq!(result["run"], run.as_str(), "{path}");
    }
}

/// The results that stand, by run. Follows the journal as a reader would who knows nothing of lemctl: an attempt is open
/// until it ends or its session does, none begins while another one is open, and what was accepted stays
/// accepted once unless the journal itself opens it again.
fn accepted(files: &Files<'_>) -> BTreeMap<String, Value> {
    let mut accepted = BTreeMap::new();
    let mut open: Option<(String, u64)> = None;
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    for event in files.events() {
        let (kind, detail) = only(&event);
        match kind {
            "session_started" | "session_ended" => open = None,
            "attempt_started" => {
                let (run, number) = attempt(detail);
                assert_eq!(open, None, "{run} began while another was measured");
                assert!(!accepted.contains_key(&run), "{run} was accepted before");
                let last = numbers.insert(run.clone(), number).unwrap_or(0);
                assert_eq!(number, last + 1, "number of an attempt at {run}");
                open = Some((run, number));
            }
            "attempt_interrupted" => {
                assert_eq!(open.take(), Some(attempt(detail)));
            }
            "attempt_ended" => {
                let (run, number) = attempt(detail);
                assert_eq!(open.take(), Some((run.clone(), number)));
                if detail["verdict"] == "accepted" {
                    accepted.insert(run, detail["result"].clone());
                }
            }
            "result_lost" => {
                accepted.remove(&text(&detail["run"]));
            }
            "runs_reopened" => {
                for run in detail["runs"].as_array().into_iter().flatten() {
                    accepted.remove(&text(run));
                }
            }
            _ => {}
        }
    }
    accepted
}

fn only(event: &Value) -> (&str, &Value) {
    let mut entries = event.as_object().unwrap().iter();
    let (kind, detail) = entries.next().unwrap();
    (kind, detail)
}

fn attempt(detail: &Value) -> (String, u64) {
    (text(&detail["run"]), detail["attempt"].as_u64().unwrap())
}

/// The error says what happened in one of `causes`, and the next step in one of `steps`.
pub fn names(said: &Said, causes: &[&str], steps: &[&str]) {
    let all = format!("{}\n{}", said.stderr, said.stdout);
    for (what, words) in [("cause", causes), ("next step", steps)] {
        assert!(
            words.iter().any(|word| all.contains(word)),
            "no {what} (of {words:?}) in: {said:#?}"
        );
    }
    assert!(!all.contains("panicked"), "{said:#?}");
    assert_ne!(said.code, Some(70), "{said:#?}");
}

/// The fault is gone: `resume` finishes the campaign with `runs` accepted runs, what was accepted before stays as it was,
/// resuming again changes nothing, the seal holds and nothing is left.
pub fn finishes(project: &Project, name: &str, runs: usize) {
    finishes_with(project, name, runs, &[]);
}

/// The same where `resume` needs more arguments, such as `--retry failed`.
pub fn finishes_with(project: &Project, name: &str, runs: usize, arguments: &[&str]) {
    let files = Files::of(project, name);
    hold(&files);
    let before = accepted(&files);
    let mut all = vec!["campaign", "resume", name];
    all.extend(arguments);
    let mut said = Vec::new();
    while said.last().is_none_or(|said: &Said| said.code != Some(0)) {
        assert!(said.len() < SESSIONS, "it does not get on: {said:#?}");
        said.push(project.run(&all));
    }
    hold(&files);
    let after = accepted(&files);
    assert_eq!(after.len(), runs, "{:?}", after.keys());
    for (run, result) in &before {
        assert_eq!(after[run], *result, "{run} was accepted before the fault");
    }
    project.expect(0, &["manifest", "verify", name]);
    clean(project, &files);
    idempotent(project, &files);
}

/// Nothing of the campaign is at the Engine, no process of it lives, no live folder and no temporary file is left:
/// guarantee 3.
pub fn clean(project: &Project, files: &Files<'_>) {
    files.assert_nothing_left();
    let torn: Vec<String> = project
        .paths()
        .into_iter()
        .filter(|path| path.ends_with("tmp") || path.contains(".tmp."))
        .collect();
    assert_eq!(torn, Vec::<String>::new(), "temporary files are left");
    assert_eq!(
        project.foreign(),
        Vec::<String>::new(),
        "files of somebody else"
    );
}

/// Resuming what is finished changes no byte of journal, results and manifests: guarantee 5.
pub fn idempotent(project: &Project, files: &Files<'_>) {
    let before = contents(project, files);
    let again = project.expect(0, &["campaign", "resume", &files.name]);
    assert!(again.stdout.contains("finished"), "{again:#?}");
    assert_eq!(contents(project, files), before, "resuming changed files");
}

fn contents(project: &Project, files: &Files<'_>) -> BTreeSet<(String, String)> {
    let root = project.root();
    // The lock names the last process that held it.
    let lock = files.results().join("lock");
    let below = |path: &Utf8PathBuf| {
        let ours = path.starts_with(files.results()) || path.starts_with(files.manifests());
        ours && path.is_file() && *path != lock
    };
    let paths = project.paths().into_iter().map(|path| root.join(path));
    paths
        .filter(below)
        .map(|path| (path.to_string(), sha256(&path)))
        .collect()
}

/// By a program that is not lemctl's.
fn sha256(path: &Utf8Path) -> String {
    let output = std::process::Command::new("sha256sum")
        .arg("--")
        .arg(path)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let digest = printed.trim_start_matches('\\').split(' ').next();
    digest.unwrap_or_default().to_owned()
}
