//! What a file says about its prompts, and the prompts made of it.

use std::sync::Arc;

use lem_protocol::{MeasureFor, Prompt, WorkloadFile};

use super::arrivals::Process;
use super::draw::{IDS, INPUT_LENGTHS, OUTPUT_LENGTHS, below, draw, stream};
use super::spec::OutputSpec;
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
    /// Where the lengths of outputs come from, if the file says; else a line's own go before the campaign's.
    pub output: Option<OutputSpec>,
    /// Text of a chat template instead of the model's own.
    pub chat_template: Option<Arc<str>>,
    pub arrival: ArrivalPlan,
    pub measure: MeasureFor,
}

/// How requests arrive; concurrency and rate may be axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::campaign) enum ArrivalPlan {
    Batch,
    ClosedLoop {
        concurrency: Option<u32>,
    },
    OpenLoop {
        rate: Option<f64>,
        process: Process,
        drain_seconds: u32,
    },
    /// The lines say when.
    Trace {
        drain_seconds: u32,
    },
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
    /// A text's bytes are its ids; else the model has a tokenizer.
    bytes: bool,
}

impl Vocabulary {
    /// One of which nothing but the size is known; at least 1.
    pub fn of_size(size: u32) -> Self {
        let size = size.max(1);
        Self {
            size,
            ordinary: (RESERVED_IDS.min(size - 1), size),
            bytes: true,
        }
    }

    /// Whether a text's bytes are its ids.
    pub fn has_bytes(self) -> bool {
        self.bytes
    }

    /// That of a model. Where its size is not known, nothing is drawn, and what the file brings bounds it.
    pub fn of_model(model: &ModelRequest, plan: &WorkloadPlan) -> Self {
        let given = || {
            plan.max_token_id(false)
                .map_or(1, |id| id.saturating_add(1))
        };
        let known = Self {
            bytes: false,
            ..Self::of_size(model.vocab_size().unwrap_or_else(given))
        };
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

/// What is known of a prompt's lengths before it is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptLength {
    /// Input tokens; none where the model's tokenizer decides.
    pub input_tokens: Option<u32>,
    /// Output tokens: exactly, or at most.
    pub output_tokens: u32,
    /// The output may end before.
    pub natural: bool,
}

/// The longest of a workload's lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::campaign) struct Longest {
    /// None where the model's tokenizer decides about some prompt.
    pub input: Option<u32>,
    pub output: u32,
    /// Input and output of one prompt together.
    pub total: Option<u64>,
    /// Input tokens of all prompts; a text counts its bytes.
    pub sum: u64,
}

impl WorkloadPlan {
    /// Lengths of each prompt. `bytes`: a text has one token per byte.
    pub fn lengths(&self, axes: Lengths, bytes: bool) -> Vec<PromptLength> {
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
                    .map(|(input, output_tokens)| PromptLength {
                        input_tokens: Some(input),
                        output_tokens,
                        natural: false,
                    })
                    .collect()
            }
            Source::Lines { lines, .. } => {
                let pairs = lines.iter().zip(outputs);
                pairs
                    .map(|(line, drawn)| PromptLength {
                        input_tokens: (bytes || !line.input.needs_tokenizer())
                            .then(|| size(&line.input)),
                        output_tokens: match self.output {
                            Some(OutputSpec::Fixed) => drawn,
                            _ => line.output_tokens.unwrap_or(drawn),
                        },
                        natural: self.output == Some(OutputSpec::Natural),
                    })
                    .collect()
            }
        }
    }

    /// The longest of the lengths.
    pub fn longest(&self, axes: Lengths, bytes: bool) -> Longest {
        let start = Longest {
            input: Some(0),
            total: Some(0),
            ..Longest::default()
        };
        let lengths = self.lengths(axes, bytes).into_iter();
        let longest = lengths.fold(start, |longest, length| {
            let (input, output) = (length.input_tokens, length.output_tokens);
            let total = input.map(|input| u64::from(input) + u64::from(output));
            Longest {
                input: longest.input.zip(input).map(|(a, b)| a.max(b)),
                output: longest.output.max(output),
                total: longest.total.zip(total).map(|(a, b)| a.max(b)),
                sum: longest.sum + u64::from(input.unwrap_or(0)),
            }
        });
        let texts: u64 = match &self.source {
            Source::Lines { lines, .. } if !bytes => lines
                .iter()
                .filter(|line| line.input.needs_tokenizer())
                .map(|line| line.input.size() as u64)
                .sum(),
            _ => 0,
        };
        Longest {
            sum: longest.sum + texts,
            ..longest
        }
    }

    /// When requests are due, in ns from the window's start; empty where they are not due at any time.
    pub fn arrivals(&self, rate: Option<f64>) -> Vec<u64> {
        match (self.arrival, &self.source) {
            (
                ArrivalPlan::OpenLoop {
                    rate: base,
                    process,
                    ..
                },
                _,
            ) => {
                // Checked at load: an open loop has its rate from the plan or from an axis.
                let rate = rate.or(base).unwrap_or(1.0);
                process.schedule(rate, self.measure.min_seconds, self.measure.min_requests)
            }
            (ArrivalPlan::Trace { .. }, Source::Lines { lines, .. }) => {
                lines.iter().filter_map(|line| line.at_ns).collect()
            }
            _ => Vec::new(),
        }
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

    /// The largest id that the source itself brings: 255 for a text, where its bytes are ids.
    pub fn max_token_id(&self, bytes: bool) -> Option<u32> {
        let largest = |line: &PromptLine| match &line.input {
            PromptInput::Tokens(ids) => ids.iter().copied().max(),
            PromptInput::Text(_) if bytes => Some(u32::from(u8::MAX)),
            _ => None,
        };
        self.lines().iter().filter_map(largest).max()
    }

    /// Whether ids are random: they mislead what looks at them.
    pub fn is_synthetic(&self) -> bool {
        matches!(self.source, Source::Synthetic { .. })
            || self
                .lines()
                .iter()
                .any(|line| matches!(line.input, PromptInput::Random(_)))
    }

    /// The lines of a file; none of a synthetic workload.
    pub fn lines(&self) -> &[PromptLine] {
        match &self.source {
            Source::Lines { lines, .. } => lines,
            Source::Synthetic { .. } => &[],
        }
    }

    pub(super) fn file(
        &self,
        axes: Lengths,
        vocabulary: Vocabulary,
        rate: Option<f64>,
    ) -> WorkloadFile {
        let seed = match &self.source {
            Source::Synthetic { seed, .. } | Source::Lines { seed, .. } => *seed,
        };
        let mut ids = stream(seed, IDS);
        let (low, high) = vocabulary.ordinary;
        let mut random = |count: u32| -> Vec<u32> {
            (0..count)
                .map(|_| low + below(&mut ids, high - low))
                .collect()
        };
        let lengths = self.lengths(axes, vocabulary.bytes);
        let prompts = lengths.into_iter().enumerate().map(|(place, length)| {
            let mut prompt = Prompt {
                output_tokens: length.output_tokens,
                natural: length.natural,
                ..Prompt::default()
            };
            match self.lines().get(place).map(|line| &line.input) {
                None => prompt.input_ids = random(length.input_tokens.unwrap_or(0)),
                Some(PromptInput::Random(count)) => prompt.input_ids = random(*count),
                Some(PromptInput::Tokens(ids)) => prompt.input_ids.clone_from(ids),
                Some(PromptInput::Text(text)) if vocabulary.bytes => {
                    prompt.input_ids = text.bytes().map(u32::from).collect();
                }
                Some(PromptInput::Text(text)) => prompt.text = Some(text.clone()),
                Some(PromptInput::Messages(messages)) => prompt.messages = Some(messages.clone()),
            }
            prompt
        });
        WorkloadFile {
            vocab_size: vocabulary.size,
            prompts: prompts.collect(),
            arrivals_ns: self.arrivals(rate),
            chat_template: self.chat_template.as_deref().map(str::to_owned),
        }
    }
}

fn size(input: &PromptInput) -> u32 {
    // At most MAX_LENGTH, checked when the file was read.
    u32::try_from(input.size()).unwrap_or(u32::MAX)
}
