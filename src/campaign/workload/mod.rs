//! What a model works on: prompts made from a seed, or sampled from a file by a seed. Pure: the same plan
//! gives the same bytes on every machine.

mod draw;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use lem_protocol::{Arrival, MeasureFor, WorkloadFile};

pub(super) use draw::sample;
pub(super) use plan::{ArrivalPlan, Lengths, Longest, Source, Vocabulary, WorkloadPlan};

use crate::units::{Digest, canonical_json};

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

/// Makes every workload of an expansion once.
pub(super) struct Workloads<'a> {
    plan: &'a WorkloadPlan,
    contents: HashMap<(Lengths, Vocabulary), Arc<WorkloadContent>>,
    made: HashMap<(Lengths, Vocabulary, Option<u32>), Made>,
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
    pub fn at(&mut self, axes: Lengths, vocabulary: Vocabulary, concurrency: Option<u32>) -> &Made {
        let Self {
            plan,
            contents,
            made,
        } = self;
        made.entry((axes, vocabulary, concurrency))
            .or_insert_with(|| {
                let content = contents.entry((axes, vocabulary));
                let content = content.or_insert_with(|| {
                    Arc::new(WorkloadContent::new(&plan.file(axes, vocabulary)))
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
                let text = canonical_json(&workload.canonical());
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
