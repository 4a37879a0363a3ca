//! A sealed campaign whose files are changed: `manifest verify` ends with 8, names the file, and tells
//! absent from altered.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::campaign_files::{Files, campaign_text, text};
use crate::project::{Project, json};

type Change = fn(&str) -> String;

/// Swaps the first `from` in a text, which must be there.
fn swapped(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in {text}");
    text.replacen(from, to, 1)
}

/// Changes line `index` of a text.
fn with_line(text: &str, index: usize, change: Change) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[index] = change(&lines[index]);
    lines.join("\n") + "\n"
}

fn sealed() -> Option<Project> {
    let project = Project::with_docker()?;
    let text = campaign_text(
        "tampering",
        "hidden_size: [32], batch_size: [1, 2]",
        "cycles: 1",
        0.2,
    );
    project.write("campaigns/tampering.yaml", &text);
    let said = project.expect(0, &["campaign", "up", "campaigns/tampering.yaml"]);
    assert!(said.stdout.contains("verified: "), "{said:#?}");
    Some(project)
}

/// What `verify --format json` finds, as (kind, path).
fn findings(project: &Project, code: i32) -> Vec<(String, String)> {
    let said = project.expect(
        code,
        &["manifest", "verify", "tampering", "--format", "json"],
    );
    let said: Value = serde_json::from_str(&said.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| (text(&finding["kind"]), text(&finding["path"])))
        .collect()
}

/// Verifies with `file` as `damage` leaves it; the finding names the file first. Then mends it.
fn found(project: &Project, what: &str, file: &Utf8Path, kind: &str, damage: impl Fn(&Utf8Path)) {
    let whole = std::fs::read(file).unwrap();
    damage(file);
    let path = file.strip_prefix(project.root()).unwrap().to_string();
    let findings = findings(project, 8);
    let named = findings.contains(&(kind.to_owned(), path.clone()));
    assert!(named, "{what}: {kind} {path} is not among {findings:?}");
    let other = if kind == "absent" {
        "altered"
    } else {
        "absent"
    };
    let twice = findings.contains(&(other.to_owned(), path.clone()));
    assert!(!twice, "{what}: absent and altered at once: {findings:?}");
    let said = project.expect(8, &["manifest", "verify", "tampering"]);
    assert!(
        said.stdout.contains(&format!("{kind}: {path}: ")),
        "{what}: {said:#?}"
    );
    std::fs::write(file, whole).unwrap();
}

#[test]
fn docker_every_changed_file_is_named() {
    let Some(project) = sealed() else { return };
    let files = Files::of(&project, "tampering");
    let (results, manifests) = (files.results(), files.manifests());
    let manifest = files.manifest();
    let result = results.join(text(&manifest["runs"][0]["result"]["path"]));
    let record = result.with_file_name("record.json");
    let journal = results.join("journal.jsonl");
    let input = results
        .join("inputs")
        .join(text(&manifest["campaign"]["file_sha256"]));
    let sealed = manifests.join("manifest.json");
    let sums = manifests.join("SHA256SUMS");
    let altered: [(&str, &Utf8PathBuf, Change); 14] = [
        ("a figure of a result", &result, |text| {
            swapped(
                text,
                "\"output_tokens_per_second\": ",
                "\"output_tokens_per_second\": 9",
            )
        }),
        ("a result cut short", &result, |text| {
            text[..text.len() / 2].to_owned()
        }),
        ("a byte of a record", &record, |text| {
            swapped(text, "monotonic_ns\":", "monotonic_ns\":1")
        }),
        ("a config in the manifest", &sealed, |text| {
            swapped(text, "\"hidden_size\": 32", "\"hidden_size\": 48")
        }),
        ("a verdict in the manifest", &sealed, |text| {
            swapped(
                text,
                "\"verdict\": \"accepted\"",
                "\"verdict\": {\"rejected\": {\"reasons\": []}}",
            )
        }),
        ("a key too many in the manifest", &sealed, |text| {
            swapped(text, "{", "{\"more\": 1,")
        }),
        ("the journal's first line", &journal, |text| {
            with_line(text, 0, |line| swapped(line, "\"runs\":2", "\"runs\":3"))
        }),
        ("a line in the middle", &journal, |text| {
            with_line(text, text.lines().count() / 2, |line| {
                swapped(line, "\"at\":\"2", "\"at\":\"3")
            })
        }),
        ("the last line", &journal, |text| {
            with_line(text, text.lines().count() - 1, |line| {
                swapped(line, "\"at\":\"2", "\"at\":\"3")
            })
        }),
        ("the journal without its seal", &journal, |text| {
            text.lines()
                .take(text.lines().count() - 1)
                .map(|line| format!("{line}\n"))
                .collect()
        }),
        ("the journal's tail torn", &journal, |text| {
            text[..text.len() - 9].to_owned()
        }),
        ("a journal without lines", &journal, |_| String::new()),
        ("a hash in SHA256SUMS", &sums, |text| {
            with_line(text, 1, |line| {
                format!("{}{}", &line[1..64], line.replacen(&line[1..64], "", 1))
            })
        }),
        ("an input", &input, |text| {
            swapped(text, "min_requests: 2", "min_requests: 3")
        }),
    ];
    for (what, file, change) in altered {
        found(&project, what, file, "altered", |file| {
            let text = std::fs::read_to_string(file).unwrap();
            std::fs::write(file, change(&text)).unwrap();
        });
    }
    for file in [&result, &record, &journal, &sealed, &sums, &input] {
        let what = format!("{file} removed");
        found(&project, &what, file, "absent", |file| {
            std::fs::remove_file(file).unwrap()
        });
    }
    // A config is told apart from the rest of its file: the experiment is named.
    let whole = std::fs::read_to_string(&sealed).unwrap();
    let other = swapped(&whole, "\"hidden_size\": 32", "\"hidden_size\": 48");
    std::fs::write(&sealed, other).unwrap();
    let id = text(&manifest["experiments"][0]["id"]);
    let said = project.expect(8, &["manifest", "verify", "tampering"]);
    let named = format!("the config of experiment {id} has hash");
    assert!(said.stdout.contains(&named), "{said:#?}");
    std::fs::write(&sealed, whole).unwrap();
    assert_eq!(findings(&project, 0), [], "all is mended");
    files.assert_nothing_left();
}

/// A forger who makes every hash below the manifest fit is still found by the journal.
#[test]
fn docker_a_forged_result_with_a_fitting_manifest_is_found() {
    let Some(project) = sealed() else { return };
    let files = Files::of(&project, "tampering");
    let cited = files.manifest()["runs"][0]["result"].clone();
    let result = files.results().join(text(&cited["path"]));
    let forged = std::fs::read_to_string(&result).unwrap();
    let forged = swapped(
        &forged,
        "\"output_tokens_per_second\": ",
        "\"output_tokens_per_second\": 9",
    );
    std::fs::write(&result, forged).unwrap();
    let sums = |path: &Utf8Path| {
        let output = std::process::Command::new("sha256sum")
            .arg(path)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()[..64].to_owned()
    };
    let (old, new) = (text(&cited["sha256"]), sums(&result));
    let sealed = files.manifests().join("manifest.json");
    let before = sums(&sealed);
    let manifest = std::fs::read_to_string(&sealed)
        .unwrap()
        .replace(&old, &new);
    std::fs::write(&sealed, manifest).unwrap();
    let list = files.manifests().join("SHA256SUMS");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(
        &list,
        text.replace(&old, &new).replace(&before, &sums(&sealed)),
    )
    .unwrap();
    let checked = std::process::Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(files.manifests())
        .status();
    assert!(checked.unwrap().success(), "the forgery is not complete");
    let path = sealed.strip_prefix(project.root()).unwrap().to_string();
    assert_eq!(findings(&project, 8), [("altered".to_owned(), path)]);
    files.assert_nothing_left();
}

/// A crash between the seal and SHA256SUMS leaves a journal that is sealed: resuming mends the list.
#[test]
fn docker_resume_writes_the_list_that_a_crash_left_out() {
    let Some(project) = sealed() else { return };
    let files = Files::of(&project, "tampering");
    let list = files.manifests().join("SHA256SUMS");
    let whole = std::fs::read_to_string(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    project.expect(0, &["campaign", "resume", "tampering"]);
    assert_eq!(std::fs::read_to_string(&list).unwrap(), whole);
    assert_eq!(findings(&project, 0), []);
    assert_eq!(json(files.manifests().join("manifest.json"))["sessions"], 1);
    files.assert_nothing_left();
}
