//! What a file says about its prompts, and the prompts made of it.

use std::sync::Arc;

use lem_protocol::{MeasureFor, Prompt, WorkloadFile};

use super::draw::{IDS, INPUT_LENGTHS, OUTPUT_LENGTHS, below, draw, stream};
use crate::campaign::length::LengthSpec;
use crate::campaign::model::ModelRequest;
use crate::campaign::prompts::{PromptInput, PromptLine};

/// Ids below this are never drawn: most vocabularies keep padding, begin and end of text there.
pub(super) const RESERVED_IDS: u32 = 3;

/// What the file says about the workload, ready to be made into prompts.
#[derive(Debug, Clone)]
pub(in crate::campaign) struct WorkloadPlan {
    pub source: Source,
    pub output_tokens: Option<LengthSpec>,
    pub arrival: ArrivalPlan,
    pub measure: MeasureFor,
}

/// How requests arrive; the concurrency may be an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::campaign) enum ArrivalPlan {
    Batch,
    ClosedLoop { concurrency: Option<u32> },
}

/// Where prompts come from.
#[derive(Debug, Clone)]
pub(in crate::campaign) enum Source {
    Synthetic {
        input_tokens: Option<LengthSpec>,
        seed: u64,
        prompts: u32,
    },
    /// Already sampled.
    Lines { lines: Arc<[PromptLine]>, seed: u64 },
}

/// The vocabulary that prompts are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::campaign) struct Vocabulary {
    /// Its size: ids are below it.
    size: u32,
    /// Ids that are drawn: from the first to one before the second.
    ordinary: (u32, u32),
}

impl Vocabulary {
    /// One of which nothing but the size is known; at least 1.
    pub fn of_size(size: u32) -> Self {
        let size = size.max(1);
        Self {
            size,
            ordinary: (RESERVED_IDS.min(size - 1), size),
        }
    }

    /// That of a model. Where its size is not known, nothing is drawn, and what the file brings bounds it.
    pub fn of_model(model: &ModelRequest, plan: &WorkloadPlan) -> Self {
        let given = || plan.max_token_id().map_or(1, |id| id.saturating_add(1));
        let known = Self::of_size(model.vocab_size().unwrap_or_else(given));
        let Some(config) = &model.config else {
            return known;
        };
        let (low, high) = config.ordinary_ids();
        let low = low.max(known.ordinary.0);
        if low < high {
            Self {
                ordinary: (low, high),
                ..known
            }
        } else {
            known
        }
    }
}

/// Lengths that axes set instead of the plan's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(in crate::campaign) struct Lengths {
    pub input_tokens: Option<u32>,
    pub output_tokens: Option<u32>,
}

/// The longest of a workload's lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::campaign) struct Longest {
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
            (crate::campaign::grid::INPUT_TOKENS, Source::Synthetic { input_tokens, .. }) => {
                *input_tokens
            }
            (crate::campaign::grid::OUTPUT_TOKENS, _) => self.output_tokens,
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

    pub(super) fn file(&self, axes: Lengths, vocabulary: Vocabulary) -> WorkloadFile {
        let Vocabulary {
            size: vocab_size,
            ordinary: (low, high),
        } = vocabulary;
        let lengths = self.lengths(axes);
        let prompts = match &self.source {
            Source::Synthetic { seed, .. } => {
                let mut ids = stream(*seed, IDS);
                let mut prompt = |(input, output_tokens)| Prompt {
                    input_ids: (0..input)
                        .map(|_| low + below(&mut ids, high - low))
                        .collect(),
                    output_tokens,
                    ..Prompt::default()
                };
                lengths.into_iter().map(&mut prompt).collect()
            }
            Source::Lines { lines, .. } => {
                let prompts = lines.iter().zip(lengths);
                prompts
                    .map(|(line, (_, output_tokens))| Prompt {
                        input_ids: line.input.ids(),
                        output_tokens,
                        ..Prompt::default()
                    })
                    .collect()
            }
        };
        WorkloadFile {
            vocab_size,
            prompts,
            ..WorkloadFile::default()
        }
    }
}

fn length(input: &PromptInput) -> u32 {
    // At most MAX_LENGTH, checked when the file was read.
    u32::try_from(input.len()).unwrap_or(u32::MAX)
}
