//! Baselines from the counter, from average power, and from neither.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::energy::CounterEdge;

const SECOND: u64 = 1_000_000_000;

/// 12 s of readings; the power of each 100 ms is `watts` of its number.
fn readings(watts: impl Fn(u64) -> f64) -> GpuReadings {
    let mut joules = 5.0;
    let mut counter = Vec::new();
    for tick in 0..120 {
        joules += watts(tick) * 0.1;
        let at = (tick + 1) * SECOND / 10;
        counter.push(CounterEdge {
            before_ns: at - 2_000_000,
            after_ns: at + 2_000_000,
            millijoules: (joules * 1e3).round() as u64,
        });
    }
    GpuReadings {
        gpu: "GPU-a".to_owned(),
        counter,
        average: (0..120)
            .map(|tick| PowerReading {
                at_ns: tick * SECOND / 10,
                watts: watts(tick),
            })
            .collect(),
        ..GpuReadings::default()
    }
}

fn request(readings: &GpuReadings) -> BaselineRequest<'_> {
    BaselineRequest {
        state: IdleState::Resident,
        start_ns: SECOND,
        end_ns: 11 * SECOND,
        readings,
        temperature: &[(0, 90.0), (2 * SECOND, 40.0), (3 * SECOND, 42.0)],
        sm_clock: &[],
    }
}

#[test]
fn the_counter_gives_the_mean_between_its_outer_steps() {
    let readings = readings(|_| 118.0);
    let baseline = Baseline::of(&request(&readings)).unwrap();
    assert_eq!(baseline.source, BaselineSource::Counter);
    assert!((baseline.watts - 118.0).abs() < 0.01, "{baseline:?}");
    assert!((9.7..=10.0).contains(&baseline.seconds));
    // Two rectangles of ±2 ms in 9.8 s.
    let timing = 1.96 * 118.0 * 0.002 * (2.0_f64 / 3.0).sqrt() / baseline.seconds;
    assert!(
        (baseline.half_width_watts - timing).abs() < 0.02,
        "{baseline:?}"
    );
    assert_eq!(
        baseline.temperature_celsius,
        Some(41.0),
        "of the interval only"
    );
    assert_eq!(baseline.sm_clock_mhz, None);
}

#[test]
fn without_steps_average_power_does_and_without_both_there_is_a_reason() {
    let mut readings = readings(|tick| if tick < 10 { 600.0 } else { 118.0 });
    readings.counter.truncate(11);
    let baseline = Baseline::of(&request(&readings)).unwrap();
    assert_eq!(
        (baseline.source, baseline.watts),
        (BaselineSource::Average, 118.0)
    );
    readings.average.clear();
    let reason = Baseline::of(&request(&readings)).unwrap_err();
    assert!(
        reason.contains("GPU-a") && reason.contains("10.0 s"),
        "{reason}"
    );
}

#[test]
fn a_counter_that_goes_back_is_not_believed() {
    let mut readings = readings(|_| 118.0);
    for edge in &mut readings.counter[60..] {
        edge.millijoules -= 600_000.min(edge.millijoules);
    }
    let baseline = Baseline::of(&request(&readings)).unwrap();
    assert_eq!(baseline.source, BaselineSource::Average);
}

#[test]
fn the_half_width_holds_the_truth_of_noisy_seconds_in_about_95_of_100() {
    let mut draws = ChaCha8Rng::seed_from_u64(1);
    let held = (0..400)
        .filter(|_| {
            // Noise that lasts a second: readings within it are not independent.
            let noise: Vec<f64> = (0..13)
                .map(|_| 8.0 * (draws.random::<f64>() - 0.5))
                .collect();
            let readings = readings(|tick| 118.0 + noise[(tick / 10) as usize]);
            let baseline = Baseline::of(&request(&readings)).unwrap();
            (baseline.watts - 118.0).abs() <= baseline.half_width_watts
        })
        .count();
    assert!((360..=396).contains(&held), "{held} of 400");
}

#[test]
fn takings_that_differ_are_unstable_and_their_mean_holds_both() {
    let of = |watts: f64| Baseline::of(&request(&readings(|_| watts))).unwrap();
    let (before, after) = (of(118.0), of(124.0));
    let difference = before.unstable(&after, 5.0).unwrap();
    assert!((difference - 6.0).abs() < 0.01);
    assert_eq!(
        after.unstable(&before, 5.0).map(|_| ()),
        Some(()),
        "either way"
    );
    assert_eq!(before.unstable(&of(122.0), 5.0), None);
    let (watts, half) = before.between(&after);
    assert!((watts - 121.0).abs() < 0.01 && (half - 3.0).abs() < 0.01);
    let (_, own) = before.between(&before);
    assert!(own < before.half_width_watts);
}

#[test]
fn a_step_at_the_end_that_was_seen_late_does_not_move_the_baseline() {
    let mut readings = readings(|_| 118.0);
    // The sampler got no CPU: the last step inside is only known to lie in the 80 ms before it was seen.
    let last = readings
        .counter
        .iter()
        .rposition(|edge| edge.after_ns <= 2 * SECOND)
        .unwrap();
    readings.counter[last].before_ns -= 80_000_000;
    let short = BaselineRequest {
        end_ns: 2 * SECOND + 1,
        ..request(&readings)
    };
    let baseline = Baseline::of(&short).unwrap();
    assert!((baseline.watts - 118.0).abs() < 0.1, "{baseline:?}");
    assert!(baseline.half_width_watts < 2.0, "{baseline:?}");
}
