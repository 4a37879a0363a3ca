//! Figures of made-up records whose every time is known.

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
        arrival,
        marks: marks(1_000, end),
        requests,
        ..empty()
    }
}

fn marks(start: u64, end: u64) -> Vec<Mark> {
    let mark = |name, monotonic_ns| Mark { name, monotonic_ns };
    vec![
        mark(MarkName::MeasureStart, start),
        mark(MarkName::MeasureEnd, end),
    ]
}

/// A record of an open loop without requests or marks.
pub(super) fn empty() -> Record {
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
        arrival: Arrival::OpenLoop { drain_seconds: 30 },
        marks: vec![],
        tokens_sha256: None,
        chat_template_sha256: None,
        profile: None,
        token_timing: TimingKind::Measured,
        requests: vec![],
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
    let figures =
        window_figures(&record(Arrival::ClosedLoop { concurrency: 2 }, 10, 2)).expect("a window");
    assert_eq!(figures.window, WindowKind::SteadyState);
    // From the 2nd first token (1200) to the 7th finish (2600).
    assert_eq!((figures.start_ns, figures.end_ns), (1_200, 2_600));
    // Two requests' 2nd and 3rd tokens, then three waves of six.
    assert_eq!(figures.output_tokens, 4 + 18);
}

#[test]
fn a_short_loop_says_so() {
    let figures =
        window_figures(&record(Arrival::ClosedLoop { concurrency: 4 }, 4, 4)).expect("a window");
    assert_eq!(figures.window, WindowKind::WholeRun);
}

/// 100 requests of 2 tokens, due every 1000 ns from 10,000 on, sent 10 ns late, of which each takes 250 ns to its first
/// token and 100 to its second. The last does not finish.
fn open_loop() -> Record {
    let request = |index: u64| {
        let due = 10_000 + index * 1_000;
        RequestRecord {
            input_tokens: 5,
            output_tokens: 2,
            due_ns: Some(due),
            queued_ns: due + 10,
            prefill_ns: due + 50,
            first_token_ns: due + 250,
            token_gaps_ns: vec![100],
            ..RequestRecord::default()
        }
    };
    Record {
        marks: marks(9_000, 200_000),
        requests: (0..99).map(request).collect(),
        unfinished: vec![UnfinishedRequest {
            input_tokens: 5,
            due_ns: Some(109_000),
            queued_ns: 109_010,
            ..UnfinishedRequest::default()
        }],
        arrival: Arrival::OpenLoop { drain_seconds: 0 },
        ..empty()
    }
}

#[test]
fn latencies_of_an_open_loop_begin_when_a_request_is_due() {
    let figures = window_figures(&open_loop()).expect("a window");
    assert_eq!(figures.window, WindowKind::OpenSteady);
    // From one end-to-end latency after the first arrival to the last arrival.
    assert_eq!((figures.start_ns, figures.end_ns), (10_350, 109_000));
    assert_eq!(figures.requests, 98);
    let ttft = figures.ttft.expect("some");
    assert_eq!((ttft.count, ttft.p50_ms), (98, 250e-6));
    assert_eq!(figures.queue.expect("some").max_ms, 50e-6);
    let open = figures.open_loop.expect("an open loop");
    assert_eq!(
        (open.scheduled, open.unfinished, open.saturated),
        (100, 1, Some(false))
    );
    // The one that outlasted the drain was due inside.
    assert_eq!(open.without_latency, 1);
    let mut before = open_loop();
    before.unfinished[0].due_ns = Some(10_349);
    let before = window_figures(&before).and_then(|figures| figures.open_loop);
    let before = before.expect("an open loop");
    assert_eq!((before.unfinished, before.without_latency), (1, 0));
    assert_eq!(open.lateness.expect("some").p99_ms, 10e-6);
    let offered = open.offered_per_second.expect("a rate");
    assert!((offered - 1e6).abs() < 1.0, "{offered}");
}

#[test]
fn who_was_slow_or_never_finished_missed_the_service_level() {
    let mut record = open_loop();
    record.requests[50].first_token_ns += 500;
    record.requests[60].token_gaps_ns = vec![400];
    let figures = window_figures(&record).expect("a window");
    let slo = Slo {
        ttft_p99_ms: Some(300e-6),
        itl_p99_ms: Some(200e-6),
    };
    let found = slo_figures(&record, &figures, slo);
    // 98 finished and one that did not; two of them were slow.
    assert_eq!((found.judged, found.met), (99, 96));
    assert_eq!(found.attainment, Some(96.0 / 99.0));
    assert_eq!(found.goodput_requests_per_second, 96.0 / figures.seconds);
    assert!(!found.kept);
    let lenient = Slo {
        ttft_p99_ms: Some(1.0),
        itl_p99_ms: None,
    };
    let lost = slo_figures(&record, &figures, lenient);
    // One of 99 is more than one in a hundred.
    assert!(lost.met == 98 && !lost.kept);
    record.unfinished.clear();
    let figures = window_figures(&record).expect("a window");
    assert!(slo_figures(&record, &figures, lenient).kept);
}

#[test]
fn operations_are_those_of_the_tokens_in_the_window() {
    let record = record(Arrival::Batch {}, 1, 1);
    let figures = window_figures(&record).expect("a window");
    let shape = AttentionShape {
        layers: 3,
        width: 10,
    };
    let found = flops_estimate(&record, &figures, 1_000, Some(shape)).expect("parameters");
    // Two input tokens and the first two of three output tokens went through the model, at contexts 1 to 4.
    assert_eq!(found.tokens, 4);
    assert_eq!(found.flops, 2.0 * 1_000.0 * 4.0 + 4.0 * 3.0 * 10.0 * 10.0);
    assert!(found.formula.contains("Σ context"));
    let plain = flops_estimate(&record, &figures, 1_000, None).expect("parameters");
    assert_eq!(
        (plain.flops, plain.formula.as_str()),
        (8_000.0, "2·N_active·tokens")
    );
    assert_eq!(flops_estimate(&record, &figures, 0, None), None);
    let mut cached = record;
    cached.requests[0].cached_tokens = 1;
    let found = flops_estimate(&cached, &figures, 1_000, Some(shape)).expect("parameters");
    assert_eq!((found.tokens, found.flops), (3, 6_000.0 + 120.0 * 9.0));
}
