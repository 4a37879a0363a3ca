//! The keys of a campaign file, each with two values and its effect.

#[path = "arrival_entries.rs"]
mod arrival_entries;
#[path = "model_entries.rs"]
mod model_entries;
#[path = "policy_entries.rs"]
mod policy_entries;

/// Where a key has its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// In the experiments: their hashes, and so their number.
    Experiments,
    /// In the campaign's hash, but not in the experiments.
    CampaignHash,
    /// In how the campaign is run or named; no hash tells of it.
    Policy,
}
use Effect::{CampaignHash, Experiments, Policy};

pub const SYNTHETIC: &str =
    "workload: {synthetic: {input_tokens: 8, output_tokens: 8, prompts: 4}}";
const LENGTHS: &str = "{mean: 12, sigma: 0.8, min: 2, max: 90}";

/// A key, two files' worth of sections that differ in it only, and the effect.
pub fn entries() -> Vec<(&'static str, String, String, Effect)> {
    let mut entries = Vec::new();
    let mut entry = |key, first: &str, second: &str, effect| {
        entries.push((key, first.to_owned(), second.to_owned(), effect))
    };
    entry(
        "campaign_name",
        "campaign_name: a",
        "campaign_name: b",
        Policy,
    );
    entry(
        "model",
        "model: {random: {seed: 1}}",
        "model: {random: {seed: 2}}",
        Experiments,
    );
    entry(
        "model.random",
        "model: {random: {seed: 1}}",
        "model: {random: {seed: 2}}",
        Experiments,
    );
    entry(
        "model.random.seed",
        "model: {random: {seed: 1}}",
        "model: {random: {seed: 2}}",
        Experiments,
    );
    entry(
        "versions",
        "versions: {gadget: 9.9.0}",
        "versions: {gadget: 9.9.1}",
        Experiments,
    );
    entries.extend(model_entries::entries());
    entries.extend(arrival_entries::entries());
    let mut entry = |key, first: &str, second: &str, effect| {
        entries.push((key, first.to_owned(), second.to_owned(), effect))
    };
    entry(
        "workload",
        SYNTHETIC,
        "workload: {synthetic: {input_tokens: 9, output_tokens: 8, prompts: 4}}",
        Experiments,
    );
    entry(
        "workload.synthetic",
        SYNTHETIC,
        "workload: {jsonl: {file: a.jsonl, output_tokens: 8}}",
        Experiments,
    );
    let synthetic = |input: &str, output: &str, rest: &str| {
        format!(
            "workload: {{synthetic: {{input_tokens: {input}, output_tokens: {output}, {rest}}}}}"
        )
    };
    let lognormal = |what: &str| format!("{{lognormal: {what}}}");
    let plain = synthetic("8", "8", "prompts: 4");
    entry(
        "workload.synthetic.input_tokens",
        &plain,
        &synthetic("9", "8", "prompts: 4"),
        Experiments,
    );
    entry(
        "workload.synthetic.output_tokens",
        &plain,
        &synthetic("8", "9", "prompts: 4"),
        Experiments,
    );
    entry(
        "workload.synthetic.seed",
        &plain,
        &synthetic("8", "8", "prompts: 4, seed: 1"),
        Experiments,
    );
    entry(
        "workload.synthetic.prompts",
        &plain,
        &synthetic("8", "8", "prompts: 5"),
        Experiments,
    );
    for (input, output, prefix) in [
        (true, false, "workload.synthetic.input_tokens"),
        (false, true, "workload.synthetic.output_tokens"),
    ] {
        let with = |what: &str| {
            synthetic(
                if input { what } else { "8" },
                if output { what } else { "8" },
                "prompts: 40",
            )
        };
        let base = with(&lognormal(LENGTHS));
        let keys: [(&'static str, &str); 5] = if input {
            [
                (
                    "workload.synthetic.input_tokens.lognormal",
                    "{mean: 13, sigma: 0.8, min: 2, max: 90}",
                ),
                (
                    "workload.synthetic.input_tokens.lognormal.mean",
                    "{mean: 14, sigma: 0.8, min: 2, max: 90}",
                ),
                (
                    "workload.synthetic.input_tokens.lognormal.sigma",
                    "{mean: 12, sigma: 0.5, min: 2, max: 90}",
                ),
                (
                    "workload.synthetic.input_tokens.lognormal.min",
                    "{mean: 12, sigma: 0.8, min: 9, max: 90}",
                ),
                (
                    "workload.synthetic.input_tokens.lognormal.max",
                    "{mean: 12, sigma: 0.8, min: 2, max: 14}",
                ),
            ]
        } else {
            [
                (
                    "workload.synthetic.output_tokens.lognormal",
                    "{mean: 13, sigma: 0.8, min: 2, max: 90}",
                ),
                (
                    "workload.synthetic.output_tokens.lognormal.mean",
                    "{mean: 14, sigma: 0.8, min: 2, max: 90}",
                ),
                (
                    "workload.synthetic.output_tokens.lognormal.sigma",
                    "{mean: 12, sigma: 0.5, min: 2, max: 90}",
                ),
                (
                    "workload.synthetic.output_tokens.lognormal.min",
                    "{mean: 12, sigma: 0.8, min: 9, max: 90}",
                ),
                (
                    "workload.synthetic.output_tokens.lognormal.max",
                    "{mean: 12, sigma: 0.8, min: 2, max: 14}",
                ),
            ]
        };
        for (key, changed) in keys {
            assert!(key.starts_with(prefix));
            entry(key, &base, &with(&lognormal(changed)), Experiments);
        }
    }
    let jsonl = |rest: &str| format!("workload: {{jsonl: {{{rest}}}}}");
    let file = jsonl("file: a.jsonl, output_tokens: 8, prompts: 5");
    entry("workload.jsonl", SYNTHETIC, &file, Experiments);
    entry(
        "workload.jsonl.file",
        &file,
        &jsonl("file: b.jsonl, output_tokens: 8, prompts: 5"),
        Experiments,
    );
    entry(
        "workload.jsonl.seed",
        &file,
        &jsonl("file: a.jsonl, output_tokens: 8, prompts: 5, seed: 1"),
        Experiments,
    );
    entry(
        "workload.jsonl.prompts",
        &file,
        &jsonl("file: a.jsonl, output_tokens: 8, prompts: 6"),
        Experiments,
    );
    entry(
        "workload.jsonl.output_tokens",
        &file,
        &jsonl("file: a.jsonl, output_tokens: 9, prompts: 5"),
        Experiments,
    );
    let drawn = |mean, sigma, min, max| {
        jsonl(&format!(
            "file: a.jsonl, output_tokens: {{lognormal: {{mean: {mean}, sigma: {sigma}, min: {min}, max: {max}}}}}"
        ))
    };
    let base = drawn(12, 0.8, 2, 90);
    entry(
        "workload.jsonl.output_tokens.lognormal",
        &base,
        &drawn(13, 0.8, 2, 90),
        Experiments,
    );
    entry(
        "workload.jsonl.output_tokens.lognormal.mean",
        &base,
        &drawn(14, 0.8, 2, 90),
        Experiments,
    );
    entry(
        "workload.jsonl.output_tokens.lognormal.sigma",
        &base,
        &drawn(12, 0.5, 2, 90),
        Experiments,
    );
    entry(
        "workload.jsonl.output_tokens.lognormal.min",
        &base,
        &drawn(12, 0.8, 10, 90),
        Experiments,
    );
    entry(
        "workload.jsonl.output_tokens.lognormal.max",
        &base,
        &drawn(12, 0.8, 2, 12),
        Experiments,
    );
    let arrival = |arrival: &str| {
        format!(
            "workload: {{synthetic: {{input_tokens: 8, output_tokens: 8}}, arrival: {arrival}}}"
        )
    };
    let four = arrival("{closed_loop: {concurrency: 4}}");
    entry("workload.arrival", &arrival("batch"), &four, Experiments);
    entry(
        "workload.arrival.closed_loop",
        &arrival("batch"),
        &four,
        Experiments,
    );
    entry(
        "workload.arrival.closed_loop.concurrency",
        &four,
        &arrival("{closed_loop: {concurrency: 5}}"),
        Experiments,
    );
    let measure = |measure: &str| {
        format!(
            "workload: {{synthetic: {{input_tokens: 8, output_tokens: 8}}, measure: {measure}}}"
        )
    };
    let base = measure("{min_seconds: 1, min_requests: 4}");
    entry("workload.measure", &base, &measure("{}"), Experiments);
    entry(
        "workload.measure.min_seconds",
        &base,
        &measure("{min_seconds: 2, min_requests: 4}"),
        Experiments,
    );
    entry(
        "workload.measure.min_requests",
        &base,
        &measure("{min_seconds: 1, min_requests: 5}"),
        Experiments,
    );

    let grid = |rest: &str| format!("grid: {{backends: [gadget], {rest}}}");
    let base = grid("shared: {max_seqs: [16, 32]}");
    entry(
        "grid",
        &base,
        &grid("shared: {max_seqs: [16, 64]}"),
        Experiments,
    );
    entry(
        "grid.backends",
        "grid: {backends: [gadget]}",
        "grid: {backends: [gadget, reference]}",
        Experiments,
    );
    entry(
        "grid.shared",
        &base,
        &grid("shared: {max_seqs: [16]}"),
        Experiments,
    );
    entry(
        "grid.per_backend",
        &base,
        &grid("per_backend: {gadget: {max_seqs: [16]}}"),
        Experiments,
    );
    entry(
        "grid.groups",
        &base,
        &grid("shared: {max_seqs: [16, 32]}, groups: [[{eager: true}, {top_p: 0.5}]]"),
        Experiments,
    );
    let exclude = |rest: &str| {
        grid(&format!(
            "shared: {{max_seqs: [16, 32]}}, exclude: [{rest}]"
        ))
    };
    let sixteen = exclude("{when: {max_seqs: 16}, reason: a}");
    entry("grid.exclude", &base, &sixteen, Experiments);
    entry(
        "grid.exclude[].when",
        &sixteen,
        &exclude("{when: {max_seqs: 32}, reason: a}"),
        Experiments,
    );
    entry(
        "grid.exclude[].reason",
        &sixteen,
        &exclude("{when: {max_seqs: 16}, reason: b}"),
        CampaignHash,
    );
    entry(
        "grid.extra",
        &base,
        &grid("shared: {max_seqs: [16, 32]}, extra: {gadget: {swap_space: 4, logprobs: 1}}"),
        Experiments,
    );
    entry(
        "grid.extra_unchecked",
        &base,
        &grid("shared: {max_seqs: [16, 32]}, extra_unchecked: {gadget: {novel: 4}}"),
        Experiments,
    );
    let experiment = |rest: &str| format!("experiments: [{{{rest}}}]");
    let base = experiment("backend: gadget, parameters: {max_seqs: 16}");
    entry(
        "experiments",
        &base,
        &experiment("backend: gadget, parameters: {max_seqs: 32}"),
        Experiments,
    );
    entry(
        "experiments[].backend",
        "experiments: [{backend: gadget}]",
        "experiments: [{backend: reference}]",
        Experiments,
    );
    entry(
        "experiments[].parameters",
        &base,
        "experiments: [{backend: gadget}]",
        Experiments,
    );
    entries.extend(policy_entries::entries());
    entries
}
