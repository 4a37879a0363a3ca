//! A campaign whose file is edited after it began: nothing follows without a yes, then accepted runs stay.

use crate::campaign_files::{Files, campaign_text, text};
use crate::project::Project;
use crate::session::Session;

const FILE: &str = "campaigns/edits.yaml";
const RESUME: [&str; 3] = ["campaign", "resume", FILE];
const ACCEPT: [&str; 4] = ["campaign", "resume", FILE, "--accept-changes"];

fn write(project: &Project, batches: &str, execution: &str) {
    let shared = format!("hidden_size: [32], batch_size: {batches}");
    project.write(FILE, &campaign_text("edits", &shared, execution, 0.4));
}

/// Hashes of the results that stand, by batch size.
fn results(files: &Files<'_>) -> Vec<(u64, String)> {
    let manifest = files.manifest();
    let of = |run: &serde_json::Value| {
        let mut experiments = manifest["experiments"].as_array().unwrap().iter();
        let experiment = experiments
            .find(|experiment| experiment["id"] == run["experiment"])
            .unwrap();
        let batch = experiment["config"]["request"]["batch_size"]
            .as_u64()
            .unwrap();
        (batch, text(&run["result"]["sha256"]))
    };
    let mut results: Vec<_> = manifest["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(of)
        .collect();
    results.sort();
    results
}

#[test]
fn docker_an_edit_is_named_and_keeps_what_is_unchanged() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    write(&project, "[1, 2, 3]", "cycles: 1");
    let mut session = Session::start(&project, &["campaign", "up", FILE]);
    session.wait_event("attempt_ended");
    session.wait_event("attempt_ended");
    session.wait_phase("measure");
    session.signal("INT");
    assert_eq!(session.end().code, Some(130));
    let files = Files::of(&project, "edits");
    let kept = files.accepted()[1].1.clone();
    let before = files.events().len();
    write(&project, "[2, 3, 4]", "cycles: 1");
    let said = project.expect(7, &RESUME);
    let changes = "1 accepted runs stay, 1 runs are new, 1 are retired";
    assert!(
        said.stderr.contains(changes) && said.stderr.contains("--accept-changes"),
        "{said:#?}"
    );
    assert_eq!(
        files.events().len(),
        before,
        "a refusal leaves the journal alone"
    );
    let said = project.expect(0, &ACCEPT);
    assert!(said.stderr.contains(changes), "{said:#?}");
    let measured = results(&files);
    assert_eq!(
        measured.iter().map(|(batch, _)| *batch).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert_eq!(
        measured[0].1, kept,
        "batch size 2 was accepted before the edit"
    );
    let manifest = files.manifest();
    let retired = manifest["retired"].as_array().unwrap();
    assert_eq!(retired.len(), 1, "{retired:?}");
    assert!(
        retired[0].to_string().contains(&files.accepted()[0].0),
        "{retired:?}"
    );
    assert_eq!(
        text(&manifest["campaign"]["file"]),
        std::fs::read_to_string(project.root().join(FILE)).unwrap()
    );
    project.expect(0, &["manifest", "verify", "edits"]);
    files.assert_nothing_left();
}

#[test]
fn docker_a_sealed_campaign_grows_by_an_edit() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    write(&project, "[1]", "cycles: 1");
    project.expect(0, &["campaign", "up", FILE]);
    let files = Files::of(&project, "edits");
    let first = results(&files);
    let sealed = text(&files.events_of("sealed")[0]["manifest_sha256"]);
    let said = project.expect(0, &RESUME);
    assert!(said.stdout.contains("finished and sealed"), "{said:#?}");
    let said = project.expect(0, &[&RESUME[..], &["--progress", "json"]].concat());
    assert_eq!(said.stdout, "", "not JSON");
    assert_eq!(files.events_of("sealed").len(), 1, "nothing was edited yet");
    write(&project, "[1]", "cycles: 2");
    let said = project.expect(7, &RESUME);
    assert!(
        said.stderr
            .contains("1 accepted runs stay, 1 runs are new, 0 are retired"),
        "{said:#?}"
    );
    // What is accepted where nothing can run is not written: the seal stays whole.
    let said = project.without_engine(&ACCEPT);
    assert_eq!(said.code, Some(4), "{said:#?}");
    assert!(!said.stderr.contains("changes accepted"), "{said:#?}");
    project.expect(0, &["manifest", "verify", "edits"]);
    project.expect(0, &ACCEPT);
    let grown = results(&files);
    assert_eq!(grown.len(), 2);
    assert!(
        grown.contains(&first[0]),
        "the first cycle's result is kept"
    );
    assert_eq!(files.manifest()["previous_manifest"], sealed.as_str());
    project.expect(0, &["manifest", "verify", "edits"]);
    files.assert_nothing_left();
}

#[test]
fn docker_another_order_is_a_change_too_and_another_spelling_is_none() {
    let Some(project) = Project::with_docker() else {
        return;
    };
    write(&project, "[1, 2]", "cycles: 1");
    project.expect(0, &["campaign", "up", FILE]);
    let path = project.root().join(FILE);
    let spelled = std::fs::read_to_string(&path).unwrap();
    let spelled = spelled.replace(
        "hidden_size: [32], batch_size: [1, 2]",
        "batch_size: [1, 2], hidden_size: [32]",
    );
    project.write(FILE, &format!("# A remark.\n{spelled}"));
    project.expect(0, &RESUME);
    write(&project, "[1, 2]", "cycles: 1, force_cold_start: true");
    let said = project.expect(7, &RESUME);
    assert!(
        said.stderr.contains("order, gaps or other rules differ"),
        "{said:#?}"
    );
    Files::of(&project, "edits").assert_nothing_left();
}
