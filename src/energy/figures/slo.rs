//! A service level: which requests met it, and how many of them a second (goodput).

use lem_protocol::{Record, RequestRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{WindowFigures, judged, outlasting, since};
use crate::energy::percentile;

/// Key `slo` of the campaign file: latencies that a service has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Slo {
    /// Longest time to first token: of a request, and of the window's 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400_000), extend("exclusiveMinimum" = 0))]
    pub ttft_p99_ms: Option<f64>,
    /// Longest 99th percentile of the times between tokens: of a request, and of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400_000), extend("exclusiveMinimum" = 0))]
    pub itl_p99_ms: Option<f64>,
}

/// How a window kept a service level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SloFigures {
    /// What was asked.
    pub slo: Slo,
    /// Requests that are judged: those whose latencies the window has, and in an open loop those that were due inside
    /// it and did not finish.
    pub judged: u64,
    /// Requests whose time to first token, and whose own 99th percentile of times between tokens, keep it.
    pub met: u64,
    /// `met` by `judged`.
    pub attainment: Option<f64>,
    /// Requests that kept it, by the window's seconds.
    pub goodput_requests_per_second: f64,
    /// Whether the window's 99th percentiles keep it.
    pub kept: bool,
}

/// Holds a window against a service level.
#[must_use]
pub fn slo_figures(record: &Record, figures: &WindowFigures, slo: Slo) -> SloFigures {
    let (start, end) = (figures.start_ns, figures.end_ns);
    let requests = judged(record, start, end);
    let met = requests.iter().filter(|one| meets(one, slo)).count() as u64;
    let missed = outlasting(record, start, end);
    let judged = requests.len() as u64 + missed;
    let within = |limit: Option<f64>, value: Option<f64>| match (limit, value) {
        (Some(limit), Some(value)) => value <= limit,
        // Outputs of one token have nothing between them.
        _ => true,
    };
    SloFigures {
        slo,
        judged,
        met,
        attainment: (judged > 0).then(|| met as f64 / judged as f64),
        goodput_requests_per_second: met as f64 / figures.seconds,
        kept: judged > 0
            // More than one in a hundred that never finished leaves no 99th percentile.
            && missed * 100 <= judged
            && within(slo.ttft_p99_ms, figures.ttft.map(|ttft| ttft.p99_ms))
            && within(slo.itl_p99_ms, figures.itl.map(|itl| itl.p99_ms)),
    }
}

fn meets(request: &RequestRecord, slo: Slo) -> bool {
    let ttft = request.first_token_ns.saturating_sub(since(request)) as f64 / 1e6;
    if slo.ttft_p99_ms.is_some_and(|limit| ttft > limit) {
        return false;
    }
    let Some(limit) = slo.itl_p99_ms else {
        return true;
    };
    let mut gaps: Vec<f64> = request
        .token_gaps_ns
        .iter()
        .map(|gap| *gap as f64 / 1e6)
        .collect();
    gaps.sort_unstable_by(f64::total_cmp);
    percentile(&gaps, 99.0).is_none_or(|itl| itl <= limit)
}
