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
    /// Input and output tokens of each prompt, in order.
    pub lengths: Vec<(u32, u32)>,
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
            lengths: file
                .prompts
                .iter()
                .map(|prompt| {
                    let input = u32::try_from(prompt.input_ids.len()).unwrap_or(u32::MAX);
                    (input, prompt.output_tokens)
                })
                .collect(),
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
