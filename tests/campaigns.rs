//! The example campaigns load, and expand to what their comments promise.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use lemctl::campaign::{Campaign, Cycles, PromptSource, load};
use lemctl::catalogue::{Catalogue, Catalogues};

struct Files;

impl PromptSource for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(format!("campaigns/{path}")).map_err(|error| error.to_string())
    }
}

fn loaded(file: &str, text: &str) -> Campaign {
    let catalogue = std::fs::read_to_string("catalogues/reference-0.1.0.json").unwrap();
    let catalogues = Catalogues::new([Catalogue::parse("reference", &catalogue).unwrap()]).unwrap();
    load(file, text, &catalogues, &Files).unwrap_or_else(|report| panic!("{report}"))
}

fn example(name: &str) -> Campaign {
    let file = format!("campaigns/{name}");
    loaded(&file, &std::fs::read_to_string(&file).unwrap())
}

/// How many points each rule prunes.
fn pruned(campaign: &Campaign) -> BTreeMap<String, usize> {
    let mut rules = BTreeMap::new();
    for pruned in &campaign.expand().pruned {
        *rules.entry(campaign.describe(pruned).rule).or_default() += 1;
    }
    rules
}

#[test]
fn every_example_loads_has_the_modeline_and_a_name_like_its_file() {
    let mut examples = 0;
    for entry in std::fs::read_dir("campaigns").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".yaml") else {
            continue;
        };
        let campaign = example(&name);
        assert_eq!(campaign.name, stem);
        assert!(
            campaign
                .text
                .starts_with("# yaml-language-server: $schema=../schemas/campaign.schema.json\n"),
            "{name}"
        );
        assert!(!campaign.expand().experiments.is_empty());
        examples += 1;
    }
    assert!(examples >= 4);
}

#[test]
fn the_quickstart_shows_valid_pruned_and_equal_points_and_shared_engines() {
    let campaign = example("quickstart.yaml");
    let expansion = campaign.expand();
    assert!(expansion.experiments.len() >= 8);
    assert_eq!(campaign.execution.cycles, Cycles::Fixed(2));
    assert!(
        expansion
            .experiments
            .iter()
            .any(|experiment| !experiment.aliases.is_empty())
    );
    let rules = pruned(&campaign);
    assert!(
        rules["heads-divide-hidden-size"] > 0 && rules["exclude[0]"] > 0 && rules["exclude[1]"] > 0,
        "{rules:?}"
    );
    let mut engines: BTreeMap<String, u32> = BTreeMap::new();
    for experiment in &expansion.experiments {
        *engines
            .entry(experiment.engine_key.to_string())
            .or_default() += 1;
    }
    assert!(
        engines.len() >= 2 && engines.values().all(|count| *count >= 2),
        "{engines:?}"
    );
}

#[test]
fn the_closed_loop_prunes_batches_that_never_fill() {
    let campaign = example("closed-loop.yaml");
    assert_eq!(campaign.expand().experiments.len(), 6);
    assert_eq!(
        pruned(&campaign),
        BTreeMap::from([("batch-within-concurrency".to_owned(), 3)])
    );
}

#[test]
fn chat_lengths_need_the_longer_context() {
    let campaign = example("chat-lengths.yaml");
    assert_eq!(campaign.expand().experiments.len(), 8);
    assert_eq!(
        pruned(&campaign),
        BTreeMap::from([("context-holds-sequence".to_owned(), 8)])
    );
}

#[test]
fn prompts_are_sampled_without_repetition() {
    let expansion = example("prompts.yaml").expand();
    assert_eq!(expansion.experiments.len(), 2);
    let file: lem_protocol::WorkloadFile =
        serde_json::from_slice(&expansion.experiments[0].workload.content.bytes).unwrap();
    let distinct: BTreeSet<_> = file
        .prompts
        .iter()
        .map(|prompt| &prompt.input_ids)
        .collect();
    assert_eq!((file.prompts.len(), distinct.len()), (6, 6));
}

#[test]
fn the_file_in_the_guide_is_valid() {
    let guide = std::fs::read_to_string("docs/guide/2-campaign-file.md").unwrap();
    let (_, rest) = guide.split_once("```yaml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let campaign = loaded("guide.yaml", text);
    let expansion = campaign.expand();
    assert_eq!(
        (expansion.experiments.len(), expansion.pruned.len()),
        (5, 1)
    );
}
