//! Tamper evidence: every kind of edit to every file of a sealed campaign is found and named by `manifest verify`.
//!
//! On fakes, so that hundreds of edits are tried; tests/docker_campaigns/tampering.rs has some on a real Engine.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};

use camino::{Utf8Path, Utf8PathBuf};

use crate::copied::{Copied, kinds, sealed};

/// Spoils the file at a path.
type Spoil = Box<dyn Fn(&Copied, &Utf8Path)>;
/// What is done, the kind by which it is named, and how.
type Edit = (&'static str, &'static str, Spoil);

fn bytes(change: impl Fn(&mut Vec<u8>) + 'static) -> Spoil {
    Box::new(move |_, file| {
        let mut bytes = std::fs::read(file).unwrap();
        change(&mut bytes);
        std::fs::write(file, bytes).unwrap();
    })
}

fn mode(mode: u32) -> Spoil {
    Box::new(move |_, file| {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    })
}

/// Each edit of one file, with the kind by which it is named.
fn edits() -> Vec<Edit> {
    let mut edits: Vec<Edit> = vec![
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
