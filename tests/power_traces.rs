//! Recorded truth: a physical meter beside nvidia-smi's log, through the real decoder, integrator and aliasing
//! test. Needs the recordings (data of arXiv 2312.02741): `LEM_POWER_TRACES`, or `../shared/data/power-traces` beside the
//! repository. Without them it says so and passes.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a test prints its figures, and is told where the recordings are"
)]

mod power_traces {
    pub mod recording;
}

use std::path::PathBuf;

use lemctl::energy::aliasing::{Sight, apparent_alias, coherence, update_period_ns};
use lemctl::energy::integrate;
use lemctl::energy::sensor::{Gain, Origin, Sensor, Spread};
use lemctl::energy::waveform::{Point, even_run};
use power_traces::recording::Recording;

fn recording(name: &str) -> Option<Recording> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/power-traces");
    let folder =
        std::env::var_os("LEM_POWER_TRACES").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let folder = folder.join(name);
    if folder.is_dir() {
        Some(Recording::read(&folder))
    } else {
        println!("skipped: no recording at {}", folder.display());
        None
    }
}

/// Joules of the meter over the window.
fn metered(recording: &Recording) -> f64 {
    let offset =
        (i128::from(recording.start_ns) - i128::from(recording.meter_start_ns)) as f64 / 1e9;
    let found = integrate(&recording.meter, offset, offset + recording.seconds(), 0.01).unwrap();
    found
        .whole()
        .expect("the meter covers the window without a gap")
}

/// Joules of the log as it stands: every row a point at the time it was written.
fn logged(recording: &Recording) -> f64 {
    let points: Vec<Point> = recording
        .draw
        .iter()
        .map(|reading| Point {
            at: (i128::from(reading.at_ns) - i128::from(recording.start_ns)) as f64 / 1e9,
            watts: reading.watts,
        })
        .collect();
    let found = integrate(&points, 0.0, recording.seconds(), 0.3).unwrap();
    found
        .whole()
        .expect("the log covers the window without a gap")
}

/// The load's period by its marks: two switches a period.
fn marked_period_ns(recording: &Recording) -> f64 {
    let marks = &recording.marks_ns;
    2.0 * (marks[marks.len() - 1] - marks[0]) as f64 / (marks.len() - 1) as f64
}

fn assert_near(found: f64, stated: f64, share: f64) {
    assert!(
        (found / stated - 1.0).abs() <= share,
        "{found} is not {stated} within {share}"
    );
}

#[test]
fn a_switched_load_is_read_low_and_its_gain_brings_it_back() {
    let Some(trace) = recording("A100_TR") else {
        return;
    };
    let truth = metered(&trace);
    assert_near(trace.seconds(), 11.97, 1e-4);
    assert_near(truth, 1580.30, 5e-4);
    let raw = logged(&trace);
    let error = 100.0 * (raw / truth - 1.0);
    assert!((error + 5.5).abs() < 0.05, "raw error {error} %");
    let gain = Gain {
        factor: 0.954,
        offset_watts: -1.18,
        factor_half_width: 0.0,
        offset_half_width_watts: 0.0,
        correlation: 0.0,
        spread: Spread::Normal,
        origin: Origin::Metered {
            file: "A100".into(),
        },
    };
    let corrected = gain.true_watts(raw / trace.seconds()) * trace.seconds();
    let error = 100.0 * (corrected / truth - 1.0);
    println!("A100_TR: meter {truth:.2} J, log {raw:.2} J, after gain {error:+.3} %");
    assert!(
        error.abs() < 1.0 && (error + 0.05).abs() < 0.01,
        "after gain {error} %"
    );
}

#[test]
fn a_load_at_the_sensors_own_period_seems_right_by_luck() {
    let Some(trace) = recording("5050_A100") else {
        return;
    };
    let truth = metered(&trace);
    assert_near(trace.seconds(), 7.93, 1e-3);
    assert_near(truth, 1024.72, 5e-4);
    let error = 100.0 * (logged(&trace) / truth - 1.0);
    println!("5050_A100: meter {truth:.2} J, log {error:+.3} %");
    assert!((error - 0.01).abs() < 0.005, "raw error {error} %");
}

#[test]
fn the_log_alone_shows_which_load_is_coherent() {
    for (name, coherent) in [("5050_A100", true), ("A100_TR", false)] {
        let Some(trace) = recording(name) else { return };
        let found = apparent_alias(&trace.draw, trace.start_ns, trace.end_ns);
        println!(
            "{name}: {found:?}, updates every {:?} ns",
            update_period_ns(&trace.draw)
        );
        assert_eq!(found.is_some(), coherent, "{name}");
        if let Some(found) = found {
            // The A100's period by the paper (arXiv 2312.02741).
            assert!((101e6..=104e6).contains(&found.update_period_ns));
            assert!(found.term > 0.05);
        }
    }
}

#[test]
fn the_loads_marks_show_it_too() {
    for (name, coherent) in [("5050_A100", true), ("A100_TR", false)] {
        let Some(trace) = recording(name) else { return };
        let update = update_period_ns(&trace.draw).unwrap();
        let window = (trace.end_ns - trace.start_ns) as f64;
        let found = coherence(marked_period_ns(&trace), update, window, Sight::Partial).unwrap();
        println!("{name}: {found:?}");
        assert_eq!(found.coherent, coherent, "{name}");
    }
}

#[test]
fn the_metered_load_repeats_as_its_marks_say() {
    let Some(trace) = recording("5050_A100") else {
        return;
    };
    let offset = (trace.start_ns - trace.meter_start_ns) as f64 / 1e9;
    // Means of 48 records, about 10 ms.
    let coarse: Vec<Point> = trace
        .meter
        .chunks_exact(48)
        .map(|chunk| Point {
            at: chunk[0].at,
            watts: chunk.iter().map(|point| point.watts).sum::<f64>() / 48.0,
        })
        .collect();
    let (watts, step) = even_run(&coarse, offset + 0.5, offset + 7.0).unwrap();
    let found = lemctl::energy::aliasing::load_period(&watts, step).unwrap() * 1e9;
    assert_near(found, marked_period_ns(&trace), 0.005);
    // The sensor's own traits for that GPU hold the period that the log shows.
    let assumed = Sensor::assumed("NVIDIA A100 80GB PCIe")
        .traits
        .instant
        .update_period_ns;
    assert!(assumed.holds(update_period_ns(&trace.draw).unwrap()));
}
