//! Bytes that lemctl did not write itself: whatever they are, it answers and never panics. Every seed, every input that
//! once broke something, and mutations of both, through the same functions as the fuzz targets (docs/reliability.md).
//!
//! `UPDATE_FUZZ_SEEDS=1` writes those seeds anew that come out of lemctl.
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
#[path = "support/stage.rs"]
mod stage;
#[path = "support/subjects/mod.rs"]
mod subjects;

#[path = "fuzzed/made.rs"]
mod made;
#[path = "fuzzed/mutate.rs"]
mod mutate;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use mutate::{Edit, edit, mutated};

/// Inputs by subject: files of the repository that are such inputs, and those under `fuzz/`.
static INPUTS: LazyLock<BTreeMap<&str, Vec<Vec<u8>>>> = LazyLock::new(|| {
    let root = subjects::repository();
    let inputs = |name: &str| {
        let mut folders = vec![
            format!("fuzz/seeds/{name}"),
            format!("fuzz/regressions/{name}"),
        ];
        match name {
            "campaign" => folders.extend(["campaigns".into(), "tests/invalid".into()]),
            "compose" => folders.extend(["compose".into(), "compose/variants".into()]),
            _ => {}
        }
        let mut paths: Vec<_> = folders
            .iter()
            .filter_map(|folder| root.join(folder).read_dir_utf8().ok())
            .flatten()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.is_file())
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect()
    };
    subjects::ALL
        .iter()
        .map(|(name, _)| (*name, inputs(name)))
        .collect()
});

#[test]
fn every_subject_is_a_fuzz_target_with_seeds() {
    let root = subjects::repository();
    let targets = root.join("fuzz/fuzz_targets").read_dir_utf8().unwrap();
    let mut targets: Vec<String> = targets
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned())
        .collect();
    targets.sort();
    let names: Vec<&str> = subjects::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, names);
    for (name, inputs) in &*INPUTS {
        assert!(!inputs.is_empty(), "{name} has no seed");
    }
}

/// Mutations of a subject's inputs, as many as take a few seconds.
fn fuzz(name: &str, cases: u32) {
    let (_, run) = subjects::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    let inputs: &[Vec<u8>] = &INPUTS[name];
    for input in inputs {
        run(input);
    }
    let config = Config {
        cases,
        // What broke is an input under fuzz/regressions, not a seed of the random generator.
        failure_persistence: None,
        ..Config::default()
    };
    let edits = prop::collection::vec(edit(), 1..6);
    let strategy = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        edits,
    );
    TestRunner::new(config)
        .run(&strategy, |(first, second, edits): (_, _, Vec<Edit>)| {
            let (first, second): (&Vec<u8>, &Vec<u8>) = (first.get(inputs), second.get(inputs));
            run(&mutated(first, second, &edits));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn campaign_files() {
    fuzz("campaign", 300);
}

#[test]
fn compose_files() {
    fuzz("compose", 2000);
}

#[test]
fn journals() {
    fuzz("journal", 150);
}

#[test]
fn manifests() {
    fuzz("manifest", 150);
}

#[test]
fn nvml_answers() {
    fuzz("nvml", 200);
}

#[test]
fn protocol_lines() {
    fuzz("protocol", 1000);
}

#[test]
fn records() {
    fuzz("record", 1000);
}

#[test]
fn sensor_files() {
    fuzz("sensor", 300);
}
