//! Prompts: the same bytes for ever, within their bounds.

use lem_protocol::{MeasureFor, Prompt};

use super::draw::sample;
use super::plan::RESERVED_IDS;
use super::{ArrivalPlan, Lengths, Source, Vocabulary, WorkloadContent, WorkloadPlan};
use crate::campaign::length::{LengthSpec, Lognormal};
use crate::campaign::prompts::{PromptInput, PromptLine};

fn plan(input: LengthSpec, output: LengthSpec, seed: u64, prompts: u32) -> WorkloadPlan {
    WorkloadPlan {
        source: Source::Synthetic {
            input_tokens: Some(input),
            seed,
            prompts,
        },
        output_tokens: Some(output),
        output: None,
        chat_template: None,
        arrival: ArrivalPlan::Batch,
        measure: MeasureFor {
            min_seconds: 1.0,
            min_requests: 1,
        },
    }
}

fn lognormal(mean: f64, sigma: f64, min: u32, max: u32) -> LengthSpec {
    LengthSpec::Lognormal(Lognormal {
        mean,
        sigma,
        min,
        max,
    })
}

/// Hashes in published manifests rest on these bytes: no change of a library may move them.
#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    let plan = plan(LengthSpec::Exact(5), lognormal(8.0, 0.5, 1, 64), 42, 3);
    let content = WorkloadContent::new(&plan, Lengths::default(), Vocabulary::of_size(1000), None);
    let text = String::from_utf8(content.bytes).unwrap();
    let ids = |prompt: &str, output: u32| {
        format!("{{\"input_ids\":[{prompt}],\"output_tokens\":{output}}}")
    };
    let prompts = [
        ids("84,186,312,296,610", 10),
        ids("515,173,123,112,276", 5),
        ids("198,472,312,550,155", 7),
    ];
    assert_eq!(
        text,
        format!(
            "{{\"vocab_size\":1000,\"prompts\":[{}]}}",
            prompts.join(",")
        )
    );
}

#[test]
fn ids_are_within_the_vocabulary_and_skip_the_reserved_ones() {
    for vocab_size in [1, 2, 4, 16, 50_000] {
        let file = plan(LengthSpec::Exact(200), LengthSpec::Exact(1), 1, 8).file(
            Lengths::default(),
            Vocabulary::of_size(vocab_size),
            None,
        );
        let ids: Vec<u32> = file
            .prompts
            .into_iter()
            .flat_map(|prompt| prompt.input_ids)
            .collect();
        assert!(ids.iter().all(|id| *id < vocab_size));
        assert!(vocab_size <= 4 || ids.iter().all(|id| *id >= RESERVED_IDS));
        assert!(
            vocab_size != 16 || (3..16).all(|id| ids.contains(&id)),
            "all of a small vocabulary is drawn"
        );
    }
}

#[test]
fn lognormal_lengths_have_the_mean_that_is_asked_and_keep_their_bounds() {
    let plan = plan(
        lognormal(100.0, 0.5, 1, 100_000),
        lognormal(100.0, 2.0, 50, 150),
        7,
        20_000,
    );
    let lengths = plan.lengths(Lengths::default(), true);
    let mean = lengths
        .iter()
        .filter_map(|length| length.input_tokens.map(f64::from))
        .sum::<f64>()
        / lengths.len() as f64;
    // The standard error of the mean is 100·√(e^0.25 − 1)/√20000, about 0.38.
    assert!((mean - 100.0).abs() < 1.6, "{mean}");
    assert!(
        lengths
            .iter()
            .all(|length| (50..=150).contains(&length.output_tokens))
    );
    assert!(
        lengths.iter().any(|length| length.output_tokens == 50)
            && lengths.iter().any(|length| length.output_tokens == 150)
    );
}

#[test]
fn the_length_of_outputs_moves_no_input() {
    let inputs = |output| -> Vec<Vec<u32>> {
        let file = plan(lognormal(20.0, 0.5, 1, 90), output, 3, 8).file(
            Lengths::default(),
            Vocabulary::of_size(500),
            None,
        );
        file.prompts
            .into_iter()
            .map(|prompt| prompt.input_ids)
            .collect()
    };
    assert_eq!(
        inputs(LengthSpec::Exact(4)),
        inputs(lognormal(9.0, 1.0, 1, 99))
    );
}

#[test]
fn the_longest_is_that_of_the_prompts() {
    let plan = plan(
        lognormal(30.0, 1.0, 1, 500),
        lognormal(30.0, 1.0, 1, 500),
        9,
        50,
    );
    let file = plan.file(Lengths::default(), Vocabulary::of_size(100), None);
    let longest = plan.longest(Lengths::default(), true);
    let total = |prompt: &Prompt| prompt.input_ids.len() as u64 + u64::from(prompt.output_tokens);
    assert_eq!(longest.total, file.prompts.iter().map(total).max());
    assert_eq!(
        longest.input.map(|input| input as usize),
        file.prompts
            .iter()
            .map(|prompt| prompt.input_ids.len())
            .max()
    );
    let axes = Lengths {
        input_tokens: Some(5),
        output_tokens: None,
    };
    assert_eq!(plan.longest(axes, true).input, Some(5));
}

#[test]
fn a_sample_is_a_part_of_the_lines_in_an_order_of_its_seed() {
    let lines: Vec<PromptLine> = (1..=20)
        .map(|id| PromptLine {
            input: PromptInput::Tokens(vec![id]),
            output_tokens: None,
            at_ns: None,
        })
        .collect();
    let first = sample(lines.clone(), 5, 1);
    assert_eq!(first, sample(lines.clone(), 5, 1));
    assert_ne!(first, sample(lines.clone(), 5, 2));
    assert!(first.iter().all(|line| lines.contains(line)));
    let mut all = sample(lines.clone(), 50, 3);
    assert_ne!(all, lines);
    all.sort_by_key(|line| match &line.input {
        PromptInput::Tokens(ids) => ids[0],
        _ => 0,
    });
    assert_eq!(all, lines);
}

#[test]
fn texts_are_their_bytes() {
    let line = PromptLine {
        input: PromptInput::Text("hé".to_owned()),
        output_tokens: Some(3),
        at_ns: None,
    };
    let plan = WorkloadPlan {
        source: Source::Lines {
            lines: [line].into(),
            seed: 0,
        },
        ..plan(LengthSpec::Exact(1), LengthSpec::Exact(9), 0, 1)
    };
    let file = plan.file(Lengths::default(), Vocabulary::of_size(256), None);
    assert_eq!(
        file.prompts,
        [Prompt {
            input_ids: vec![104, 0xc3, 0xa9],
            output_tokens: 3,
            ..Prompt::default()
        }]
    );
    assert_eq!(plan.max_token_id(true), Some(255));
}
