//! Throttling by counters, by samples, and by neither.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::*;

const SECOND: u64 = 1_000_000_000;

/// One sample each 100 ms over 30 s; `at` gives the reasons of each.
fn samples(at: impl Fn(u64) -> u64) -> Vec<ReasonSample> {
    (0..=300)
        .map(|tick| ReasonSample {
            at_ns: tick * SECOND / 10,
            reasons: at(tick),
        })
        .collect()
}

fn counters(at_ns: u64, thermal_ns: u64, brake_ns: u64, cap_ns: u64) -> ThrottleCounters {
    ThrottleCounters {
        at_ns,
        power_cap_ns: Some(cap_ns),
        software_thermal_ns: Some(7 * SECOND + thermal_ns),
        hardware_thermal_ns: Some(0),
        power_brake_ns: Some(brake_ns),
        ..ThrottleCounters::default()
    }
}

fn judged(
    samples: &[ReasonSample],
    counters: Option<(ThrottleCounters, ThrottleCounters)>,
) -> (Throttle, Ruling) {
    let throttle = Throttle::of(&ThrottleEvidence {
        gpu: "GPU-a",
        start_ns: 0,
        end_ns: 30 * SECOND,
        samples,
        counters,
    });
    let ruling = throttle.judge(&VerdictRules::default());
    (throttle, ruling)
}

fn growth(thermal_ns: u64, brake_ns: u64) -> Option<(ThrottleCounters, ThrottleCounters)> {
    Some((
        counters(0, 0, 0, 0),
        counters(30 * SECOND, thermal_ns, brake_ns, 0),
    ))
}

#[test]
fn heat_above_a_thousandth_by_the_counters_rejects() {
    // 0.1 % of 30 s is 30 ms.
    for (thermal, brake, rejected) in [
        (0, 0, false),
        (30_000_000, 0, false),
        (30_000_001, 0, true),
        (0, 31_000_000, true),
        (16_000_000, 16_000_000, true),
    ] {
        let (throttle, ruling) = judged(&samples(|_| 0), growth(thermal, brake));
        assert_eq!(!ruling.reasons.is_empty(), rejected, "{thermal} {brake}");
        let time = throttle.thermal.unwrap();
        assert_eq!(time.method, ThrottleMethod::Counters);
        assert!((time.seconds - thermal as f64 / 1e9).abs() < 1e-12);
    }
    let (_, ruling) = judged(&samples(|_| 0), growth(3 * SECOND, 0));
    assert_eq!(ruling.reasons[0].code, codes::THERMAL_THROTTLING);
    assert!(ruling.reasons[0].message.contains("10.00 %"), "{ruling:?}");
}

#[test]
fn the_counters_are_believed_over_a_sample_that_is_flagged() {
    let hot_once = samples(|tick| if tick == 100 { 0x20 } else { 0 });
    let (_, ruling) = judged(&hot_once, growth(0, 0));
    assert!(ruling.reasons.is_empty());
    assert_eq!(ruling.flags, [codes::THROTTLING_SOURCES_DISAGREE]);
    let (_, ruling) = judged(&hot_once, growth(10_000_000, 0));
    assert!(
        ruling.flags.is_empty() && ruling.reasons.is_empty(),
        "{ruling:?}"
    );
}

#[test]
fn without_counters_any_sampled_heat_or_brake_rejects_and_tells_the_resolution() {
    for bit in [0x20, 0x40, 0x80] {
        for at in [0, 150, 300] {
            let (throttle, ruling) =
                judged(&samples(|tick| if tick == at { bit } else { 1 }), None);
            assert_eq!(ruling.reasons.len(), 1, "{bit:#x} at {at}");
            assert!(ruling.reasons[0].message.contains("0.10 s"), "{ruling:?}");
            assert!((throttle.resolution_seconds.unwrap() - 0.1).abs() < 1e-9);
        }
    }
    let (_, ruling) = judged(&samples(|_| 0x4), None);
    assert!(ruling.reasons.is_empty());
}

#[test]
fn the_power_cap_is_told_and_rejects_nothing() {
    let (throttle, ruling) = judged(&samples(|tick| if tick < 150 { 0x4 } else { 0 }), None);
    assert_eq!(ruling.flags, [codes::POWER_CAPPED]);
    assert!(ruling.reasons.is_empty());
    let cap = throttle.power_cap.unwrap();
    assert!((cap.share - 0.5).abs() < 1e-9 && (cap.seconds - 15.0).abs() < 1e-9);
    assert_eq!(throttle.reasons_seen, ["power_cap"]);
}

#[test]
fn a_hardware_slowdown_alone_must_last() {
    let lasting = |ticks: u64| {
        judged(
            &samples(|tick| {
                if (100..100 + ticks).contains(&tick) {
                    0x8
                } else {
                    0
                }
            }),
            growth(0, 0),
        )
        .1
    };
    assert!(lasting(1).reasons.is_empty());
    assert!(lasting(2).reasons.is_empty(), "100 ms between two samples");
    let three = lasting(3);
    assert_eq!(three.reasons[0].code, codes::THERMAL_THROTTLING);
    assert!(three.reasons[0].message.contains("0.2 s"), "{three:?}");
    // Twice for a moment is not once for long.
    let (throttle, ruling) = judged(
        &samples(|tick| if tick % 2 == 0 { 0x8 } else { 0 }),
        growth(0, 0),
    );
    assert!(ruling.reasons.is_empty());
    assert_eq!(throttle.longest_hardware_slowdown_seconds, 0.0);
}

#[test]
fn only_the_window_counts() {
    let around = samples(|tick| {
        if !(100..=200).contains(&tick) {
            0x20
        } else {
            0
        }
    });
    let throttle = Throttle::of(&ThrottleEvidence {
        gpu: "GPU-a",
        start_ns: 10 * SECOND - 1,
        end_ns: 20 * SECOND + 1,
        samples: &around,
        counters: None,
    });
    assert!(!throttle.hot_reason_sampled);
    assert_eq!(throttle.thermal.unwrap().seconds, 0.0);
    assert!(throttle.judge(&VerdictRules::default()).reasons.is_empty());
}

#[test]
fn counters_that_went_back_or_are_halved_are_none() {
    let back = Some((counters(0, SECOND, 0, 0), counters(30 * SECOND, 0, 0, 0)));
    let (throttle, _) = judged(&samples(|_| 0), back);
    assert_eq!(throttle.thermal.unwrap().method, ThrottleMethod::Sampled);
    let half = |at_ns| ThrottleCounters {
        hardware_thermal_ns: None,
        ..counters(at_ns, 0, 0, 0)
    };
    let (throttle, ruling) = judged(
        &samples(|tick| if tick == 9 { 0x40 } else { 0 }),
        Some((half(0), half(30 * SECOND))),
    );
    assert_eq!(throttle.thermal.unwrap().method, ThrottleMethod::Sampled);
    assert_eq!(
        ruling.reasons.len(),
        1,
        "heat is sampled though the brake is counted"
    );
    // The older counter of all thermal causes stands for both.
    let old = |at_ns, thermal_ns| ThrottleCounters {
        at_ns,
        thermal_ns: Some(thermal_ns),
        ..ThrottleCounters::default()
    };
    let (throttle, ruling) = judged(&samples(|_| 0), Some((old(0, 5), old(30 * SECOND, SECOND))));
    assert_eq!(throttle.thermal.unwrap().method, ThrottleMethod::Counters);
    assert_eq!(ruling.reasons.len(), 1);
}

#[test]
fn a_gpu_that_says_nothing_is_flagged() {
    let (throttle, ruling) = judged(&[], None);
    assert_eq!((throttle.thermal, throttle.samples), (None, 0));
    assert_eq!(ruling.flags, [codes::THROTTLING_UNKNOWN]);
}

#[test]
fn unknown_reasons_are_kept() {
    let (throttle, _) = judged(&samples(|_| 0x1 | 1 << 40), None);
    assert_eq!(throttle.reasons_bits, 1 | 1 << 40);
    assert_eq!(throttle.reasons_seen, ["gpu_idle", "unknown_0x10000000000"]);
}
