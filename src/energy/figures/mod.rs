//! Throughput and latency of one measured window.

use lem_protocol::{Arrival, MarkName, Record, RequestRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod flops;
mod latency;
mod open_loop;
mod slo;
#[cfg(test)]
mod tests;

pub use flops::{AttentionShape, FlopsEstimate, flops_estimate};
pub use latency::Latency;
pub use open_loop::OpenLoopFigures;
pub use slo::{Slo, SloFigures, slo_figures};

/// Which part of a measurement the throughput is of. Kinds are never compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// Whole batches, first request to last token.
    WholeBatch,
    /// Closed loop: from the moment `concurrency` requests have returned a first token to the moment
    /// N − concurrency − 1 have finished (ML.ENERGY's definition); N counts all that were queued, also those
    /// that were in flight at the end.
    SteadyState,
    /// Open loop: from one early end-to-end latency after the first arrival, when as many requests are in flight as
    /// the rate puts there, to the last arrival.
    OpenSteady,
    /// A loop too short for a steady state, or whose queue grows: everything, ramp and drain included.
    WholeRun,
}

/// Figures of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowFigures {
    /// Which part of the measurement.
    pub window: WindowKind,
    /// CLOCK_MONOTONIC ns of its start.
    pub start_ns: u64,
    /// CLOCK_MONOTONIC ns of its end.
    pub end_ns: u64,
    /// Its length.
    pub seconds: f64,
    /// Requests that finished inside.
    pub requests: u64,
    /// Input tokens of those requests.
    pub input_tokens: u64,
    /// Output tokens emitted inside, also by requests that did not finish.
    pub output_tokens: u64,
    /// Output tokens emitted inside, by its length.
    pub output_tokens_per_second: f64,
    /// Requests finished inside, by its length.
    pub requests_per_second: f64,
    /// Time to first token: from queued, or in an open loop from due, to first token.
    pub ttft: Option<Latency>,
    /// Inter-token latency: every gap between two tokens of a request. None if all outputs are one token.
    pub itl: Option<Latency>,
    /// End to end: from queued, or in an open loop from due, to last token.
    pub e2e: Option<Latency>,
    /// Waiting for the engine: from queued, or in an open loop from due, to prefill.
    pub queue: Option<Latency>,
    /// Prefill: its begin to first token.
    pub prefill: Option<Latency>,
    /// Open loop: whether the load was kept up with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_loop: Option<OpenLoopFigures>,
}

impl WindowFigures {
    /// Whether the load goes on at either side of the window, so that nothing is idle there.
    #[must_use]
    pub fn is_inner(&self) -> bool {
        matches!(
            self.window,
            WindowKind::SteadyState | WindowKind::OpenSteady
        )
    }
}

/// Figures of a checked record. Latencies are those of the requests that finished inside the window; in an open loop,
/// of the requests that were due inside it and finished at any time. Those that the drain was too short for have none:
/// `open_loop.without_latency` counts them, a flag tells of them, and against a service level they count as missed.
///
/// None if the record has no window marks or the window is empty, which checking excludes.
#[must_use]
pub fn window_figures(record: &Record) -> Option<WindowFigures> {
    let mark = |name| {
        record
            .marks
            .iter()
            .find(|mark| mark.name == name)
            .map(|mark| mark.monotonic_ns)
    };
    let whole = (mark(MarkName::MeasureStart)?, mark(MarkName::MeasureEnd)?);
    let mut open = None;
    let (window, (start, end)) = match record.arrival {
        Arrival::Batch {} => (WindowKind::WholeBatch, whole),
        Arrival::OpenLoop { drain_seconds } => {
            let (bounds, figures) = open_loop::window(record, drain_seconds);
            open = figures;
            match bounds {
                Some(bounds) => (WindowKind::OpenSteady, bounds),
                None => (WindowKind::WholeRun, whole),
            }
        }
        Arrival::ClosedLoop { concurrency } => match steady_state(record, concurrency as usize) {
            Some(bounds) => (WindowKind::SteadyState, bounds),
            None => (WindowKind::WholeRun, whole),
        },
    };
    let seconds = end.checked_sub(start).filter(|length| *length > 0)? as f64 / 1e9;
    let inside = |at: u64| at > start && at <= end;
    let finished: Vec<&RequestRecord> = record
        .requests
        .iter()
        .filter(|request| inside(request.last_token_ns()))
        .collect();
    let output_tokens: u64 = record
        .requests
        .iter()
        .map(|request| tokens_inside(request.first_token_ns, &request.token_gaps_ns, inside))
        .chain(record.unfinished.iter().filter_map(|request| {
            let first_token_ns = request.first_token_ns?;
            Some(tokens_inside(
                first_token_ns,
                &request.token_gaps_ns,
                inside,
            ))
        }))
        .sum();
    if let Some(open) = &mut open {
        open.without_latency = outlasting(record, start, end);
    }
    let judged = judged(record, start, end);
    let latency =
        |of: fn(&RequestRecord) -> u64| Latency::of(judged.iter().map(|r| of(r)).collect());
    Some(WindowFigures {
        window,
        start_ns: start,
        end_ns: end,
        seconds,
        requests: finished.len() as u64,
        input_tokens: finished
            .iter()
            .map(|request| u64::from(request.input_tokens))
            .sum(),
        output_tokens,
        output_tokens_per_second: output_tokens as f64 / seconds,
        requests_per_second: finished.len() as f64 / seconds,
        ttft: latency(|r| r.first_token_ns.saturating_sub(since(r))),
        itl: Latency::of(
            judged
                .iter()
                .flat_map(|r| r.token_gaps_ns.iter().copied())
                .collect(),
        ),
        e2e: latency(|r| r.last_token_ns().saturating_sub(since(r))),
        queue: latency(|r| r.prefill_ns.saturating_sub(since(r))),
        prefill: latency(|r| r.first_token_ns.saturating_sub(r.prefill_ns)),
        open_loop: open,
    })
}

/// When a request's latencies begin: when it was due, if it was due at a time. What the sender lost is lost to a user
/// too.
fn since(request: &RequestRecord) -> u64 {
    request.due_ns.unwrap_or(request.queued_ns)
}

/// The finished requests whose latencies a window from `start` to `end` is judged by.
fn judged(record: &Record, start: u64, end: u64) -> Vec<&RequestRecord> {
    let belongs = |request: &&RequestRecord| match request.due_ns {
        Some(due) => due >= start && due <= end,
        None => {
            let last = request.last_token_ns();
            last > start && last <= end
        }
    };
    record.requests.iter().filter(belongs).collect()
}

/// Requests that a window from `start` to `end` would be judged by, had they finished before the drain was over.
fn outlasting(record: &Record, start: u64, end: u64) -> u64 {
    let due = record.unfinished.iter().filter_map(|one| one.due_ns);
    due.filter(|due| (start..=end).contains(due)).count() as u64
}

fn steady_state(record: &Record, concurrency: usize) -> Option<(u64, u64)> {
    let (requests, unfinished) = (&record.requests, &record.unfinished);
    let mut first: Vec<u64> = requests
        .iter()
        .map(|request| request.first_token_ns)
        .chain(
            unfinished
                .iter()
                .filter_map(|request| request.first_token_ns),
        )
        .collect();
    let mut last: Vec<u64> = requests.iter().map(RequestRecord::last_token_ns).collect();
    first.sort_unstable();
    last.sort_unstable();
    let start = *first.get(concurrency.checked_sub(1)?)?;
    let started = requests.len() + unfinished.len();
    let finished = started.checked_sub(concurrency + 1)?;
    let end = *last.get(finished.checked_sub(1)?)?;
    (end > start).then_some((start, end))
}

fn tokens_inside(first_token_ns: u64, gaps_ns: &[u64], inside: impl Fn(u64) -> bool) -> u64 {
    let mut at = first_token_ns;
    let mut count = u64::from(inside(at));
    for gap in gaps_ns {
        at = at.saturating_add(*gap);
        count += u64::from(inside(at));
    }
    count
}
