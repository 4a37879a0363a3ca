//! An open loop: whether the load was kept up with, and the part of it in which the state is steady.
//!
//! N(t) is the number of requests that are due and not finished. Where the rate can be kept up with, N rises for about
//! one end-to-end latency and then fluctuates about a level L, with a variance of about L times the arrivals'
//! dispersion. Where it cannot, N grows for as long as requests arrive. docs/measurement.md has the criterion in full.

use lem_protocol::{Record, RequestRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Latency, since};

/// Standard deviations by which N must grow from the first to the last third.
const DEVIATIONS: f64 = 3.0;
/// Least number of early requests that tell how long one takes.
const EARLY: usize = 10;
/// Share of the requests that are early.
const EARLY_SHARE: usize = 10;

/// Whether the load of an open loop was kept up with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenLoopFigures {
    /// Requests of the schedule.
    pub scheduled: u64,
    /// Requests a second, from the first to the last arrival.
    pub offered_per_second: Option<f64>,
    /// Requests that were not finished when the drain was over.
    pub unfinished: u64,
    /// Of them, those that were due inside the window: its latencies are of the others, and so too short.
    #[serde(default)]
    pub without_latency: u64,
    /// How late requests were sent: from due to queued. It is part of their latencies.
    pub lateness: Option<Latency>,
    /// Mean number of requests that were due and not finished, in the first third of the arrivals after the ramp.
    pub in_flight_first: Option<f64>,
    /// The same in the last third.
    pub in_flight_last: Option<f64>,
    /// Growth from the first to the last third beyond which the queue is said to grow.
    pub growth_limit: Option<f64>,
    /// Whether the queue grew: the rate is more than the engine can do. Null where the arrivals are too few to tell.
    pub saturated: Option<bool>,
}

/// The bounds of the steady part, if there is one, and the figures of the whole.
pub(super) fn window(
    record: &Record,
    drain_seconds: u32,
) -> (Option<(u64, u64)>, Option<OpenLoopFigures>) {
    let mut due: Vec<u64> = record
        .requests
        .iter()
        .filter_map(|request| request.due_ns)
        .chain(record.unfinished.iter().filter_map(|one| one.due_ns))
        .collect();
    due.sort_unstable();
    let (Some(first), Some(last)) = (due.first().copied(), due.last().copied()) else {
        return (None, None);
    };
    let late = record
        .requests
        .iter()
        .filter_map(|one| Some(one.queued_ns.saturating_sub(one.due_ns?)));
    let late_too = record
        .unfinished
        .iter()
        .filter_map(|one| Some(one.queued_ns.saturating_sub(one.due_ns?)));
    let span = (last - first) as f64 / 1e9;
    let mut figures = OpenLoopFigures {
        scheduled: due.len() as u64,
        offered_per_second: (span > 0.0).then(|| (due.len() - 1) as f64 / span),
        unfinished: record.unfinished.len() as u64,
        without_latency: 0,
        lateness: Latency::of(late.chain(late_too).collect()),
        in_flight_first: None,
        in_flight_last: None,
        growth_limit: None,
        saturated: None,
    };
    let Some(early) = early(record, due.len()) else {
        // Not even the first requests finished.
        figures.saturated = (!record.unfinished.is_empty()).then_some(true);
        return (None, Some(figures));
    };
    let outlasted = !record.unfinished.is_empty()
        && u128::from(drain_seconds) * 1_000_000_000 >= 2 * u128::from(early.longest_ns);
    let start = first.saturating_add(early.median_ns);
    // Too short a load never leaves its ramp.
    if start.saturating_sub(first) > (last - first) / 2 {
        figures.saturated = outlasted.then_some(true);
        return (None, Some(figures));
    }
    let third = (last - start) / 3;
    if third == 0 {
        return (None, Some(figures));
    }
    let in_flight = InFlight::of(record, &due);
    let before = in_flight.mean(start, start + third);
    let after = in_flight.mean(last - third, last);
    let limit = DEVIATIONS * (2.0 * before.max(1.0) * dispersion(&due)).sqrt();
    let saturated = outlasted || after - before > limit;
    figures.in_flight_first = Some(before);
    figures.in_flight_last = Some(after);
    figures.growth_limit = Some(limit);
    figures.saturated = Some(saturated);
    ((!saturated).then_some((start, last)), Some(figures))
}

/// How long the first requests took, of which a queue that grows has not got hold yet.
struct Early {
    median_ns: u64,
    longest_ns: u64,
}

fn early(record: &Record, scheduled: usize) -> Option<Early> {
    let mut requests: Vec<&RequestRecord> = record.requests.iter().collect();
    requests.sort_unstable_by_key(|request| request.due_ns);
    requests.truncate(EARLY.max(scheduled / EARLY_SHARE));
    let took = requests
        .iter()
        .map(|one| one.last_token_ns().saturating_sub(since(one)));
    let mut took: Vec<u64> = took.collect();
    took.sort_unstable();
    Some(Early {
        median_ns: *took.get(took.len() / 2)?,
        longest_ns: *took.last()?,
    })
}

/// Variance of the gaps between arrivals by their squared mean: 1 for a Poisson process. Never below 1, since how long
/// requests take is random too.
fn dispersion(due: &[u64]) -> f64 {
    let gaps: Vec<f64> = due
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64)
        .collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
    let variance =
        gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len().max(1) as f64;
    if mean > 0.0 {
        (variance / (mean * mean)).max(1.0)
    } else {
        1.0
    }
}

/// N(t) as its steps: up where a request is due, down where one ends.
struct InFlight {
    /// When, and the number from then on.
    steps: Vec<(u64, u64)>,
}

impl InFlight {
    fn of(record: &Record, due: &[u64]) -> Self {
        let mut ends: Vec<u64> = record
            .requests
            .iter()
            .map(RequestRecord::last_token_ns)
            .collect();
        ends.sort_unstable();
        let mut steps = Vec::with_capacity(due.len() + ends.len());
        let (mut arrived, mut ended) = (0, 0);
        while arrived < due.len() || ended < ends.len() {
            let arrival = due.get(arrived).copied().unwrap_or(u64::MAX);
            let end = ends.get(ended).copied().unwrap_or(u64::MAX);
            if arrival <= end {
                arrived += 1;
            } else {
                ended += 1;
            }
            steps.push((arrival.min(end), arrived.saturating_sub(ended) as u64));
        }
        Self { steps }
    }

    /// Mean over time from `start` to `end`.
    fn mean(&self, start: u64, end: u64) -> f64 {
        let from = self.steps.partition_point(|(at, _)| *at <= start);
        let mut number = from.checked_sub(1).map_or(0, |before| self.steps[before].1);
        let (mut at, mut area) = (start, 0.0);
        for (step, next) in self.steps[from..]
            .iter()
            .take_while(|(step, _)| *step < end)
        {
            area += number as f64 * (step - at) as f64;
            (at, number) = (*step, *next);
        }
        area += number as f64 * end.saturating_sub(at) as f64;
        area / end.saturating_sub(start).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One server that takes `service` ns a request, first come, first served, and requests at `due`.
    fn served(due: &[u64], service: u64, until: u64) -> Record {
        let mut record = super::super::tests::empty();
        let mut free = 0;
        for at in due {
            let begin = free.max(*at);
            free = begin + service;
            if free <= until {
                record.requests.push(RequestRecord {
                    due_ns: Some(*at),
                    queued_ns: *at + 5,
                    first_token_ns: free,
                    ..RequestRecord::default()
                });
            } else {
                record.unfinished.push(lem_protocol::UnfinishedRequest {
                    due_ns: Some(*at),
                    queued_ns: *at + 5,
                    ..lem_protocol::UnfinishedRequest::default()
                });
            }
        }
        record
    }

    /// 400 arrivals of a pattern that repeats: short and long gaps of mean `gap`.
    fn arrivals(gap: u64) -> Vec<u64> {
        let mut at = 1_000_000;
        let part = [1, 3, 20, 2, 9, 30, 1, 4, 12, 18];
        (0..400)
            .map(|place| {
                at += part[place % part.len()] * gap / 10;
                at
            })
            .collect()
    }

    #[test]
    fn a_rate_below_what_is_served_is_steady_and_above_it_saturates() {
        let due = arrivals(1_000);
        for (service, saturated) in [
            (300, false),
            (700, false),
            (900, false),
            (1_200, true),
            (3_000, true),
        ] {
            let (bounds, figures) = window(&served(&due, service, u64::MAX), 30);
            let figures = figures.expect("an open loop");
            assert_eq!(figures.saturated, Some(saturated), "{service}: {figures:?}");
            assert_eq!(bounds.is_none(), saturated);
            if let Some((start, end)) = bounds {
                assert!(start > due[0] && end == due[399]);
            }
        }
    }

    #[test]
    fn a_queue_that_grows_from_the_start_is_seen_though_nothing_early_was_slow() {
        // Four times as much as can be served: the last third is far above the first.
        let due = arrivals(1_000);
        let (_, figures) = window(&served(&due, 4_000, u64::MAX), 30);
        let figures = figures.expect("an open loop");
        let growth = figures
            .in_flight_last
            .zip(figures.in_flight_first)
            .map(|(b, a)| b - a);
        assert!(growth > figures.growth_limit, "{figures:?}");
    }

    #[test]
    fn what_outlasts_a_long_drain_was_not_kept_up_with() {
        let due = arrivals(1_000);
        let mut record = served(&due, 300, u64::MAX);
        let stuck = record.requests.pop().expect("some");
        record.unfinished.push(lem_protocol::UnfinishedRequest {
            due_ns: stuck.due_ns,
            ..lem_protocol::UnfinishedRequest::default()
        });
        let saturated = |drain| {
            window(&record, drain)
                .1
                .and_then(|figures| figures.saturated)
        };
        // Without a drain it may be only the last that had no time.
        assert_eq!((saturated(0), saturated(1)), (Some(false), Some(true)));
    }

    #[test]
    fn too_few_arrivals_tell_nothing() {
        let due: Vec<u64> = (0..5).map(|n| 1_000 + n * 10).collect();
        let (bounds, figures) = window(&served(&due, 300, u64::MAX), 30);
        assert_eq!(bounds, None);
        assert_eq!(figures.expect("an open loop").saturated, None);
    }

    #[test]
    fn lateness_is_the_senders() {
        let (_, figures) = window(&served(&arrivals(1_000), 300, u64::MAX), 30);
        let late = figures.and_then(|figures| figures.lateness).expect("some");
        assert_eq!((late.count, late.max_ms), (400, 5e-6));
    }
}
