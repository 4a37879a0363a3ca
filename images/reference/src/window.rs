//! Runs work: lets requests arrive, batches what runs together, and ends at the boundary that was asked
//! for. It knows the engine and the clock, and nothing of the pipe.

use std::collections::VecDeque;

use lem_protocol::{Arrival, MeasureFor, Prompt, RequestRecord, UnfinishedRequest};

use crate::clock::monotonic_ns;
use crate::fault::{Code, Fault};
use crate::model::Llama;
use crate::parameters::Request;
use crate::sampler;
use crate::sequence::{Queued, Sequence};

mod open;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// After one batch, or as many requests as are in flight.
    OneIteration,
    /// At the first boundary at which both minima hold.
    Minima(MeasureFor),
}

/// What to run.
pub struct Window<'a> {
    /// The engine.
    pub llama: &'a Llama,
    /// The prompts, taken in turn.
    pub prompts: &'a [Prompt],
    /// How requests arrive.
    pub arrival: Arrival,
    /// Open loop: when each request is due, in ns from the start.
    pub arrivals_ns: &'a [u64],
    /// How they run.
    pub request: Request,
    /// When to stop.
    pub until: Until,
}

/// What ran.
pub struct Ran {
    /// When the first request was queued.
    pub start_ns: u64,
    /// When the last token existed.
    pub end_ns: u64,
    /// The finished requests, in the order in which they were queued.
    pub requests: Vec<RequestRecord>,
    /// The requests that were in flight at the end, in the same order.
    pub unfinished: Vec<UnfinishedRequest>,
}

/// Requests in flight at once, and so in the first lot.
pub fn in_flight(arrival: Arrival, request: &Request) -> usize {
    match arrival {
        Arrival::Batch {} => request.batch_size,
        Arrival::ClosedLoop { concurrency } => concurrency as usize,
        // Of its one iteration: nothing is due while it warms up.
        Arrival::OpenLoop { .. } => request.batch_size,
    }
}

/// Where everything is between two steps.
struct State {
    next: u64,
    waiting: VecDeque<Queued>,
    running: Vec<Sequence>,
    finished: Vec<(u64, RequestRecord)>,
}

impl Window<'_> {
    /// Runs to the end, from `start_ns`, which is now. `goes_on` is asked before every step, with the number of finished requests.
    pub fn run(
        &self,
        start_ns: u64,
        goes_on: &mut dyn FnMut(u64) -> Result<(), Fault>,
    ) -> Result<Ran, Fault> {
        let mut state = State {
            next: 0,
            waiting: VecDeque::new(),
            running: Vec::new(),
            finished: Vec::new(),
        };
        if let (Until::Minima(_), Arrival::OpenLoop { drain_seconds }) = (self.until, self.arrival)
        {
            let end_ns = self.run_open(&mut state, start_ns, drain_seconds, goes_on)?;
            return Ok(self.ran(state, start_ns, end_ns));
        }
        let first = in_flight(self.arrival, &self.request);
        self.arrive(&mut state, first, start_ns);
        loop {
            goes_on(state.finished.len() as u64)?;
            let now_ns = self.step(&mut state)?;
            let before = state.finished.len();
            collect(&mut state);
            let ended = state.finished.len() - before;
            let idle = state.running.is_empty() && state.waiting.is_empty();
            let is_boundary = match (self.until, self.arrival) {
                (Until::Minima(_), Arrival::ClosedLoop { .. }) => ended > 0,
                _ => idle,
            };
            if !is_boundary {
                continue;
            }
            if self.is_enough(&state, now_ns - start_ns) {
                return Ok(self.ran(state, start_ns, now_ns));
            }
            let arriving = if matches!(self.arrival, Arrival::Batch {}) {
                first
            } else {
                ended
            };
            self.arrive(&mut state, arriving, now_ns);
        }
    }

    /// What ran, in the order of the queue.
    fn ran(&self, mut state: State, start_ns: u64, end_ns: u64) -> Ran {
        state.finished.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        let requests = state
            .finished
            .into_iter()
            .map(|(_, record)| record)
            .collect();
        let running = state.running.into_iter();
        let running = running.map(|one| (one.ordinal, one.into_unfinished()));
        let waiting = state.waiting.into_iter().map(|one| {
            let prompt = &self.prompts[one.prompt];
            (one.ordinal, one.into_unfinished(prompt))
        });
        let mut unfinished: Vec<_> = running.chain(waiting).collect();
        unfinished.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        Ran {
            start_ns,
            end_ns,
            requests,
            unfinished: unfinished.into_iter().map(|(_, one)| one).collect(),
        }
    }

    fn is_enough(&self, state: &State, elapsed_ns: u64) -> bool {
        match self.until {
            Until::OneIteration => true,
            Until::Minima(MeasureFor {
                min_seconds,
                min_requests,
            }) => {
                elapsed_ns as f64 >= min_seconds * 1e9
                    && state.finished.len() as u64 >= u64::from(min_requests)
            }
        }
    }

    fn arrive(&self, state: &mut State, count: usize, now_ns: u64) {
        for _ in 0..count {
            let prompt = (state.next % self.prompts.len() as u64) as usize;
            state.waiting.push_back(Queued {
                ordinal: state.next,
                prompt,
                queued_ns: now_ns,
                due_ns: None,
            });
            state.next += 1;
        }
    }

    /// Lets waiting requests join, then makes one token for each that runs. Returns when they existed.
    fn step(&self, state: &mut State) -> Result<u64, Fault> {
        let now_ns = monotonic_ns();
        while state.running.len() < self.request.batch_size
            && let Some(queued) = state.waiting.pop_front()
        {
            let prompt = &self.prompts[queued.prompt];
            state
                .running
                .push(queued.start(self.llama, prompt, &self.request.sampling, now_ns)?);
        }
        let mut spans: Vec<_> = state.running.iter_mut().map(Sequence::span).collect();
        let logits = self.llama.step(&mut spans)?;
        let draws = state.running.iter_mut().map(Sequence::draws);
        let tokens = sampler::choose(&self.request.sampling, &logits, draws)?;
        if tokens.len() != state.running.len() {
            return Err(Fault::new(Code::EngineFailed, "a step lost a sequence"));
        }
        let now_ns = monotonic_ns();
        for (sequence, token) in state.running.iter_mut().zip(tokens) {
            sequence.take(token, now_ns);
        }
        Ok(now_ns)
    }
}

/// Moves what has all its tokens to the finished.
fn collect(state: &mut State) {
    let ended = state
        .running
        .extract_if(.., |sequence| sequence.is_finished());
    state
        .finished
        .extend(ended.map(|sequence| (sequence.ordinal, sequence.into_record())));
}

#[cfg(test)]
mod tests;
