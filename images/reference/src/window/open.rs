//! An open loop: each request is queued when it is due, whatever became of those before it. Arrivals are
//! looked for between steps, so a request can be late by one step; its record says by how much.

use std::thread::sleep;
use std::time::Duration;

use super::{State, Window, collect};
use crate::clock::monotonic_ns;
use crate::fault::Fault;
use crate::sequence::Queued;

/// Longest sleep while nothing runs: so late is a cancel noticed.
const LONGEST_SLEEP_NS: u64 = 20_000_000;

impl Window<'_> {
    /// Runs until all have finished, or the drain is over. Gives when it ended.
    pub(super) fn run_open(
        &self,
        state: &mut State,
        start_ns: u64,
        drain_seconds: u32,
        goes_on: &mut dyn FnMut(u64) -> Result<(), Fault>,
    ) -> Result<u64, Fault> {
        let last_due_ns = start_ns.saturating_add(self.arrivals_ns.last().copied().unwrap_or(0));
        let give_up_ns = last_due_ns.saturating_add(u64::from(drain_seconds) * 1_000_000_000);
        let mut last_token_ns = start_ns;
        loop {
            goes_on(state.finished.len() as u64)?;
            let now_ns = monotonic_ns();
            let next_due_ns = self.arrive_due(state, start_ns, now_ns);
            let idle = state.running.is_empty() && state.waiting.is_empty();
            match next_due_ns {
                None if idle => return Ok(last_token_ns),
                None if now_ns >= give_up_ns => return Ok(now_ns),
                Some(due_ns) if idle => {
                    let wait_ns = due_ns.saturating_sub(now_ns).min(LONGEST_SLEEP_NS);
                    sleep(Duration::from_nanos(wait_ns));
                }
                _ => {
                    last_token_ns = self.step(state)?;
                    collect(state);
                }
            }
        }
    }

    /// Queues what is due. Gives when the next one is.
    fn arrive_due(&self, state: &mut State, start_ns: u64, now_ns: u64) -> Option<u64> {
        loop {
            let place = usize::try_from(state.next).unwrap_or(usize::MAX);
            let due_ns = start_ns.saturating_add(*self.arrivals_ns.get(place)?);
            if due_ns > now_ns {
                return Some(due_ns);
            }
            state.waiting.push_back(Queued {
                ordinal: state.next,
                prompt: place % self.prompts.len(),
                queued_ns: now_ns,
                due_ns: Some(due_ns),
            });
            state.next += 1;
        }
    }
}
