//! The example campaigns load, and expand to what their comments promise.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use lemctl::campaign::{Campaign, Cycles, PromptSource, load};
use lemctl::catalogue::{Catalogues, joined};

struct Files;

impl PromptSource for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(format!("campaigns/{path}")).map_err(|error| error.to_string())
    }
}

fn loaded(file: &str, text: &str) -> Campaign {
    let files = std::fs::read_dir("catalogues").unwrap().map(|entry| {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        (entry.file_name().into_string().unwrap(), text)
    });
    let catalogues = Catalogues::read(&joined(files.collect()).unwrap()).unwrap();
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
fn parallel_sizes_beyond_the_gpus_are_pruned_before_any_gpu_time() {
    let file = |gpus: &[&str]| {
        format!(
            "campaign_name: sizes\nmodel: {{random: {{seed: 1, config: models/llama-8b.json}}}}\n\
             workload: {{synthetic: {{input_tokens: 8, output_tokens: 4, prompts: 8}}, arrival: {{closed_loop: {{concurrency: 4}}}}}}\n\
             grid:\n  backends: [vllm, tensorrt]\n  shared: {{tensor_parallel_size: [1, 2], pipeline_parallel_size: [1, 2]}}\n  \
             per_backend: {{vllm: {{data_parallel_size: [1, 2], enable_prefix_caching: false}}, tensorrt: {{kv_cache_config.enable_block_reuse: false}}}}\n\
             gpus: [{}]\n",
            gpus.join(", ")
        )
    };
    let count = |gpus: &[&str]| {
        let campaign = loaded("sizes.yaml", &file(gpus));
        let by_rule = pruned(&campaign);
        let unexpected = by_rule.keys().any(|rule| rule != "ranks-within-gpus");
        assert!(!unexpected, "{by_rule:?}");
        by_rule
            .get("ranks-within-gpus")
            .copied()
            .unwrap_or_default()
    };
    // vLLM has eight points of 1, 2, 2, 2, 4, 4, 4 and 8 GPUs; TensorRT-LLM four of 1, 2, 2 and 4.
    let uuids = [
        "GPU-0a", "GPU-0b", "GPU-0c", "GPU-0d", "GPU-0e", "GPU-0f", "GPU-1a", "GPU-1b",
    ];
    for (gpus, left_out) in [(1, 7 + 3), (2, 4 + 1), (3, 4 + 1), (4, 1), (8, 0)] {
        assert_eq!(count(&uuids[..gpus]), left_out, "{gpus}");
    }
    // The reason names what to do.
    let campaign = loaded("sizes.yaml", &file(&uuids[..1]));
    let told = campaign.describe(&campaign.expand().pruned[0]);
    assert!(
        told.message.contains("name as many under `gpus`"),
        "{}",
        told.message
    );
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
    assert!(examples >= 12);
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

/// Experiments of each backend, and engines that they need.
fn sizes(campaign: &Campaign) -> BTreeMap<String, (usize, usize)> {
    let mut sizes: BTreeMap<String, (usize, BTreeSet<String>)> = BTreeMap::new();
    for experiment in &campaign.expand().experiments {
        let (count, engines) = sizes.entry(experiment.backend.clone()).or_default();
        *count += 1;
        engines.insert(experiment.engine_key.to_string());
    }
    sizes
        .into_iter()
        .map(|(backend, (count, engines))| (backend, (count, engines.len())))
        .collect()
}

#[test]
fn examples_for_gpus_have_the_experiments_that_their_comments_promise() {
    type Backends = &'static [(&'static str, usize, usize)];
    let expected: [(&str, Backends); 10] = [
        ("quick", &[("pytorch", 1, 1), ("vllm", 1, 1)]),
        (
            "backend-comparison",
            &[("pytorch", 3, 1), ("tensorrt", 3, 1), ("vllm", 3, 1)],
        ),
        ("quantisation", &[("vllm", 8, 4)]),
        ("batch-size-sweep", &[("pytorch", 8, 1), ("vllm", 8, 1)]),
        ("cold-versus-warm", &[("pytorch", 1, 1), ("vllm", 2, 2)]),
        (
            "cold-versus-warm-twin",
            &[("pytorch", 1, 1), ("vllm", 2, 2)],
        ),
        ("parameter-audit", &[("pytorch", 5, 3), ("vllm", 9, 8)]),
        ("open-loop", &[("vllm", 5, 1)]),
        ("side-by-side", &[("pytorch", 2, 1), ("vllm", 2, 1)]),
        ("known-answers", &[("vllm", 3, 1)]),
    ];
    for (name, sizes_of) in expected {
        let campaign = example(&format!("{name}.yaml"));
        let wanted = sizes_of
            .iter()
            .map(|(backend, count, engines)| ((*backend).to_owned(), (*count, *engines)))
            .collect();
        assert_eq!(sizes(&campaign), wanted, "{name}");
        assert!(campaign.model.config.is_some(), "{name}");
        assert!(
            pruned(&campaign).is_empty(),
            "{name}: {:?}",
            pruned(&campaign)
        );
    }
}

#[test]
fn the_halves_of_cold_and_warm_do_the_same_work() {
    let work = |name: &str| -> Vec<_> {
        let experiments = example(name).expand().experiments;
        experiments
            .iter()
            .map(|one| (one.engine_key, one.request.clone(), one.workload.digest))
            .collect()
    };
    assert_eq!(
        work("cold-versus-warm.yaml"),
        work("cold-versus-warm-twin.yaml")
    );
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
