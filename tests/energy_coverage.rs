//! Whether the intervals of a window's energy hold what they say: simulated sensors whose truth is known. The
//! sensors' latency, jitter, period and phase are drawn anew for each window and told to nobody.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::disallowed_macros, reason = "a test prints its figures")]

mod energy_coverage {
    pub mod sensor;
    pub mod truth;
}

use energy_coverage::sensor::Sensor;
use energy_coverage::truth::{Load, Truth};
use lemctl::energy::sensor::{Gain, SensorTraits};
use lemctl::energy::{End, EnergyRules, GpuEnergy, GpuReadings, WindowRequest, window_energy};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

const WINDOWS: usize = 2000;
const LENGTHS: [f64; 4] = [0.5, 1.0, 5.0, 30.0];
/// CLOCK_MONOTONIC at the window's start.
const ORIGIN_NS: u64 = 7_000_000_000_000;
const IDLE_WATTS: f64 = 118.0;

#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    load: Load,
    steady: bool,
    samples: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Coverage {
    timing: f64,
    absolute: f64,
    half_width: f64,
    bias: f64,
}

fn cover(case: Case, length: f64, windows: usize) -> Coverage {
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_124 + (length * 10.0) as u64);
    let (traits, rules) = (SensorTraits::assumed("NVIDIA H100"), EnergyRules::default());
    let mut sums = Coverage::default();
    for _ in 0..windows {
        let mut sensor = Sensor::draw(&mut rng);
        sensor.gain = rng.random_range(0.94..1.06);
        let seconds = length + rng.random_range(0.0..sensor.period);
        let (on, off) = if case.steady {
            (-3.0, seconds + 3.0)
        } else {
            (0.0, seconds)
        };
        let idle = IDLE_WATTS + rng.random_range(-20.0..20.0);
        let truth = Truth::new(&mut rng, case.load, idle, on, off);
        let counter = sensor.edges(&mut rng, &truth, -2.0, seconds + 2.0, ORIGIN_NS);
        let mut readings = GpuReadings {
            gpu: "GPU-simulated".into(),
            counter,
            ..GpuReadings::default()
        };
        if case.samples {
            readings.samples = sensor.samples(&truth, -2.0, seconds + 2.0, ORIGIN_NS);
        }
        // A baseline's mean, and its own 95 % half-width.
        let half_width_watts = 0.5;
        let error = Normal::new(0.0, half_width_watts / 1.96)
            .unwrap()
            .sample(&mut rng);
        let end = if case.steady {
            End::Steady
        } else {
            End::Idle {
                watts: (idle + error) * sensor.gain,
                half_width_watts,
            }
        };
        let gain = Gain::assumed("NVIDIA H100");
        let found = window_energy(&WindowRequest {
            readings: &readings,
            start_ns: ORIGIN_NS,
            end_ns: ORIGIN_NS + (seconds * 1e9).round() as u64,
            ends: (end, end),
            sensor: &traits,
            gain: &gain,
            load_periods_ns: &[],
            rules: &rules,
        });
        let joules = truth.energy(seconds) - truth.energy(0.0);
        let timing = found.timing.unwrap_or_else(|| {
            panic!(
                "{case:?} {length} {sensor:?}: {:?} {:?}",
                found.reason,
                readings
                    .counter
                    .iter()
                    .map(|e| (
                        (e.before_ns as f64 - ORIGIN_NS as f64) / 1e6,
                        (e.after_ns - e.before_ns) / 1000000
                    ))
                    .collect::<Vec<_>>()
            )
        });
        sums.timing += f64::from(u8::from(timing.holds(joules * sensor.gain)));
        sums.absolute += f64::from(u8::from(found.absolute.is_some_and(|i| i.holds(joules))));
        sums.half_width += timing.half_width_joules() / joules / sensor.gain;
        sums.bias += found.joules.unwrap() / joules / sensor.gain - 1.0;
    }
    let n = windows as f64;
    Coverage {
        timing: sums.timing / n,
        absolute: sums.absolute / n,
        half_width: sums.half_width / n,
        bias: sums.bias / n,
    }
}

fn show(case: Case, length: f64, found: Coverage) {
    println!(
        "{:34} {length:5.1} s  timing {:5.1} %  half-width {:.3} %  bias {:+.3} %  absolute {:5.1} %",
        case.name,
        100.0 * found.timing,
        100.0 * found.half_width,
        100.0 * found.bias,
        100.0 * found.absolute
    );
}

/// Runs the lengths at once, prints the table, and returns it.
fn table(case: Case) -> Vec<Coverage> {
    std::thread::scope(|scope| {
        let running = LENGTHS.map(|length| scope.spawn(move || cover(case, length, WINDOWS)));
        let found = running.map(|thread| thread.join().unwrap());
        for (length, found) in LENGTHS.into_iter().zip(&found) {
            show(case, length, *found);
        }
        found.to_vec()
    })
}

/// At least 93 % and, where power varies at the ends, at most 98 % in the timing interval; at least 95 % in the
/// absolute one.
fn assert_covered(case: Case) {
    for (found, length) in table(case).into_iter().zip(LENGTHS) {
        let name = case.name;
        assert!(
            found.timing >= 0.93,
            "{name} {length} s: timing {}",
            found.timing
        );
        if case.load != Load::Constant || !case.steady {
            assert!(
                found.timing <= 0.98,
                "{name} {length} s: timing {}: too wide",
                found.timing
            );
        }
        assert!(
            found.absolute >= 0.95,
            "{name} {length} s: absolute {}",
            found.absolute
        );
    }
}

const EVERY_137_MS: Load = Load::Periodic {
    period: 0.137,
    on: 0.4,
};

#[test]
fn idle_ends_of_a_load_of_random_steps() {
    assert_covered(Case {
        name: "idle ends, random steps",
        load: Load::Random,
        steady: false,
        samples: false,
    });
}

#[test]
fn idle_ends_of_a_periodic_load() {
    assert_covered(Case {
        name: "idle ends, every 137 ms",
        load: EVERY_137_MS,
        steady: false,
        samples: false,
    });
}

#[test]
fn steady_ends_in_random_steps() {
    assert_covered(Case {
        name: "steady ends, random steps",
        load: Load::Random,
        steady: true,
        samples: true,
    });
}

#[test]
fn steady_ends_in_a_periodic_load() {
    assert_covered(Case {
        name: "steady ends, every 137 ms",
        load: EVERY_137_MS,
        steady: true,
        samples: true,
    });
}

#[test]
fn steady_ends_in_slow_waves() {
    assert_covered(Case {
        name: "steady ends, slow waves",
        load: Load::Smooth,
        steady: true,
        samples: true,
    });
}

#[test]
fn steady_ends_by_the_counter_alone() {
    assert_covered(Case {
        name: "steady ends, counter alone",
        load: Load::Random,
        steady: true,
        samples: false,
    });
}

/// A burst of 25 ms in each period, by the counter with its samples.
fn judged(period: f64, length: f64, told: bool, seed: u64) -> GpuEnergy {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sensor = Sensor::draw(&mut rng);
    let seconds = length + rng.random_range(0.0..sensor.period);
    let load = Load::Periodic {
        period,
        on: 0.025 / period,
    };
    let truth = Truth::new(&mut rng, load, IDLE_WATTS, 0.0, seconds);
    let readings = GpuReadings {
        gpu: "GPU-simulated".into(),
        counter: sensor.edges(&mut rng, &truth, -2.0, seconds + 2.0, ORIGIN_NS),
        samples: sensor.samples(&truth, -2.0, seconds + 2.0, ORIGIN_NS),
        ..GpuReadings::default()
    };
    let end = End::Idle {
        watts: IDLE_WATTS,
        half_width_watts: 0.5,
    };
    let known = [period * 1e9];
    window_energy(&WindowRequest {
        readings: &readings,
        start_ns: ORIGIN_NS,
        end_ns: ORIGIN_NS + (seconds * 1e9).round() as u64,
        ends: (end, end),
        sensor: &SensorTraits::assumed("NVIDIA H100"),
        gain: &Gain::assumed("NVIDIA H100"),
        load_periods_ns: if told { &known } else { &[] },
        rules: &EnergyRules::default(),
    })
}

#[test]
fn a_coherent_load_is_flagged_and_an_incoherent_one_is_not() {
    let flag = String::from("load_coherent_with_sensor");
    for seed in 0..20 {
        for (period, coherent) in [(0.1, true), (0.05, true), (0.137, false), (0.073, false)] {
            for (length, told) in [(5.0, false), (5.0, true), (30.0, false), (1.0, true)] {
                let found = judged(period, length, told, seed);
                let beat = found
                    .coherence
                    .unwrap_or_else(|| panic!("{period} s, {length} s: no period found"));
                let place = format!("{period} s over {length} s, told: {told}: {beat:?}");
                assert!(
                    (beat.load_period_ns / period / 1e9 - 1.0).abs() < 0.01,
                    "{place}"
                );
                assert_eq!(beat.coherent, coherent, "{place}");
                assert_eq!(found.flags.contains(&flag), coherent, "{place}");
                // What it may add is in the interval.
                let relative = found.timing_sd_joules.unwrap() / found.joules.unwrap();
                assert_eq!(relative > 0.005, coherent, "{place} {relative}");
                assert!(found.waveform_joules.is_some() && found.disagreement.unwrap() < 0.03);
            }
        }
    }
}
