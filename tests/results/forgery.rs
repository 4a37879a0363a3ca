//! Forgeries of a sealed campaign: hashes fit, and what is said is not what happened. And the limit of what can be found.

use camino::{Utf8Path, Utf8PathBuf};
use lemctl::manifest::FindingKind;
use lemctl::runner::verified;
use lemctl::store::Folders;

use crate::copied::{Copied, kinds, sealed};
use crate::forger::Forger;

/// A manifest that is sealed again with every hash that fits, and does not say what the journal tells.
#[tokio::test(start_paused = true)]
async fn a_manifest_that_the_journal_does_not_tell_is_forged() {
    let whole = sealed().await;
    type Lie = fn(&mut serde_json::Value);
    let lies: [(&str, Lie); 18] = [
        ("its layout is of version 1", |m| {
            m["schema_version"] = 1.into()
        }),
        ("/runs/3/verdict", |m| {
            as_of_version_2(m);
            m["runs"][3]["verdict"] = "accepted".into();
        }),
        ("/tries", |m| {
            as_of_version_2(m);
            m["tries"] = serde_json::json!({ "attempts": 4, "after_interruption": 0, "retried": 0, "reopened": 0, "after_loss": 0 });
        }),
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

/// What a manifest of layout 2 lacked.
fn as_of_version_2(manifest: &mut serde_json::Value) {
    manifest["schema_version"] = 2.into();
    manifest.as_object_mut().unwrap().remove("tries").unwrap();
    for run in manifest["runs"].as_array_mut().unwrap() {
        for attempt in run["attempts"].as_array_mut().unwrap() {
            attempt.as_object_mut().unwrap().remove("because");
        }
    }
}

/// A campaign that an earlier lemctl sealed is no forgery.
#[tokio::test(start_paused = true)]
async fn a_manifest_of_version_2_is_held_against_its_journal() {
    let copied = sealed().await.again();
    let mut forger = Forger::new(&copied.folders);
    as_of_version_2(&mut forger.manifest);
    forger.seal();
    let found = copied.verified();
    assert_eq!((found.findings, found.not_compared), (vec![], None));
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
