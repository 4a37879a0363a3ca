//! Windows whose energy is known by hand, each fallback, and readings that make no sense.

use proptest::prelude::*;

use super::*;
use crate::energy::readings::{CounterEdge, PowerReading};

const S: u64 = 1_000_000_000;
const START: u64 = 100 * S;
const IDLE: f64 = 100.0;
const LOAD: f64 = 600.0;

/// Idle at 100 W, 600 W from the window's start for 2 s, all without latency.
fn energy_until(at: f64) -> f64 {
    2000.0 + IDLE * at + (LOAD - IDLE) * at.clamp(0.0, 2.0)
}

fn stamp(at: f64) -> u64 {
    (START as f64 + at * 1e9).round() as u64
}

/// Edges every 100 ms, polled every `poll` s.
fn counter(poll: f64) -> Vec<CounterEdge> {
    (0..60)
        .map(|k| {
            let at = -1.967 + 0.1 * f64::from(k);
            let after = (at / poll).ceil() * poll;
            CounterEdge {
                before_ns: stamp(after - poll),
                after_ns: stamp(after),
                millijoules: (energy_until(at) * 1e3) as u64,
            }
        })
        .collect()
}

fn readings_every(step: f64, watts: impl Fn(f64) -> f64) -> Vec<PowerReading> {
    (0..(6.0 / step) as u32)
        .map(|k| {
            let at = -2.0 + step * f64::from(k);
            PowerReading {
                at_ns: stamp(at),
                watts: watts(at),
            }
        })
        .collect()
}

/// The mean over the `window` s before a moment.
fn trailing(window: f64) -> impl Fn(f64) -> f64 {
    move |at| (energy_until(at) - energy_until(at - window)) / window
}

fn idle() -> (End, End) {
    let end = End::Idle {
        watts: IDLE,
        half_width_watts: 1.0,
    };
    (end, end)
}

fn ask(readings: &GpuReadings, length: f64, ends: (End, End), periods: &[f64]) -> GpuEnergy {
    window_energy(&WindowRequest {
        readings,
        start_ns: START,
        end_ns: stamp(length),
        ends,
        sensor: &SensorTraits::assumed("NVIDIA H100"),
        gain: &Gain::assumed("NVIDIA H100"),
        load_periods_ns: periods,
        rules: &EnergyRules::default(),
    })
}

fn near(found: &GpuEnergy, joules: f64, share: f64) {
    let value = found.joules.unwrap_or_else(|| panic!("{found:?}"));
    assert!(
        (value / joules - 1.0).abs() < share,
        "{value} is not {joules}"
    );
    let timing = found.timing.expect("an interval");
    assert!(
        timing.holds(value) && timing.half_width_joules() > 0.0,
        "{timing:?}"
    );
    assert!(
        found
            .absolute
            .is_some_and(|absolute| absolute.holds(joules))
    );
    // mean watts × seconds = joules.
    let watts = found.mean_watts.expect("watts");
    assert!((watts * found.seconds / value - 1.0).abs() < 1e-12);
}

#[test]
fn idle_ends_come_out_right_by_the_counter() {
    let readings = GpuReadings {
        counter: counter(0.004),
        samples: readings_every(0.02, trailing(0.02)),
        ..GpuReadings::default()
    };
    let found = ask(&readings, 2.0, idle(), &[]);
    near(&found, 1200.0, 0.002);
    assert_eq!(
        (found.source, found.reason.clone()),
        (Source::Counter, None)
    );
    assert!(found.flags.is_empty(), "{:?}", found.flags);
    assert!(found.timing.is_some_and(|interval| interval.holds(1200.0)));
    // Interpolating the steps would be off by −UΔP/3 or so: 17 J.
    assert!((found.joules.unwrap_or_default() - 1200.0).abs() < 2.0);
    assert!(
        found
            .waveform_max_watts
            .is_some_and(|watts| (watts - 600.0).abs() < 1e-3)
    );
    assert!(found.disagreement.is_some_and(|share| share < 0.03));
}

#[test]
fn steady_ends_are_interpolated() {
    let readings = GpuReadings {
        counter: counter(0.004),
        ..GpuReadings::default()
    };
    let found = window_energy(&WindowRequest {
        readings: &readings,
        start_ns: stamp(0.55),
        end_ns: stamp(1.55),
        ends: (End::Steady, End::Steady),
        sensor: &SensorTraits::assumed("NVIDIA H100"),
        gain: &Gain::assumed("NVIDIA H100"),
        load_periods_ns: &[],
        rules: &EnergyRules::default(),
    });
    near(&found, 600.0, 0.002);
    assert_eq!(found.flags, ["interpolation_assumed"]);
}

#[test]
fn a_counter_read_now_and_then_is_naive_and_says_so() {
    let all = counter(0.004);
    let sparse: Vec<_> = all
        .iter()
        .step_by(5)
        .map(|edge| CounterEdge {
            before_ns: edge.after_ns - 500_000_000,
            ..*edge
        })
        .collect();
    let readings = GpuReadings {
        counter: sparse,
        ..GpuReadings::default()
    };
    let found = ask(&readings, 2.0, idle(), &[]);
    near(&found, 1200.0, 0.02);
    assert_eq!(found.source, Source::CounterSparse);
    assert!(found.flags.contains(&"counter_edges_not_found".into()));
    assert!(
        found.timing.is_some_and(|interval| interval.holds(1200.0)),
        "{found:?}"
    );
}

#[test]
fn sources_fall_in_order_and_each_says_why() {
    let mut readings = GpuReadings {
        samples: readings_every(0.02, trailing(0.02)),
        average: readings_every(0.1, trailing(1.0)),
        instant: readings_every(0.1, trailing(0.025)),
        ..GpuReadings::default()
    };
    let found = ask(&readings, 2.0, idle(), &[]);
    near(&found, 1200.0, 0.03);
    assert_eq!((found.source, found.fallbacks.len()), (Source::Samples, 1));
    assert!(found.fallbacks[0].starts_with("counter: counter_missing"));

    readings.samples.clear();
    let short = ask(&readings, 2.0, idle(), &[]);
    assert_eq!(
        (short.source, short.fallbacks.len()),
        (Source::Instant, 3),
        "{short:?}"
    );
    assert!(
        short.fallbacks[2].contains("window_too_short_for_sensor"),
        "{:?}",
        short.fallbacks
    );
    assert!(short.flags.contains(&"instant_power_undersampled".into()));
    near(&short, 1200.0, 0.05);

    // The same instant power of a load at the sensor's own period is worth nothing.
    let coherent = ask(&readings, 2.0, idle(), &[100e6]);
    assert_eq!((coherent.source, coherent.joules), (Source::None, None));
    assert!(coherent.fallbacks[3].contains("load_coherent_with_sensor"));
    assert!(coherent.coherence.is_some_and(|beat| beat.coherent));
}

#[test]
fn the_trailing_mean_is_moved_back_by_its_lag() {
    // 8 s of load: long against its second.
    let until = |at: f64| 2000.0 + IDLE * at + (LOAD - IDLE) * at.clamp(0.0, 8.0);
    let average = (0..130)
        .map(|k| {
            let at = -2.0 + 0.1 * f64::from(k);
            PowerReading {
                at_ns: stamp(at),
                watts: until(at) - until(at - 1.0),
            }
        })
        .collect();
    let readings = GpuReadings {
        average,
        ..GpuReadings::default()
    };
    let found = ask(&readings, 8.0, idle(), &[]);
    near(&found, 4800.0, 0.01);
    assert_eq!(found.source, Source::Average);
}

#[test]
fn what_cannot_be_had_is_none_with_a_reason() {
    let full = GpuReadings {
        counter: counter(0.004),
        ..GpuReadings::default()
    };
    let code = |found: GpuEnergy| {
        assert_eq!(
            (found.joules, found.timing, found.absolute),
            (None, None, None)
        );
        found
            .reason
            .unwrap_or_default()
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(code(ask(&full, -1.0, idle(), &[])), "window_empty");
    assert_eq!(
        code(ask(&full, 0.2, idle(), &[])),
        "window_too_short_for_sensor"
    );
    assert_eq!(
        code(ask(&GpuReadings::default(), 2.0, idle(), &[])),
        "counter_missing"
    );
    // No edge after the end.
    assert_eq!(code(ask(&full, 9.0, idle(), &[])), "counter_edges_missing");
    // A reset inside.
    let mut reset = full.clone();
    for edge in &mut reset.counter[30..] {
        edge.millijoules -= 2_000_000;
    }
    assert_eq!(code(ask(&reset, 2.0, idle(), &[])), "counter_reset");
}

#[test]
fn sources_that_disagree_are_flagged_with_both_values() {
    let edges = |until: fn(f64) -> f64| -> Vec<CounterEdge> {
        (0..120)
            .map(|k| {
                let at = -2.0 + 0.1 * f64::from(k);
                CounterEdge {
                    before_ns: stamp(at - 0.004),
                    after_ns: stamp(at),
                    millijoules: (until(at) * 1e3) as u64,
                }
            })
            .collect()
    };
    let constant = |at: f64| 2000.0 + 300.0 * at;
    let samples = |watts: f64| {
        (0..600)
            .map(|k| PowerReading {
                at_ns: stamp(-2.0 + 0.02 * f64::from(k)),
                watts,
            })
            .collect()
    };
    let judge = |watts: f64| {
        let readings = GpuReadings {
            counter: edges(constant),
            samples: samples(watts),
            ..GpuReadings::default()
        };
        ask(&readings, 6.0, (End::Steady, End::Steady), &[])
    };
    let good = judge(304.0);
    assert!(
        !good.flags.contains(&"energy_sources_disagree".into()),
        "{good:?}"
    );
    let bad = judge(315.0);
    assert!(bad.flags.contains(&"energy_sources_disagree".into()));
    assert!((bad.waveform_joules.unwrap_or_default() - 1890.0).abs() < 1.0);
    near(&bad, 1800.0, 0.002);
}

#[test]
fn a_sum_keeps_each_and_is_none_if_one_is() {
    let full = GpuReadings {
        gpu: "GPU-a".into(),
        counter: counter(0.004),
        ..GpuReadings::default()
    };
    let one = ask(&full, 2.0, idle(), &[]);
    let sum = total(std::slice::from_ref(&one));
    assert_eq!(
        (sum.joules, sum.timing, sum.absolute),
        (one.joules, one.timing, one.absolute)
    );
    let four = total(&[one.clone(), one.clone(), one.clone(), one.clone()]);
    assert_eq!(four.gpus.len(), 4);
    let (alone, together) = (one.timing.expect("one"), four.timing.expect("four"));
    // Independent errors: half the relative width.
    assert!((together.half_width_joules() / alone.half_width_joules() / 2.0 - 1.0).abs() < 0.1);
    // Four rectangular gains are near to normal: 1.96 · 6 %/√3/2 of the sum, and a little more for both meanings.
    let gains = four.absolute.expect("four").half_width_joules() / four.joules.expect("four");
    assert!((0.033..0.037).contains(&gains), "{gains}");
    let lost = ask(
        &GpuReadings {
            gpu: "GPU-b".into(),
            ..GpuReadings::default()
        },
        2.0,
        idle(),
        &[],
    );
    let none = total(&[one, lost]);
    assert_eq!(
        (none.joules, none.timing, none.absolute, none.mean_watts),
        (None, None, None, None)
    );
    assert!(
        none.reason
            .is_some_and(|reason| reason.starts_with("GPU-b: counter_missing"))
    );
    assert_eq!(total(&[]).joules, None);
}

fn any_ns() -> impl Strategy<Value = u64> {
    prop_oneof![START - 2 * S..START + 4 * S, any::<u64>()]
}

fn any_edges() -> impl Strategy<Value = Vec<CounterEdge>> {
    let edge = (any_ns(), any_ns(), any::<u64>()).prop_map(|(before_ns, after_ns, millijoules)| {
        CounterEdge {
            before_ns,
            after_ns,
            millijoules,
        }
    });
    prop::collection::vec(edge, 0..30)
}

fn any_power() -> impl Strategy<Value = Vec<PowerReading>> {
    prop::collection::vec(
        (any_ns(), any::<f64>()).prop_map(|(at_ns, watts)| PowerReading { at_ns, watts }),
        0..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn hostile_readings_never_panic_and_energy_is_a_number_or_has_a_reason(
        counter in any_edges(), samples in any_power(), average in any_power(), instant in any_power(),
        end in any_ns(), watts in any::<f64>(), half_width_watts in any::<f64>(), steady in any::<bool>(),
    ) {
        let readings = GpuReadings { gpu: "GPU".into(), counter, samples, average, instant };
        let end_kind = if steady { End::Steady } else { End::Idle { watts, half_width_watts } };
        let found = window_energy(&WindowRequest {
            readings: &readings,
            start_ns: START,
            end_ns: end,
            ends: (end_kind, idle().0),
            sensor: &SensorTraits::assumed("NVIDIA H100"),
            gain: &Gain::assumed("NVIDIA H100"),
            load_periods_ns: &[watts, 1e8],
            rules: &EnergyRules::default(),
        });
        match found.joules {
            Some(joules) => prop_assert!(joules.is_finite()),
            None => prop_assert!(found.reason.is_some()),
        }
    }
}
