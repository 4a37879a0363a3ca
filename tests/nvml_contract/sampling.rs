//! Clauses on the sampler: every step of the counter once, in a narrow bracket, and the sources agree.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use lemctl::energy::{CounterEdge, PowerReading};
use lemctl::telemetry::{GpuRecording, Recording, Sampler, SamplerSettings};

use super::Subject;

pub fn ten_readings_a_second(subject: &Subject) {
    sampled(subject, 100_000_000, 6);
}

pub fn a_hundred_readings_a_second(subject: &Subject) {
    sampled(subject, 10_000_000, 6);
}

fn sample(subject: &Subject, reading_interval_ns: u64, seconds: u64) -> Recording {
    let settings = SamplerSettings {
        reading_interval_ns,
        ..SamplerSettings::default()
    };
    let gpus = [subject.gpu.clone()];
    let sampler = Sampler::start(Arc::clone(&subject.telemetry), &gpus, settings).unwrap();
    sleep(Duration::from_secs(seconds));
    let edge = sampler.wait_edge(Duration::from_secs(2)).unwrap();
    let recording = sampler.stop();
    let found = recording.gpus[0].readings.counter.contains(&edge);
    assert!(found, "the edge that was waited for is recorded");
    recording
}

fn sampled(subject: &Subject, interval_ns: u64, seconds: u64) {
    let recording = sample(subject, interval_ns, seconds);
    let gpu = &recording.gpus[0];
    assert_eq!(recording.gpus.len(), 1);
    assert!(gpu.breaks.is_empty(), "{:?}", gpu.breaks);
    let period_ns = edges_are_sound(&gpu.readings.counter, seconds);
    assert!((50e6..=200e6).contains(&period_ns), "{period_ns} ns");

    let cost = &recording.cost;
    assert!(cost.failed_threads.is_empty());
    assert_eq!(cost.reading_interval_ns, interval_ns);
    let due = seconds * 1_000_000_000 / interval_ns;
    assert!(cost.ticks >= due, "{cost:?}");
    // One more than the ticks: the last reading, at stop.
    let taken = cost.ticks - cost.missed_ticks + 1;
    assert_eq!(gpu.readings.average.len() as u64, taken);
    assert_eq!(gpu.readings.instant.len() as u64, taken);
    assert!(gpu.states.len() as u64 >= (9 * seconds).min(due) / 2);
    assert_eq!(gpu.states.len(), gpu.violations.len());
    assert!(
        cost.cpu_seconds > 0.0 && cost.cpu_percent < 50.0,
        "{cost:?}"
    );

    for series in [
        &gpu.readings.samples,
        &gpu.readings.average,
        &gpu.readings.instant,
    ] {
        assert!(series.is_sorted_by(|a, b| a.at_ns < b.at_ns));
    }
    let samples = inside(
        &gpu.readings.samples,
        recording.started_ns,
        recording.stopped_ns,
    );
    let expected = seconds * 1_000 / 20;
    assert!(samples as u64 > expected / 2, "{samples} samples");
    assert_eq!(gpu.dropped.unplaced_samples, 0);
    sources_agree(gpu);
}

/// Gives the mean period.
fn edges_are_sound(edges: &[CounterEdge], seconds: u64) -> f64 {
    assert!(edges.len() as u64 >= seconds * 4, "{} edges", edges.len());
    for pair in edges.windows(2) {
        assert!(pair[0].millijoules < pair[1].millijoules, "{pair:?}");
        assert!(pair[0].before_ns < pair[0].after_ns, "{pair:?}");
        assert!(pair[0].after_ns <= pair[1].after_ns, "{pair:?}");
    }
    let (first, last) = (edges[0], edges[edges.len() - 1]);
    let period = (last.after_ns - first.after_ns) as f64 / (edges.len() - 1) as f64;
    let mut widths: Vec<u64> = edges
        .iter()
        .map(|edge| edge.after_ns - edge.before_ns)
        .collect();
    widths.sort_unstable();
    let median = widths[widths.len() / 2] as f64;
    assert!(
        median < period / 4.0,
        "median bracket {median} ns of {period} ns"
    );
    // A busy machine may take the thread away for once.
    let nearly_all = widths[widths.len() * 95 / 100] as f64;
    assert!(nearly_all < period, "brackets {widths:?}");
    period
}

fn inside(readings: &[PowerReading], start_ns: u64, end_ns: u64) -> usize {
    let is_inside = |reading: &&PowerReading| (start_ns..end_ns).contains(&reading.at_ns);
    readings.iter().filter(is_inside).count()
}

/// The integral of the average power between two edges is about the counter's growth between them.
fn sources_agree(gpu: &GpuRecording) {
    let edges = &gpu.readings.counter;
    let (first, last) = (edges[edges.len() / 4], edges[edges.len() - 1]);
    let counter = (last.millijoules - first.millijoules) as f64 / 1e3;
    let inside: Vec<&PowerReading> = gpu
        .readings
        .average
        .iter()
        .filter(|reading| (first.after_ns..last.after_ns).contains(&reading.at_ns))
        .collect();
    let integral: f64 = inside
        .windows(2)
        .map(|pair| {
            let seconds = (pair[1].at_ns - pair[0].at_ns) as f64 / 1e9;
            (pair[0].watts + pair[1].watts) / 2.0 * seconds
        })
        .sum();
    let covered = (inside[inside.len() - 1].at_ns - inside[0].at_ns) as f64;
    let scaled = integral * (last.after_ns - first.after_ns) as f64 / covered;
    let apart = (scaled - counter).abs() / counter;
    assert!(
        apart < 0.15,
        "{scaled} J by power, {counter} J by the counter"
    );
}

/// Prints what sampling costs at 10 and at 100 readings a second, 10 s each.
#[expect(clippy::disallowed_macros, reason = "this test is run to be read")]
pub fn figures(subject: &Subject) {
    for interval_ns in [100_000_000, 10_000_000] {
        let recording = sample(subject, interval_ns, 10);
        let edges = &recording.gpus[0].readings.counter;
        let mut widths: Vec<u64> = edges
            .iter()
            .map(|edge| edge.after_ns - edge.before_ns)
            .collect();
        widths.sort_unstable();
        let (first, last) = (edges[0], edges[edges.len() - 1]);
        let samples = &recording.gpus[0].readings.samples;
        let newest = samples
            .last()
            .map(|sample| recording.stopped_ns as f64 - sample.at_ns as f64);
        println!(
            "{}",
            serde_json::json!({
                "driver": recording.library.driver_version,
                "readings_per_second": 1_000_000_000 / interval_ns,
                "cost": recording.cost,
                "edges": edges.len(),
                "update_period_ms": (last.after_ns - first.after_ns) as f64 / 1e6 / (edges.len() - 1) as f64,
                "bracket_ns": { "p50": widths[widths.len() / 2], "p99": widths[widths.len() * 99 / 100], "max": widths[widths.len() - 1] },
                "samples": samples.len(),
                "newest_sample_age_ms": newest.map(|ns| ns / 1e6),
                "states": recording.gpus[0].states.len(),
                "errors": recording.gpus[0].errors,
                "bytes": recording.encode().unwrap().len(),
            })
        );
    }
}
