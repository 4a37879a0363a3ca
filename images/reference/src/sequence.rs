//! One request on its way through the engine: its cache, its next tokens, its times.

use lem_protocol::{Prompt, RequestRecord, UnfinishedRequest};

use crate::fault::Fault;
use crate::model::{Cache, Llama, Span};
use crate::parameters::Sampling;
use crate::sampler::Draws;

/// A request that waits: it has no cache yet.
pub struct Queued {
    /// Its number in the window, from 0.
    pub ordinal: u64,
    /// Index of its prompt.
    pub prompt: usize,
    /// When it was handed to the engine.
    pub queued_ns: u64,
    /// Open loop: when it was due.
    pub due_ns: Option<u64>,
}

/// A request that runs.
pub struct Sequence {
    /// Its number in the window.
    pub ordinal: u64,
    /// What goes into the next step: the prompt, later the token of the step before.
    next: Vec<u32>,
    cache: Cache,
    draws: Draws,
    left: u32,
    last_ns: u64,
    record: RequestRecord,
}

impl Queued {
    /// Gives it a cache; its prefill begins now.
    pub fn start(
        self,
        llama: &Llama,
        prompt: &Prompt,
        sampling: &Sampling,
        now_ns: u64,
    ) -> Result<Sequence, Fault> {
        let input = prompt.input_ids.len();
        // The last token is never taken in.
        let room = input + prompt.output_tokens as usize - 1;
        let record = RequestRecord {
            prompt: count(self.prompt),
            input_tokens: count(input),
            output_tokens: prompt.output_tokens,
            queued_ns: self.queued_ns,
            due_ns: self.due_ns,
            prefill_ns: now_ns,
            first_token_ns: 0,
            token_gaps_ns: Vec::with_capacity(prompt.output_tokens as usize - 1),
            ..RequestRecord::default()
        };
        Ok(Sequence {
            ordinal: self.ordinal,
            next: prompt.input_ids.clone(),
            cache: llama.cache(room)?,
            draws: Draws::new(sampling, self.ordinal),
            left: prompt.output_tokens,
            last_ns: now_ns,
            record,
        })
    }
}

impl Queued {
    /// What is written down about it if it never runs.
    pub fn into_unfinished(self, prompt: &Prompt) -> UnfinishedRequest {
        UnfinishedRequest {
            prompt: count(self.prompt),
            input_tokens: count(prompt.input_ids.len()),
            queued_ns: self.queued_ns,
            due_ns: self.due_ns,
            prefill_ns: None,
            first_token_ns: None,
            token_gaps_ns: Vec::new(),
        }
    }
}

impl Sequence {
    /// Its part of the next step.
    pub fn span(&mut self) -> Span<'_> {
        Span {
            tokens: &self.next,
            cache: &mut self.cache,
        }
    }

    /// Its stream of draws.
    pub fn draws(&mut self) -> &mut Draws {
        &mut self.draws
    }

    /// Takes in the token that the step gave it.
    pub fn take(&mut self, token: u32, now_ns: u64) {
        self.next.clear();
        self.next.push(token);
        if self.record.first_token_ns == 0 {
            self.record.first_token_ns = now_ns;
        } else {
            self.record.token_gaps_ns.push(now_ns - self.last_ns);
        }
        self.last_ns = now_ns;
        self.left -= 1;
    }

    /// Whether it has all its tokens.
    pub fn is_finished(&self) -> bool {
        self.left == 0
    }

    /// What is written down about it if it does not finish.
    pub fn into_unfinished(self) -> UnfinishedRequest {
        let record = self.record;
        UnfinishedRequest {
            prompt: record.prompt,
            input_tokens: record.input_tokens,
            queued_ns: record.queued_ns,
            due_ns: record.due_ns,
            prefill_ns: Some(record.prefill_ns),
            first_token_ns: Some(record.first_token_ns).filter(|at| *at > 0),
            token_gaps_ns: record.token_gaps_ns,
        }
    }

    /// What is written down about it.
    pub fn into_record(self) -> RequestRecord {
        self.record
    }
}

/// Prompts and tokens are counted in 32 bits: a workload file is smaller than 2³² bytes.
fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a workload file is smaller than 2³² bytes")
}
