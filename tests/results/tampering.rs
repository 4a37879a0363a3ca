//! Tamper evidence: every kind of edit to every file of a sealed campaign is found and named by `manifest verify`.
//!
//! On fakes, so that hundreds of edits are tried; tests/docker_campaigns/tampering.rs has some on a real Engine.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};

use camino::{Utf8Path, Utf8PathBuf};
use lemctl::manifest::{Finding, FindingKind, Verification};
use lemctl::runner::verified;
use lemctl::store::Folders;

use crate::fake_worker::Act;
use crate::forger::Forger;
use crate::stage::{EIGHT, Stage};
use crate::text;

/// Two engines with real weights and two cycles, one of whose four runs fails; quality is assessed on both.
fn campaign() -> String {
    let reference = "quality: {reference: {when: {load_quantised: false}}}";
    EIGHT
        .replace(
            "model: {random: {seed: 1}}",
            &format!("model: {{local: {{path: m}}}}\n{reference}"),
        )
        .replace("[reference]", "[widget]")
        .replace(
            "num_layers: [1, 2], batch_size: [1, 2]",
            "load_quantised: [false, true]",
        )
        .replace("arrival: batch", "arrival: {closed_loop: {concurrency: 1}}")
}

/// A sealed campaign with everything that one can have: a failed run, records of quality, scores, a second seal.
async fn sealed() -> Copied {
    let stage = Stage::new(&campaign());
    stage.worker.at("measure", 4, Act::Refuse("out_of_memory"));
    stage.up().await.unwrap();
    let experiment = stage.state().plan().experiments[0].id.clone();
    std::fs::write(
        stage.root().join("scores.json"),
        r#"{"results": {"arc_easy": {"acc,none": 0.625}}}"#,
    )
    .unwrap();
    let attach = [
        "results",
        "attach-scores",
        "staged",
        &experiment,
        "scores.json",
    ];
    text(&stage, 0, &attach);
    let copied = Copied::of(&stage.root(), &stage.folders());
    assert_eq!(copied.verified().findings, []);
    assert_eq!(copied.verified().not_compared, None);
    copied
}

/// A copy of a project's sealed folders, to be spoilt.
pub struct Copied {
    pub folders: Folders,
    outside: Utf8PathBuf,
    _folder: tempfile::TempDir,
}

impl Copied {
    fn of(root: &Utf8Path, folders: &Folders) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let project = path.join("project");
        for part in ["results", "manifests"] {
            copy(&root.join(part), &project.join(part));
        }
        let outside = path.join("outside");
        std::fs::create_dir(&outside).unwrap();
        Self {
            folders: Folders::new(&project, &folders.campaign, &folders.id),
            outside,
            _folder: folder,
        }
    }

    fn again(&self) -> Self {
        Self::of(&self.folders.root, &self.folders)
    }

    fn verified(&self) -> Verification {
        verified(&self.folders)
    }

    /// Every file below results and manifests, by its path from the root.
    fn files(&self) -> Vec<Utf8PathBuf> {
        let mut files = Vec::new();
        for folder in [self.folders.results(), self.folders.manifests()] {
            gather(&folder, &mut files);
        }
        files.sort();
        let strip = |path: Utf8PathBuf| path.strip_prefix(&self.folders.root).unwrap().to_owned();
        files.into_iter().map(strip).collect()
    }

    /// The files that a seal holds: all but the lock and the logs.
    fn sealed_files(&self) -> Vec<Utf8PathBuf> {
        let unsealed = |path: &Utf8Path| {
            path.file_name() == Some("lock")
                || path.components().any(|part| part.as_str() == "logs")
        };
        let files = self.files().into_iter();
        files.filter(|path| !unsealed(path)).collect()
    }

    fn at(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.folders.root.join(path)
    }
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn gather(folder: &Utf8Path, files: &mut Vec<Utf8PathBuf>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        match path.is_dir() {
            true => gather(&path, files),
            false => files.push(path),
        }
    }
}

/// What was found at a path.
fn kinds(findings: &[Finding], path: &Utf8Path) -> BTreeSet<&'static str> {
    let at = findings
        .iter()
        .filter(|finding| finding.path == path.as_str());
    at.map(|finding| finding.kind.word()).collect()
}

type Edit<'a> = (&'a str, &'static str, Box<dyn Fn(&Copied, &Utf8Path) + 'a>);

fn bytes(change: impl Fn(&mut Vec<u8>) + 'static) -> Box<dyn Fn(&Copied, &Utf8Path)> {
    Box::new(move |_, file| {
        let mut bytes = std::fs::read(file).unwrap();
        change(&mut bytes);
        std::fs::write(file, bytes).unwrap();
    })
}

fn mode(mode: u32) -> Box<dyn Fn(&Copied, &Utf8Path)> {
    Box::new(move |_, file| {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    })
}

/// Each edit of one file, with the kind by which it is named.
fn edits() -> Vec<Edit<'static>> {
    let mut edits: Vec<Edit<'static>> = vec![
        (
            "deleted",
            "absent",
            Box::new(|_, file| std::fs::remove_file(file).unwrap()),
        ),
        (
            "a byte shorter",
            "altered",
            bytes(|bytes| bytes.truncate(bytes.len() - 1)),
        ),
        ("empty", "altered", bytes(Vec::clear)),
        ("a byte longer", "altered", bytes(|bytes| bytes.push(b'x'))),
        (
            "a line break longer",
            "altered",
            bytes(|bytes| bytes.push(b'\n')),
        ),
        (
            "a link to the same content",
            "altered",
            Box::new(|copied, file| {
                let target = copied.outside.join("same");
                std::fs::rename(file, &target).unwrap();
                symlink(&target, file).unwrap();
            }),
        ),
        (
            "a file of two names",
            "altered",
            Box::new(|copied, file| {
                std::fs::hard_link(file, copied.outside.join("second")).unwrap();
            }),
        ),
        (
            "a folder",
            "altered",
            Box::new(|_, file| {
                std::fs::remove_file(file).unwrap();
                std::fs::create_dir(file).unwrap();
            }),
        ),
        (
            "a pipe",
            "altered",
            Box::new(|_, file| {
                std::fs::remove_file(file).unwrap();
                let made = std::process::Command::new("mkfifo").arg(file).status();
                assert!(made.unwrap().success());
            }),
        ),
        ("open to everybody", "altered", mode(0o666)),
        ("executable", "altered", mode(0o755)),
        ("set-user-id", "altered", mode(0o4644)),
    ];
    for place in [0.0, 0.25, 0.5, 0.75, 1.0] {
        for bit in [0, 4, 7] {
            let flip = bytes(move |bytes: &mut Vec<u8>| {
                let at = ((bytes.len() - 1) as f64 * place) as usize;
                bytes[at] ^= 1 << bit;
            });
            edits.push(("a bit flipped", "altered", flip));
        }
    }
    edits
}

#[tokio::test(start_paused = true)]
async fn every_edit_of_every_file_is_named() {
    let whole = sealed().await;
    let files = whole.sealed_files();
    let names: BTreeSet<&str> = files.iter().filter_map(|file| file.file_name()).collect();
    for name in [
        "manifest.json",
        "SHA256SUMS",
        "journal.jsonl",
        "result.json",
        "record.json",
        "quality.json",
    ] {
        assert!(names.contains(name), "{name} is not among {files:?}");
    }
    assert!(files.len() >= 15, "{files:?}");
    let mut missed = Vec::new();
    for file in &files {
        for (what, kind, edit) in edits() {
            let copied = whole.again();
            edit(&copied, &copied.at(file));
            let findings = copied.verified().findings;
            if !kinds(&findings, file).contains(kind) {
                missed.push(format!("{file}: {what}: no {kind} in {findings:#?}"));
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} missed:\n{}",
        missed.len(),
        missed.join("\n")
    );
}

/// Both files of a pair are named, whether one takes the other's place or both change places.
#[tokio::test(start_paused = true)]
async fn files_in_each_others_place_are_named() {
    let whole = sealed().await;
    let files = whole.sealed_files();
    let mut tried = 0;
    for (index, one) in files.iter().enumerate() {
        let content = std::fs::read(whole.at(one)).unwrap();
        let others = files[index + 1..].iter();
        for other in others.filter(|other| std::fs::read(whole.at(other)).unwrap() != content) {
            tried += 1;
            let copied = whole.again();
            std::fs::copy(copied.at(other), copied.at(one)).unwrap();
            let findings = copied.verified().findings;
            assert!(
                !kinds(&findings, one).is_empty(),
                "{other} for {one}: {findings:#?}"
            );
            // Now the other one as well.
            std::fs::write(copied.at(other), &content).unwrap();
            let findings = copied.verified().findings;
            for file in [one, other] {
                assert!(
                    !kinds(&findings, file).is_empty(),
                    "{one} and {other}: {findings:#?}"
                );
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

/// What is added is named, wherever it is, and whatever it is; the lock and the logs are nobody's evidence.
#[tokio::test(start_paused = true)]
async fn what_no_seal_names_is_extra() {
    let whole = sealed().await;
    let results = whole.folders.results();
    let results = results.strip_prefix(&whole.folders.root).unwrap();
    let manifests = whole.folders.manifests();
    let manifests = manifests.strip_prefix(&whole.folders.root).unwrap();
    let result = whole
        .sealed_files()
        .into_iter()
        .find(|file| file.file_name() == Some("result.json"));
    let attempt = result.unwrap().parent().unwrap().to_owned();
    let places = [
        results.join("notes.txt"),
        results.join("new/a1/result.json"),
        results.join("inputs/notes.txt"),
        results.join("inputs").join("ab".repeat(32)),
        attempt.join("result.json.bak"),
        attempt.with_file_name("a7").join("result.json"),
        manifests.join("manifest.json.old"),
        manifests.join("deep/er/x"),
    ];
    for place in &places {
        let copied = whole.again();
        std::fs::create_dir_all(copied.at(place).parent().unwrap()).unwrap();
        std::fs::write(copied.at(place), "{}").unwrap();
        let findings = copied.verified().findings;
        assert_eq!(
            kinds(&findings, place),
            ["extra"].into(),
            "{place}: {findings:#?}"
        );
        assert_eq!(findings.len(), 1, "{findings:#?}");
        // A link that leads anywhere is as foreign.
        std::fs::remove_file(copied.at(place)).unwrap();
        symlink("/", copied.at(place)).unwrap();
        let findings = copied.verified().findings;
        assert_eq!(
            kinds(&findings, place),
            ["extra"].into(),
            "{place}: {findings:#?}"
        );
    }
    let copied = whole.again();
    std::fs::write(copied.at(&results.join("logs/worker.log")), "said later").unwrap();
    std::fs::write(copied.at(&results.join("lock")), "1\n").unwrap();
    assert_eq!(copied.verified().findings, []);
}

/// Folders moved, swapped, removed or led elsewhere.
#[tokio::test(start_paused = true)]
async fn moved_and_removed_folders_are_named() {
    let whole = sealed().await;
    let results: Vec<Utf8PathBuf> = whole
        .sealed_files()
        .into_iter()
        .filter(|file| file.file_name() == Some("result.json"))
        .collect();
    let attempt = |index: usize| results[index].parent().unwrap().to_owned();
    let run = |index: usize| attempt(index).parent().unwrap().to_owned();

    let renamed = whole.again();
    let to = run(0).with_file_name("renamed");
    std::fs::rename(renamed.at(&run(0)), renamed.at(&to)).unwrap();
    let findings = renamed.verified().findings;
    assert_eq!(
        kinds(&findings, &results[0]),
        ["absent"].into(),
        "{findings:#?}"
    );
    assert_eq!(
        kinds(&findings, &to.join("a1/result.json")),
        ["extra"].into(),
        "{findings:#?}"
    );

    let removed = whole.again();
    std::fs::remove_dir_all(removed.at(&attempt(0))).unwrap();
    let findings = removed.verified().findings;
    for name in ["result.json", "record.json"] {
        let file = attempt(0).join(name);
        assert_eq!(kinds(&findings, &file), ["absent"].into(), "{findings:#?}");
    }

    let led = whole.again();
    let target = led.outside.join("run");
    std::fs::rename(led.at(&run(0)), &target).unwrap();
    symlink(&target, led.at(&run(0))).unwrap();
    let findings = led.verified().findings;
    assert_eq!(
        kinds(&findings, &run(0)),
        ["altered"].into(),
        "{findings:#?}"
    );

    let swapped = whole.again();
    swap(&swapped, &run(0), &run(1));
    let findings = swapped.verified().findings;
    for index in [0, 1] {
        assert!(
            !kinds(&findings, &results[index]).is_empty(),
            "{findings:#?}"
        );
    }
}

fn swap(copied: &Copied, one: &Utf8Path, other: &Utf8Path) {
    let aside = copied.outside.join("aside");
    std::fs::rename(copied.at(one), &aside).unwrap();
    std::fs::rename(copied.at(other), copied.at(one)).unwrap();
    std::fs::rename(&aside, copied.at(other)).unwrap();
}

/// A manifest that is sealed again with every hash that fits, and does not say what the journal tells.
#[tokio::test(start_paused = true)]
async fn a_manifest_that_the_journal_does_not_tell_is_forged() {
    let whole = sealed().await;
    type Lie = fn(&mut serde_json::Value);
    let lies: [(&str, Lie); 15] = [
        ("/runs/0/verdict", |m| {
            m["runs"][0]["verdict"] = serde_json::json!({"rejected": {"reasons": []}})
        }),
        ("/runs/0/figures/output_tokens_per_second", |m| {
            m["runs"][0]["figures"]["output_tokens_per_second"] = 9.5.into()
        }),
        ("/runs/3/attempts", |m| {
            drop(m["runs"][3]["attempts"].as_array_mut().unwrap().pop())
        }),
        ("/runs/3/verdict", |m| {
            m["runs"][3]["verdict"] = "accepted".into()
        }),
        ("/runs/0/measured_on/simulated", |m| {
            m["runs"][0]["measured_on"]["simulated"] = true.into()
        }),
        ("/runs/0/cycle", |m| m["runs"][0]["cycle"] = 2.into()),
        ("/tally/failed", |m| m["tally"]["failed"] = 0.into()),
        ("/sessions", |m| m["sessions"] = 7.into()),
        ("/environment", |m| m["environment"] = serde_json::json!({})),
        ("/previous_manifest", |m| {
            m["previous_manifest"] = serde_json::Value::Null
        }),
        ("/overrides", |m| {
            m["overrides"] = serde_json::json!(["driver"])
        }),
        ("/images", |m| {
            m["images"]["widget"] = serde_json::json!({"id": "sha256:00"})
        }),
        ("/experiments/0/cycles/accepted", |m| {
            m["experiments"][0]["cycles"]["accepted"] = 9.into()
        }),
        ("/experiments/1/quality/status", |m| {
            m["experiments"][1]["quality"]["status"] = "failed".into()
        }),
        ("/campaign/plan_hash", |m| {
            m["campaign"]["plan_hash"] = "0".repeat(64).into()
        }),
    ];
    let manifest = Utf8Path::new("manifests")
        .join(&whole.folders.campaign)
        .join(&whole.folders.id)
        .join("manifest.json");
    for (place, lie) in lies {
        let copied = whole.again();
        let mut forger = Forger::new(&copied.folders);
        lie(&mut forger.manifest);
        forger.seal();
        let findings = copied.verified().findings;
        assert_eq!(
            kinds(&findings, &manifest),
            ["forged"].into(),
            "{place}: {findings:#?}"
        );
        let named = findings
            .iter()
            .any(|finding| finding.what.starts_with(place));
        assert!(named, "{place}: {findings:#?}");
        // The files alone do not show it.
        assert_eq!(
            lemctl::manifest::verify(&copied.folders).findings,
            [],
            "{place}"
        );
    }
}

/// Two runs change places on disk, in the manifest and in the list.
#[tokio::test(start_paused = true)]
async fn runs_that_change_places_everywhere_but_in_the_journal_are_forged() {
    let copied = sealed().await.again();
    let mut forger = Forger::new(&copied.folders);
    let runs = forger.manifest["runs"].as_array_mut().unwrap();
    let (one, other) = (runs[0].clone(), runs[1].clone());
    for key in ["attempts", "verdict", "result", "measured_on", "figures"] {
        runs[0][key] = other[key].clone();
        runs[1][key] = one[key].clone();
    }
    forger.seal();
    let findings = copied.verified().findings;
    let forged = findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::Forged);
    assert!(forged.count() >= 2, "{findings:#?}");
}

/// A journal of another campaign, a journal with another time, a folder of another name.
#[tokio::test(start_paused = true)]
async fn another_journal_and_another_folder_are_named() {
    let whole = sealed().await;
    let other = sealed().await;
    let strip = |copied: &Copied, path: Utf8PathBuf| {
        path.strip_prefix(&copied.folders.root).unwrap().to_owned()
    };
    let journal = |copied: &Copied| copied.folders.results().join("journal.jsonl");

    let copied = whole.again();
    std::fs::copy(journal(&other), journal(&copied)).unwrap();
    let findings = copied.verified().findings;
    let path = strip(&copied, journal(&copied));
    assert!(kinds(&findings, &path).contains("forged"), "{findings:#?}");
    let named = findings
        .iter()
        .any(|finding| finding.what.contains(&other.folders.id));
    assert!(named, "{findings:#?}");

    // A time in the middle: found by the chain, and by the seal where the chain is made anew.
    for (number, anew) in [(3, false), (3, true), (0, true)] {
        let copied = whole.again();
        let mut forger = Forger::new(&copied.folders);
        forger.events[number]["at"] = "2020-01-01T00:00:00.000Z".into();
        forger.write_journal(anew);
        let findings = copied.verified().findings;
        let path = strip(&copied, journal(&copied));
        assert!(
            kinds(&findings, &path).contains("altered"),
            "{number} {anew}: {findings:#?}"
        );
    }
    // The last line is in no chain: the list has its hash.
    let copied = whole.again();
    let mut forger = Forger::new(&copied.folders);
    forger.events.last_mut().unwrap()["at"] = "2020-01-01T00:00:00.000Z".into();
    forger.write_journal(true);
    let findings = copied.verified().findings;
    assert!(
        kinds(&findings, &strip(&copied, journal(&copied))).contains("altered"),
        "{findings:#?}"
    );

    // All of it under another id.
    let copied = whole.again();
    let moved = Folders::new(
        &copied.folders.root,
        &copied.folders.campaign,
        "20200101T000000Z-000000",
    );
    std::fs::rename(copied.folders.results(), moved.results()).unwrap();
    std::fs::rename(copied.folders.manifests(), moved.manifests()).unwrap();
    let findings = verified(&moved).findings;
    let forged: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::Forged)
        .map(|finding| finding.path.as_str())
        .collect();
    assert!(
        forged.iter().any(|path| path.ends_with("manifest.json")),
        "{findings:#?}"
    );
    assert!(
        forged.iter().any(|path| path.ends_with("journal.jsonl")),
        "{findings:#?}"
    );
}

/// The limit: nothing is signed. Whoever writes events, chain, seal and list anew is believed (docs/reliability.md).
#[tokio::test(start_paused = true)]
async fn what_is_rewritten_everywhere_is_not_found() {
    let copied = sealed().await.again();
    let mut forger = Forger::new(&copied.folders);
    for event in &mut forger.events {
        event["at"] = "2020-01-01T00:00:00.000Z".into();
    }
    forger.seal();
    assert_eq!(copied.verified().findings, []);
}
