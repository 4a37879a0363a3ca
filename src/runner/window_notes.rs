//! What is told of a window beside its energy: whether it is long enough for its kind, its operations, and the figures
//! that stand for it everywhere.

use std::collections::BTreeMap;

use lem_protocol::{Arrival, Loaded, Mark, MarkName, Record};

use crate::campaign::Campaign;
use crate::energy::{
    AttentionShape, FlopsEstimate, OpenLoopFigures, WindowFigures, WindowKind, codes,
    flops_estimate,
};
use crate::execution::Figures;
use crate::manifest::{RunResult, SLO_ITL, SLO_TTFT};

/// Seconds of a steady state at least, and the lots of requests that must finish in it (docs/measurement.md): less
/// does not average over what a loop does. A lot is what is in flight at once.
const STEADY_SECONDS: f64 = 30.0;
const STEADY_LOTS: u64 = 3;

pub(super) fn too_short(figures: &WindowFigures, arrival: Arrival) -> bool {
    match (figures.window, arrival) {
        (WindowKind::WholeBatch, _) => false,
        (WindowKind::OpenSteady, _) => {
            let in_flight = figures.open_loop.and_then(|open| open.in_flight_first);
            figures.seconds < STEADY_SECONDS
                || (figures.requests as f64)
                    < STEADY_LOTS as f64 * in_flight.unwrap_or(1.0).max(1.0)
        }
        (WindowKind::SteadyState, Arrival::ClosedLoop { concurrency }) => {
            figures.seconds < STEADY_SECONDS
                || figures.requests < STEADY_LOTS * u64::from(concurrency)
        }
        // A queue that grows does not grow less in a longer window: `saturated` says what is wrong.
        (WindowKind::WholeRun, _) => figures
            .open_loop
            .is_none_or(|open| open.saturated != Some(true)),
        _ => true,
    }
}

/// The window's floating-point operations, estimated; none where nobody knows the model's size.
pub(super) fn flops(
    record: &Record,
    figures: &WindowFigures,
    campaign: &Campaign,
    report: Option<&Loaded>,
) -> Option<FlopsEstimate> {
    let report = report?;
    let active = report.active_parameters.unwrap_or(report.model_parameters);
    // A worker that could not count them says 0.
    if active == 0 {
        return None;
    }
    let attention = campaign.model.config.as_ref().map(|config| AttentionShape {
        layers: config.num_hidden_layers,
        width: u64::from(config.num_attention_heads) * u64::from(config.head_dim),
    });
    flops_estimate(record, figures, active, attention)
}

/// How long the engine took to load, by the worker's own marks.
pub(super) fn load_seconds(marks: &[Mark]) -> Option<f64> {
    let at = |name| Some(marks.iter().find(|mark| mark.name == name)?.monotonic_ns);
    let took = at(MarkName::LoadEnd)?.checked_sub(at(MarkName::LoadStart)?)?;
    Some(took as f64 / 1e9)
}

/// When the warm-up before the window began and ended, as far as the worker says.
pub(super) fn warmup_marks(marks: &[Mark]) -> Vec<Mark> {
    let of_warmup = |mark: &&Mark| matches!(mark.name, MarkName::WarmupStart | MarkName::WarmupEnd);
    marks.iter().filter(of_warmup).copied().collect()
}

/// The figures that tables, journal and manifest carry; the unit is in the name.
pub(super) fn headline(result: &RunResult) -> Figures {
    let figures = &result.figures;
    // What a profiler disturbed is not ranked by energy.
    let undisturbed = !result.flags.iter().any(|flag| flag == codes::PROFILED);
    let energy = result.energy.window.as_ref().filter(|_| undisturbed);
    let by = result.energy.figures.as_ref().filter(|_| undisturbed);
    let latency = |value: Option<f64>| value.filter(|value| value.is_finite());
    let open = |of: fn(OpenLoopFigures) -> Option<f64>| figures.open_loop.and_then(of);
    let all = [
        (
            "output_tokens_per_second",
            Some(figures.output_tokens_per_second),
        ),
        ("requests_per_second", Some(figures.requests_per_second)),
        ("window_seconds", Some(figures.seconds)),
        ("joules", energy.and_then(|energy| energy.joules)),
        ("mean_watts", energy.and_then(|energy| energy.mean_watts)),
        (
            "joules_per_output_token",
            by.and_then(|by| by.joules_per_output_token),
        ),
        (
            "joules_per_request",
            by.and_then(|by| by.joules_per_request),
        ),
        (
            "output_tokens_per_second_per_watt",
            by.and_then(|by| by.output_tokens_per_second_per_watt),
        ),
        (
            "joules_per_output_token_above_resident",
            by.and_then(|by| by.joules_per_output_token_above_resident),
        ),
        ("resident_watts", result.baseline.resident_watts),
        // Of the run that its engine was loaded for; the others on that load waited for none.
        (
            "load_seconds",
            result
                .load_seconds
                .filter(|_| result.runs_before_on_load == 0),
        ),
        ("ttft_ms_p50", latency(figures.ttft.map(|ttft| ttft.p50_ms))),
        ("ttft_ms_p99", latency(figures.ttft.map(|ttft| ttft.p99_ms))),
        ("itl_ms_p50", latency(figures.itl.map(|itl| itl.p50_ms))),
        ("itl_ms_p99", latency(figures.itl.map(|itl| itl.p99_ms))),
        ("e2e_ms_p50", latency(figures.e2e.map(|e2e| e2e.p50_ms))),
        (
            "offered_requests_per_second",
            open(|open| open.offered_per_second),
        ),
        (
            "requests_without_latency",
            open(|open| Some(open.without_latency as f64)),
        ),
        ("lateness_ms_p99", open(|open| Some(open.lateness?.p99_ms))),
        (
            "goodput_requests_per_second",
            result.slo.map(|slo| slo.goodput_requests_per_second),
        ),
        ("slo_attainment", result.slo.and_then(|slo| slo.attainment)),
        // The level itself: what was judged by another one is never taken together with it.
        (SLO_TTFT, result.slo.and_then(|slo| slo.slo.ttft_p99_ms)),
        (SLO_ITL, result.slo.and_then(|slo| slo.slo.itl_p99_ms)),
        (
            "flops_per_second",
            result.flops.as_ref().map(|flops| flops.flops_per_second),
        ),
    ];
    let named = all
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    named.collect::<BTreeMap<_, _>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_state_needs_its_seconds_and_its_lots() {
        let figures = |window, seconds, requests| WindowFigures {
            window,
            start_ns: 0,
            end_ns: 1,
            seconds,
            requests,
            input_tokens: 0,
            output_tokens: 0,
            output_tokens_per_second: 0.0,
            requests_per_second: 0.0,
            ttft: None,
            itl: None,
            e2e: None,
            queue: None,
            prefill: None,
            open_loop: None,
        };
        let closed = Arrival::ClosedLoop { concurrency: 8 };
        let steady = WindowKind::SteadyState;
        for (seconds, requests, short) in [(30.0, 24, false), (29.9, 24, true), (30.0, 23, true)] {
            assert_eq!(
                too_short(&figures(steady, seconds, requests), closed),
                short
            );
        }
        assert!(too_short(&figures(WindowKind::WholeRun, 99.0, 99), closed));
        let batch = figures(WindowKind::WholeBatch, 0.1, 1);
        assert!(!too_short(&batch, Arrival::Batch {}));
    }
}
