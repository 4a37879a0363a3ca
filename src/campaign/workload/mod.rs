//! What a model works on: prompts made from a seed, or sampled from a file by a seed. Pure: the same plan
//! gives the same bytes on every machine.

mod arrivals;
mod draw;
mod plan;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use lem_protocol::{Arrival, MeasureFor};

pub(super) use arrivals::{MAX_ARRIVALS, Process};
pub(super) use draw::sample;
pub use plan::PromptLength;
pub(super) use plan::{ArrivalPlan, Lengths, Longest, Source, Vocabulary, WorkloadPlan};
pub(super) use spec::{
    ArrivalSpec, JsonlSpec, OpenLoopSpec, OutputSpec, ProcessSpec, TraceSpec, WorkloadSpec,
};

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

    /// Seconds that a window of it lasts at least, as far as the campaign says.
    #[must_use]
    pub fn least_seconds(&self) -> f64 {
        let last = self.content.arrivals_ns.last().copied().unwrap_or(0);
        self.measure.min_seconds.max(last as f64 / 1e9)
    }

    /// Seconds that may pass after the last arrival of an open loop.
    #[must_use]
    pub fn drain_seconds(&self) -> u32 {
        match self.arrival {
            Arrival::OpenLoop { drain_seconds } => drain_seconds,
            Arrival::Batch {} | Arrival::ClosedLoop { .. } => 0,
        }
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
    /// A serialised [`WorkloadFile`](lem_protocol::WorkloadFile).
    pub bytes: Vec<u8>,
    /// Number of prompts.
    pub prompts: u32,
    /// Lengths of each prompt, in order.
    pub lengths: Vec<PromptLength>,
    /// Open loop: when each request is due, in ns from the window's start.
    pub arrivals_ns: Vec<u64>,
    /// SHA-256 (hex) of the chat template that it brings, if it does.
    pub chat_template: Option<String>,
}

/// What of a point decides about its workload's file: lengths, vocabulary, and the bits of its rate.
type FileKey = (Lengths, Vocabulary, Option<u64>);

/// What axes set of how requests arrive.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    pub concurrency: Option<u32>,
    pub rate: Option<f64>,
}

/// Makes every workload of an expansion once.
pub(super) struct Workloads<'a> {
    plan: &'a WorkloadPlan,
    contents: HashMap<FileKey, Arc<WorkloadContent>>,
    made: HashMap<(FileKey, Option<u32>), Made>,
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
    pub fn at(&mut self, axes: Lengths, vocabulary: Vocabulary, pace: Pace) -> &Made {
        let Self {
            plan,
            contents,
            made,
        } = self;
        let key = (axes, vocabulary, pace.rate.map(f64::to_bits));
        made.entry((key, pace.concurrency)).or_insert_with(|| {
            let content = contents.entry(key).or_insert_with(|| {
                Arc::new(WorkloadContent::new(plan, axes, vocabulary, pace.rate))
            });
            let arrival = match plan.arrival {
                ArrivalPlan::Batch => Arrival::Batch {},
                // Checked at load: a closed loop has its concurrency from the plan or from an axis.
                ArrivalPlan::ClosedLoop { concurrency: base } => Arrival::ClosedLoop {
                    concurrency: pace.concurrency.or(base).unwrap_or(1),
                },
                ArrivalPlan::OpenLoop { drain_seconds, .. }
                | ArrivalPlan::Trace { drain_seconds } => Arrival::OpenLoop { drain_seconds },
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
    fn new(plan: &WorkloadPlan, axes: Lengths, vocabulary: Vocabulary, rate: Option<f64>) -> Self {
        let file = plan.file(axes, vocabulary, rate);
        let bytes = serde_json::to_vec(&file).expect("numbers, texts and lists serialise");
        Self {
            digest: Digest::of(&bytes),
            prompts: u32::try_from(file.prompts.len()).unwrap_or(u32::MAX),
            lengths: plan.lengths(axes, vocabulary.has_bytes()),
            chat_template: file
                .chat_template
                .map(|text| Digest::of(text.as_bytes()).to_string()),
            arrivals_ns: file.arrivals_ns,
            bytes,
        }
    }

    /// Name of the file: its digest.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.json", self.digest)
    }
}
