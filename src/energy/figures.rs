//! Throughput and latency of one measured window.

use lem_protocol::{Arrival, MarkName, Record, RequestRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::percentile;

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
    /// Closed loop too short for a steady state: everything, ramp and drain included.
    WholeRun,
}

/// A latency's distribution, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Values it is made of.
    pub count: usize,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

impl Latency {
    fn of(mut nanoseconds: Vec<u64>) -> Option<Self> {
        nanoseconds.sort_unstable();
        let ms: Vec<f64> = nanoseconds.into_iter().map(|ns| ns as f64 / 1e6).collect();
        Some(Self {
            count: ms.len(),
            mean_ms: ms.iter().sum::<f64>() / ms.len() as f64,
            p50_ms: percentile(&ms, 50.0)?,
            p90_ms: percentile(&ms, 90.0)?,
            p99_ms: percentile(&ms, 99.0)?,
            max_ms: *ms.last()?,
        })
    }
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
    /// Time to first token: queued to first token.
    pub ttft: Option<Latency>,
    /// Inter-token latency: every gap between two tokens of a request. None if all outputs are one token.
    pub itl: Option<Latency>,
    /// End to end: queued to last token.
    pub e2e: Option<Latency>,
    /// Waiting for the engine: queued to prefill.
    pub queue: Option<Latency>,
    /// Prefill: its begin to first token.
    pub prefill: Option<Latency>,
}

/// Figures of a checked record. Latencies are those of the requests that finished inside the window.
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
    let (window, (start, end)) = match record.arrival {
        Arrival::Batch {} => (WindowKind::WholeBatch, whole),
        Arrival::OpenLoop { .. } => (WindowKind::WholeRun, whole),
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
    let latency =
        |of: fn(&RequestRecord) -> u64| Latency::of(finished.iter().map(|r| of(r)).collect());
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
        ttft: latency(|r| r.first_token_ns.saturating_sub(r.queued_ns)),
        itl: Latency::of(
            finished
                .iter()
                .flat_map(|r| r.token_gaps_ns.iter().copied())
                .collect(),
        ),
        e2e: latency(|r| r.last_token_ns().saturating_sub(r.queued_ns)),
        queue: latency(|r| r.prefill_ns.saturating_sub(r.queued_ns)),
        prefill: latency(|r| r.first_token_ns.saturating_sub(r.prefill_ns)),
    })
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

#[cfg(test)]
mod tests {
    use lem_protocol::{Mark, Parameters, TimingKind, UnfinishedRequest, Weights};

    use super::*;

    /// `count` requests of 3 tokens, 100 ns apart, `at_once` in flight.
    fn record(arrival: Arrival, count: u64, at_once: u64) -> Record {
        let request = |index: u64| {
            let queued = 1_000 + (index / at_once) * 400;
            RequestRecord {
                prompt: 0,
                input_tokens: 2,
                output_tokens: 3,
                queued_ns: queued,
                prefill_ns: queued + 50,
                first_token_ns: queued + 200,
                token_gaps_ns: vec![100, 100],
                ..RequestRecord::default()
            }
        };
        let requests: Vec<_> = (0..count).map(request).collect();
        let end = requests
            .iter()
            .map(RequestRecord::last_token_ns)
            .max()
            .unwrap_or(0);
        Record {
            schema_version: 1,
            attempt: String::new(),
            backend: String::new(),
            backend_version: String::new(),
            device: "cpu".into(),
            weights: Weights::Random,
            requested: Parameters::new(),
            effective: Parameters::new(),
            workload: String::new(),
            arrival,
            marks: vec![
                Mark {
                    name: MarkName::MeasureStart,
                    monotonic_ns: 1_000,
                },
                Mark {
                    name: MarkName::MeasureEnd,
                    monotonic_ns: end,
                },
            ],
            tokens_sha256: None,
            chat_template_sha256: None,
            profile: None,
            token_timing: TimingKind::Measured,
            requests,
            unfinished: vec![],
        }
    }

    #[test]
    fn what_was_in_flight_at_the_end_keeps_the_state_steady_and_its_tokens_count() {
        let mut record = record(Arrival::ClosedLoop { concurrency: 2 }, 10, 2);
        // Of the sixth wave one has made two tokens, of which one comes after the window; one waits.
        let queued = 1_000 + 5 * 400;
        let one = UnfinishedRequest {
            prompt: 0,
            input_tokens: 2,
            queued_ns: queued,
            prefill_ns: Some(queued + 50),
            first_token_ns: Some(queued - 100),
            token_gaps_ns: vec![200],
            ..UnfinishedRequest::default()
        };
        let waits = UnfinishedRequest {
            prefill_ns: None,
            first_token_ns: None,
            token_gaps_ns: vec![],
            ..one.clone()
        };
        record.unfinished = vec![one, waits];
        let figures = window_figures(&record).expect("a window");
        assert_eq!(figures.window, WindowKind::SteadyState);
        // N is 12: from the 2nd first token (1200) to the 9th finish (3000), not to the 7th (2600).
        assert_eq!((figures.start_ns, figures.end_ns), (1_200, 3_000));
        // Two requests' 2nd and 3rd tokens, four waves of six, and the unfinished one's first.
        assert_eq!(figures.output_tokens, 4 + 24 + 1);
        assert_eq!(figures.requests, 10);
        assert_eq!(figures.e2e.map(|latency| latency.count), Some(10));
    }

    #[test]
    fn whole_batches_count_everything() {
        let figures = window_figures(&record(Arrival::Batch {}, 4, 2)).expect("a window");
        assert_eq!(figures.window, WindowKind::WholeBatch);
        assert_eq!(
            (
                figures.requests,
                figures.input_tokens,
                figures.output_tokens
            ),
            (4, 8, 12)
        );
        assert_eq!(figures.seconds, 800e-9);
        assert_eq!(figures.output_tokens_per_second, 12.0 / 800e-9);
        let ttft = figures.ttft.expect("requests finished");
        assert_eq!((ttft.count, ttft.p50_ms), (4, 200e-6));
        assert_eq!(figures.itl.expect("gaps").p99_ms, 100e-6);
        assert_eq!(figures.prefill.expect("requests finished").mean_ms, 150e-6);
    }

    #[test]
    fn steady_state_leaves_ramp_and_drain_out() {
        let figures = window_figures(&record(Arrival::ClosedLoop { concurrency: 2 }, 10, 2))
            .expect("a window");
        assert_eq!(figures.window, WindowKind::SteadyState);
        // From the 2nd first token (1200) to the 7th finish (2600).
        assert_eq!((figures.start_ns, figures.end_ns), (1_200, 2_600));
        // Two requests' 2nd and 3rd tokens, then three waves of six.
        assert_eq!(figures.output_tokens, 4 + 18);
    }

    #[test]
    fn a_short_loop_says_so() {
        let figures = window_figures(&record(Arrival::ClosedLoop { concurrency: 4 }, 4, 4))
            .expect("a window");
        assert_eq!(figures.window, WindowKind::WholeRun);
    }
}
