//! No key of a campaign file is accepted and ignored: each one that the schema knows has an entry here
//! with two values, and shows where the difference is seen.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/campaigns.rs"]
mod support;

#[path = "campaign_keys/entries.rs"]
mod entries;
#[path = "campaign_keys/policies.rs"]
mod policies;

use std::collections::BTreeSet;

use entries::Effect::{CampaignHash, Experiments, Policy};
use entries::{SYNTHETIC, entries};
use lemctl::campaign::Campaign;
use serde_json::Value;
use support::{load_text, try_load};

/// A whole file in which some section is replaced.
fn file(section: &str) -> String {
    let own: Vec<&str> = section
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let base = [
        "campaign_name: a",
        "model: {random: {seed: 1}}",
        SYNTHETIC,
        "grid: {backends: [gadget], shared: {max_seqs: [16, 32]}}",
    ];
    let kept = base.iter().filter(|line| {
        let key = line.split(':').next().unwrap();
        !(own.contains(&key) || own.contains(&"experiments") && key == "grid")
    });
    kept.copied()
        .chain([section])
        .map(|line| format!("{line}\n"))
        .collect()
}

/// What can be seen of a campaign: experiments, campaign hash, policies.
fn seen(campaign: &Campaign) -> [String; 3] {
    let expansion = campaign.expand();
    let hashes: Vec<String> = expansion
        .experiments
        .iter()
        .map(|experiment| experiment.hash.to_string())
        .collect();
    let policy = format!(
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        campaign.name,
        campaign.model.local_path,
        campaign.execution,
        campaign.warmup,
        campaign.baseline,
        campaign.energy,
        campaign.leaks,
        campaign.rules,
        campaign.gpus,
        campaign.slo
    );
    [
        hashes.join(" "),
        campaign.policy_digest(&expansion.experiments).to_string(),
        policy,
    ]
}

#[test]
fn each_key_has_the_effect_that_is_said_of_it() {
    for (key, first, second, effect) in entries() {
        let [first, second] = [first, second].map(|section| seen(&load_text(&file(&section))));
        let differs: Vec<bool> = first
            .iter()
            .zip(&second)
            .map(|(left, right)| left != right)
            .collect();
        match effect {
            Experiments => assert!(differs[0] && differs[1], "{key}: {differs:?}"),
            CampaignHash => assert!(!differs[0] && differs[1], "{key}: {differs:?}"),
            Policy => assert!(
                !differs[0] && !differs[1] && differs[2],
                "{key}: {differs:?}"
            ),
        }
    }
}

#[test]
fn each_key_of_the_schema_has_an_entry() {
    let mut keys = BTreeSet::new();
    walk(
        lemctl::campaign::schema(),
        lemctl::campaign::schema(),
        "",
        &mut keys,
    );
    let entries: BTreeSet<String> = entries()
        .into_iter()
        .map(|(key, ..)| key.to_owned())
        .collect();
    assert_eq!(keys, entries);
}

fn walk(root: &Value, schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return walk(
            root,
            root.pointer(name.trim_start_matches('#')).unwrap(),
            path,
            keys,
        );
    }
    for branch in schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        walk(root, branch, path, keys);
    }
    if let Some(items) = schema.get("items") {
        walk(root, items, &format!("{path}[]"), keys);
    }
    for (key, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        keys.insert(path.clone());
        walk(root, property, &path, keys);
    }
}

#[test]
fn a_warmup_that_is_off_is_one_thing() {
    let hash = |section: &str| load_text(&file(section)).expand().experiments[0].hash;
    assert_eq!(
        hash("warmup: {enabled: false}"),
        hash("warmup: {enabled: false, max_seconds: 9}")
    );
}

#[test]
fn a_baseline_that_is_off_and_a_fixed_gap_are_one_thing() {
    let one = load_text(&file("baseline: off"));
    let hash = |campaign: &Campaign| campaign.expand().experiments[0].hash;
    assert_ne!(hash(&one), hash(&load_text(&file("baseline: optional"))));
    // Beside them, keys without effect are refused, so that no second file means the same.
    for section in [
        "baseline: off\nenergy: {settle_seconds: 9}",
        "execution: {gap: {until: fixed, max_seconds: 9}}",
        "execution: {cycles: 7, auto_cycles: {max: 9}}",
        "execution: {auto_cycles: {}}",
    ] {
        assert!(try_load(&file(section)).is_err(), "{section}");
    }
}

#[test]
fn a_key_without_a_value_is_refused_everywhere() {
    for section in [
        "gpus:",
        "execution: {cycles: }",
        "warmup:",
        "baseline: null",
        "grid: {backends: [gadget], shared: null}",
    ] {
        assert!(try_load(&file(section)).is_err(), "{section}");
    }
}
