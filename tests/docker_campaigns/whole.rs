//! A campaign from file to sealed manifest, with nothing in its way.

use std::process::Command;

use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, docker, text};
use crate::project::{Project, json};
use crate::session::Session;

fn begun(name: &str) -> Option<Project> {
    let project = Project::with_docker()?;
    // 36 is no multiple of 8 heads' even widths: pruned with its rule.
    let text = campaign_text(
        name,
        "hidden_size: [32, 34], batch_size: [1, 2]",
        "cycles: 2",
        0.2,
    );
    project.write(&format!("campaigns/{name}.yaml"), &text);
    Some(project)
}

#[test]
fn docker_from_a_file_to_a_manifest_that_verifies() {
    let Some(project) = begun("whole") else {
        return;
    };
    let before = project.paths();
    let said = project.expect(0, &["campaign", "up", "campaigns/whole.yaml"]);
    let files = Files::of(&project, "whole");
    let manifest = files.manifest();
    for experiment in manifest["experiments"].as_array().unwrap() {
        let id = text(&experiment["id"]);
        let row = said.stdout.lines().find(|line| line.starts_with(&id));
        assert!(
            row.is_some_and(|row| row.contains("2/2") && row.contains('±')),
            "{id}: {said:#?}"
        );
        assert!(
            experiment["cycles"]["figures"]["output_tokens_per_second"]["mean"]
                .as_f64()
                .unwrap()
                > 0.0
        );
    }
    let path = files.manifests().join("manifest.json");
    let path = path.strip_prefix(project.root()).unwrap();
    assert!(
        said.stdout.contains(&format!("manifest: {path}")),
        "{said:#?}"
    );
    assert!(said.stdout.contains("verified: "), "{said:#?}");
    let checked = Command::new("sha256sum")
        .args(["-c", "--strict", "SHA256SUMS"])
        .current_dir(files.manifests())
        .output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let agreed = String::from_utf8(checked.stdout).unwrap();
    for run in manifest["runs"].as_array().unwrap() {
        assert_eq!(run["verdict"], "accepted");
        let result = text(&run["result"]["path"]);
        assert!(agreed.contains(&format!("{result}: OK")), "{agreed}");
        let result = json(files.results().join(result));
        assert_eq!(
            (&result["run"], &result["verdict"]),
            (&run["run"], &Value::from("accepted"))
        );
    }
    assert_eq!(manifest["runs"].as_array().unwrap().len(), 4);
    assert_eq!(manifest["previous_manifest"], Value::Null);
    // Everything belongs to the user, and stands in the three folders that the issue names.
    assert_eq!(project.foreign(), Vec::<String>::new());
    for path in project.paths().iter().filter(|path| !before.contains(path)) {
        let expected = ["results", "manifests", ".lem"]
            .iter()
            .any(|folder| path.starts_with(folder));
        assert!(expected, "{path} was written");
    }
    files.assert_nothing_left();
}

#[test]
fn docker_a_manifest_names_no_host_user_or_home() {
    let Some(project) = begun("private") else {
        return;
    };
    project.expect(
        0,
        &[
            "campaign",
            "up",
            "campaigns/private.yaml",
            "--progress",
            "quiet",
        ],
    );
    let files = Files::of(&project, "private");
    let manifest = std::fs::read_to_string(files.manifests().join("manifest.json")).unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for secret in [
        project.root().as_str(),
        &format!("\"{}\"", host.trim()),
        "/nonexistent",
    ] {
        assert!(!manifest.contains(secret), "{secret}");
    }
    files.assert_nothing_left();
}

#[test]
fn docker_progress_as_json_is_nothing_but_json() {
    let Some(project) = begun("progress") else {
        return;
    };
    let said = Session::start(&project, &["campaign", "up", "campaigns/progress.yaml"]).end();
    assert_eq!(said.code, Some(0), "{said:#?}");
    let lines: Vec<Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let files = Files::of(&project, "progress");
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["notice"] == "event")
        .map(|line| &line["event"])
        .collect();
    // The first event is journaled before the session that tells them begins.
    let journaled = files.events();
    assert_eq!(told, journaled.iter().skip(1).collect::<Vec<_>>());
    assert!(said.stderr.contains("verified: "), "{said:#?}");
    for phase in ["warm-up", "measure", "store"] {
        assert!(lines.iter().any(|line| line["phase"] == phase), "{phase}");
    }
    files.assert_nothing_left();
}

#[test]
fn docker_a_second_up_of_a_finished_campaign_begins_another() {
    let Some(project) = begun("again") else {
        return;
    };
    let up = [
        "campaign",
        "up",
        "campaigns/again.yaml",
        "--progress",
        "quiet",
    ];
    project.expect(0, &up);
    let first = Files::of(&project, "again").manifest();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    project.expect(0, &up);
    let list = project.expect(0, &["campaign", "list", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2, "{list:?}");
    assert!(
        list.iter().all(|line| line["state"] == "sealed"),
        "{list:?}"
    );
    let show = project.expect(0, &["manifest", "show", "again", "--format", "json"]);
    let second: Value = serde_json::from_str(&show.stdout).unwrap();
    assert_ne!(
        second["campaign"]["id"], first["campaign"]["id"],
        "`show` gives the latest"
    );
    for field in ["hash", "plan_hash", "file_sha256"] {
        assert_eq!(
            second["campaign"][field], first["campaign"][field],
            "{field}"
        );
    }
    let all = "label=org.lemctl.campaign-name=again";
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", all]), "");
    assert_eq!(project.foreign(), Vec::<String>::new());
}
