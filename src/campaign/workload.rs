//! What a model works on: prompts made from a seed, or sampled from a file by a seed. Pure: the same plan
//! gives the same bytes on every machine.

use std::collections::HashMap;
use std::sync::Arc;

use lem_protocol::{Arrival, MeasureFor, Prompt, WorkloadFile};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::prompts::{PromptInput, PromptLine};
use super::spec::{LengthSpec, Lognormal};
use crate::units::Digest;

/// The prompts of an experiment, how they arrive and for how long they are measured.
#[derive(Debug, Clone)]
pub struct Workload {
    /// SHA-256 of the workload file's bytes, which names it.
    pub digest: Digest,
    /// How requests arrive.
    pub arrival: Arrival,
    /// How long a window is.
    pub measure: MeasureFor,
    /// The prompts; workloads that differ only in their arrival share them.
    pub content: Arc<WorkloadContent>,
}

impl Workload {
    /// What of it is part of an experiment's hash.
    pub(super) fn canonical(&self) -> serde_json::Value {
        serde_json::json!({ "digest": self.digest, "arrival": self.arrival, "measure": self.measure })
    }
}

/// A workload with its canonical text.
pub(super) struct Made {
    pub workload: Arc<Workload>,
    pub text: String,
}

/// A workload file: the bytes that a worker reads, and what is in them.
#[derive(Debug)]
pub struct WorkloadContent {
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// A serialised [`WorkloadFile`].
    pub bytes: Vec<u8>,
    /// Number of prompts.
    pub prompts: u32,
    /// Input tokens of all prompts together.
    pub input_tokens: u64,
    /// Output tokens of all prompts together.
    pub output_tokens: u64,
}

/// Ids below this are never drawn: most vocabularies keep padding, begin and end of text there.
const RESERVED_IDS: u32 = 3;

/// Streams of the generator, so that lengths do not depend on ids nor outputs on inputs.
const INPUT_LENGTHS: u64 = 0;
const OUTPUT_LENGTHS: u64 = 1;
const IDS: u64 = 2;
const SAMPLE: u64 = 3;

/// What the file says about the workload, ready to be made into prompts.
#[derive(Debug, Clone)]
pub(super) struct WorkloadPlan {
    pub source: Source,
    pub output_tokens: Option<LengthSpec>,
    pub arrival: ArrivalPlan,
    pub measure: MeasureFor,
}

/// How requests arrive; the concurrency may be an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArrivalPlan {
    Batch,
    ClosedLoop { concurrency: Option<u32> },
}

/// Where prompts come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Synthetic {
        input_tokens: Option<LengthSpec>,
        seed: u64,
        prompts: u32,
    },
    /// Already sampled.
    Lines { lines: Arc<[PromptLine]>, seed: u64 },
}

/// Lengths that axes set instead of the plan's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Lengths {
    pub input_tokens: Option<u32>,
    pub output_tokens: Option<u32>,
}

/// The longest of a workload's lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Longest {
    pub input: u32,
    pub output: u32,
    /// Input and output of one prompt together.
    pub total: u64,
    /// Input tokens of all prompts.
    pub sum: u64,
}

impl WorkloadPlan {
    /// Input and output tokens of each prompt.
    pub fn lengths(&self, axes: Lengths) -> Vec<(u32, u32)> {
        let output = axes
            .output_tokens
            .map(LengthSpec::Exact)
            .or(self.output_tokens);
        let (count, seed) = match &self.source {
            Source::Synthetic { seed, prompts, .. } => (*prompts as usize, *seed),
            Source::Lines { lines, seed } => (lines.len(), *seed),
        };
        let outputs = draw(output, count, seed, OUTPUT_LENGTHS);
        match &self.source {
            Source::Synthetic { input_tokens, .. } => {
                let input = axes.input_tokens.map(LengthSpec::Exact).or(*input_tokens);
                draw(input, count, seed, INPUT_LENGTHS)
                    .into_iter()
                    .zip(outputs)
                    .collect()
            }
            Source::Lines { lines, .. } => {
                let pairs = lines.iter().zip(outputs);
                pairs
                    .map(|(line, output)| {
                        (length(&line.input), line.output_tokens.unwrap_or(output))
                    })
                    .collect()
            }
        }
    }

    /// The longest of the lengths.
    pub fn longest(&self, axes: Lengths) -> Longest {
        self.lengths(axes)
            .into_iter()
            .fold(Longest::default(), |longest, (input, output)| Longest {
                input: longest.input.max(input),
                output: longest.output.max(output),
                total: longest.total.max(u64::from(input) + u64::from(output)),
                sum: longest.sum + u64::from(input),
            })
    }

    /// The length that the plan itself gives to an axis over the workload, if it is one number.
    pub fn exact(&self, axis: &str) -> Option<u32> {
        let length = match (axis, &self.source) {
            (super::grid::INPUT_TOKENS, Source::Synthetic { input_tokens, .. }) => *input_tokens,
            (super::grid::OUTPUT_TOKENS, _) => self.output_tokens,
            _ => None,
        };
        match length {
            Some(LengthSpec::Exact(tokens)) => Some(tokens),
            _ => None,
        }
    }

    /// The largest id that the source itself brings: 255 for a text, since its bytes are ids.
    pub fn max_token_id(&self) -> Option<u32> {
        let Source::Lines { lines, .. } = &self.source else {
            return None;
        };
        let largest = |line: &PromptLine| match &line.input {
            PromptInput::Tokens(ids) => ids.iter().copied().max(),
            PromptInput::Text(_) => Some(u32::from(u8::MAX)),
        };
        lines.iter().filter_map(largest).max()
    }

    /// Whether some prompt is a text.
    pub fn has_text(&self) -> bool {
        let Source::Lines { lines, .. } = &self.source else {
            return false;
        };
        lines
            .iter()
            .any(|line| matches!(line.input, PromptInput::Text(_)))
    }

    fn file(&self, axes: Lengths, vocab_size: u32) -> WorkloadFile {
        let lengths = self.lengths(axes);
        let prompts = match &self.source {
            Source::Synthetic { seed, .. } => {
                let mut ids = stream(*seed, IDS);
                let low = RESERVED_IDS.min(vocab_size.saturating_sub(1));
                let mut prompt = |(input, output_tokens)| Prompt {
                    input_ids: (0..input)
                        .map(|_| low + below(&mut ids, vocab_size - low))
                        .collect(),
                    output_tokens,
                };
                lengths.into_iter().map(&mut prompt).collect()
            }
            Source::Lines { lines, .. } => {
                let prompts = lines.iter().zip(lengths);
                prompts
                    .map(|(line, (_, output_tokens))| Prompt {
                        input_ids: line.input.ids(),
                        output_tokens,
                    })
                    .collect()
            }
        };
        WorkloadFile {
            vocab_size,
            prompts,
        }
    }
}

/// Makes every workload of an expansion once.
pub(super) struct Workloads<'a> {
    plan: &'a WorkloadPlan,
    contents: HashMap<(Lengths, u32), Arc<WorkloadContent>>,
    made: HashMap<(Lengths, u32, Option<u32>), Made>,
}

impl<'a> Workloads<'a> {
    pub fn new(plan: &'a WorkloadPlan) -> Self {
        Self {
            plan,
            contents: HashMap::new(),
            made: HashMap::new(),
        }
    }

    /// The workload at one point: what axes set, and the vocabulary of its engine.
    pub fn at(&mut self, axes: Lengths, vocab_size: u32, concurrency: Option<u32>) -> &Made {
        let Self {
            plan,
            contents,
            made,
        } = self;
        made.entry((axes, vocab_size, concurrency))
            .or_insert_with(|| {
                let content = contents.entry((axes, vocab_size));
                let content = content.or_insert_with(|| {
                    Arc::new(WorkloadContent::new(&plan.file(axes, vocab_size)))
                });
                let arrival = match plan.arrival {
                    ArrivalPlan::Batch => Arrival::Batch {},
                    // Checked at load: a closed loop has its concurrency from the plan or from an axis.
                    ArrivalPlan::ClosedLoop { concurrency: base } => Arrival::ClosedLoop {
                        concurrency: concurrency.or(base).unwrap_or(1),
                    },
                };
                let content = Arc::clone(content);
                let workload = Arc::new(Workload {
                    digest: content.digest,
                    arrival,
                    measure: plan.measure,
                    content,
                });
                let text = crate::units::canonical_json(&workload.canonical());
                Made {
                    workload,
                    text: String::from_utf8(text).expect("JSON is UTF-8"),
                }
            })
    }
}

impl WorkloadContent {
    fn new(file: &WorkloadFile) -> Self {
        let bytes = serde_json::to_vec(file).expect("numbers and lists serialise");
        Self {
            digest: Digest::of(&bytes),
            prompts: u32::try_from(file.prompts.len()).unwrap_or(u32::MAX),
            input_tokens: file
                .prompts
                .iter()
                .map(|prompt| prompt.input_ids.len() as u64)
                .sum(),
            output_tokens: file
                .prompts
                .iter()
                .map(|prompt| u64::from(prompt.output_tokens))
                .sum(),
            bytes,
        }
    }

    /// Name of the file: its digest.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.json", self.digest)
    }
}

/// Picks `count` of the lines without repetition, in the order of the draw (Fisher–Yates).
pub(super) fn sample(mut lines: Vec<PromptLine>, count: usize, seed: u64) -> Vec<PromptLine> {
    let mut rng = stream(seed, SAMPLE);
    let count = count.min(lines.len());
    for index in 0..count {
        let left = u32::try_from(lines.len() - index).unwrap_or(u32::MAX);
        lines.swap(index, index + below(&mut rng, left) as usize);
    }
    lines.truncate(count);
    lines
}

fn draw(length: Option<LengthSpec>, count: usize, seed: u64, number: u64) -> Vec<u32> {
    match length {
        None => vec![1; count],
        Some(LengthSpec::Exact(tokens)) => vec![tokens; count],
        Some(LengthSpec::Lognormal(lognormal)) => {
            let mut rng = stream(seed, number);
            (0..count).map(|_| lognormal.draw(&mut rng)).collect()
        }
    }
}

impl Lognormal {
    /// ln X ~ N(μ, σ²) with μ = ln(mean) − σ²/2, so that X has the mean; rounded, then clamped.
    fn draw(self, rng: &mut ChaCha8Rng) -> u32 {
        let mu = self.mean.ln() - self.sigma * self.sigma / 2.0;
        let normal: f64 = StandardNormal.sample(rng);
        let tokens = (mu + self.sigma * normal).exp().round();
        // In range by the clamp; `as` saturates.
        tokens.clamp(f64::from(self.min), f64::from(self.max)) as u32
    }
}

fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

/// A number below `bound` by Lemire's multiplication, kept here so that no library's change moves a hash.
/// The bias is below bound / 2^32.
fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(bound)) >> 32) as u32
}

fn length(input: &PromptInput) -> u32 {
    // At most MAX_LENGTH, checked when the file was read.
    u32::try_from(input.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(input: LengthSpec, output: LengthSpec, seed: u64, prompts: u32) -> WorkloadPlan {
        WorkloadPlan {
            source: Source::Synthetic {
                input_tokens: Some(input),
                seed,
                prompts,
            },
            output_tokens: Some(output),
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
        let content = WorkloadContent::new(&plan.file(Lengths::default(), 1000));
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
            let file = plan(LengthSpec::Exact(200), LengthSpec::Exact(1), 1, 8)
                .file(Lengths::default(), vocab_size);
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
        let lengths = plan.lengths(Lengths::default());
        let mean = lengths
            .iter()
            .map(|(input, _)| f64::from(*input))
            .sum::<f64>()
            / lengths.len() as f64;
        // The standard error of the mean is 100·√(e^0.25 − 1)/√20000, about 0.38.
        assert!((mean - 100.0).abs() < 1.6, "{mean}");
        assert!(
            lengths
                .iter()
                .all(|(_, output)| (50..=150).contains(output))
        );
        assert!(
            lengths.iter().any(|(_, output)| *output == 50)
                && lengths.iter().any(|(_, output)| *output == 150)
        );
    }

    #[test]
    fn the_length_of_outputs_moves_no_input() {
        let inputs = |output| -> Vec<Vec<u32>> {
            let file =
                plan(lognormal(20.0, 0.5, 1, 90), output, 3, 8).file(Lengths::default(), 500);
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
        let file = plan.file(Lengths::default(), 100);
        let longest = plan.longest(Lengths::default());
        let total =
            |prompt: &Prompt| prompt.input_ids.len() as u64 + u64::from(prompt.output_tokens);
        assert_eq!(Some(longest.total), file.prompts.iter().map(total).max());
        assert_eq!(
            Some(longest.input as usize),
            file.prompts
                .iter()
                .map(|prompt| prompt.input_ids.len())
                .max()
        );
        let axes = Lengths {
            input_tokens: Some(5),
            output_tokens: None,
        };
        assert_eq!(plan.longest(axes).input, 5);
    }

    #[test]
    fn a_sample_is_a_part_of_the_lines_in_an_order_of_its_seed() {
        let lines: Vec<PromptLine> = (1..=20)
            .map(|id| PromptLine {
                input: PromptInput::Tokens(vec![id]),
                output_tokens: None,
            })
            .collect();
        let first = sample(lines.clone(), 5, 1);
        assert_eq!(first, sample(lines.clone(), 5, 1));
        assert_ne!(first, sample(lines.clone(), 5, 2));
        assert!(first.iter().all(|line| lines.contains(line)));
        let mut all = sample(lines.clone(), 50, 3);
        assert_ne!(all, lines);
        all.sort_by_key(|line| line.input.ids());
        assert_eq!(all, lines);
    }

    #[test]
    fn texts_are_their_bytes() {
        let line = PromptLine {
            input: PromptInput::Text("hé".to_owned()),
            output_tokens: Some(3),
        };
        let plan = WorkloadPlan {
            source: Source::Lines {
                lines: [line].into(),
                seed: 0,
            },
            ..plan(LengthSpec::Exact(1), LengthSpec::Exact(9), 0, 1)
        };
        let file = plan.file(Lengths::default(), 256);
        assert_eq!(
            file.prompts,
            [Prompt {
                input_ids: vec![104, 0xc3, 0xa9],
                output_tokens: 3
            }]
        );
        assert_eq!(plan.max_token_id(), Some(255));
    }
}
