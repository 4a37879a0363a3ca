//! Synthetic sensors with a known window and latency, polled as a real one is.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Truth of a synthetic sensor, in ms and watts.
#[derive(Debug, Clone, Copy)]
struct Truth {
    period: f64,
    window: f64,
    latency: f64,
    noise: f64,
    poll: f64,
}

/// Waves of 137, 173 and 211 ms, then steps of 2.5 s.
fn load(random: &mut ChaCha8Rng) -> KnownLoad {
    let mut bursts = Vec::new();
    let mut at = 1e9 + random.random::<f64>() * 1e8;
    for period in [137e6, 173e6, 211e6] {
        for _ in 0..(4e9 / period) as u32 {
            let jitter = random.random::<f64>() * 1e5;
            bursts.push(((at + jitter) as u64, (at + period / 2.0 + jitter) as u64));
            at += period;
        }
    }
    for _ in 0..2 {
        at += 2.5e9;
        bursts.push((at as u64, (at + 2.5e9) as u64));
        at += 2.5e9;
    }
    KnownLoad::new(bursts)
}

fn observed(truth: Truth, load: &KnownLoad, random: &mut ChaCha8Rng) -> Vec<Observation> {
    let (start, end) = load.span().unwrap();
    let mut at = start - 1e9 * random.random::<f64>();
    let mut seen = Vec::new();
    let mut last = f64::NAN;
    while at < end + 1.5e9 {
        at += truth.period * 1e6 * (1.0 + 0.002 * (random.random::<f64>() - 0.5));
        let seen_end = at - truth.latency * 1e6;
        let busy = load.busy_share(seen_end - truth.window * 1e6, seen_end);
        let warm = 1.0 + 0.02 * (at - start) / (end - start);
        // The sum of four is near enough to normal.
        let noise: f64 =
            (0..4).map(|_| random.random::<f64>() - 0.5).sum::<f64>() * truth.noise * 1.73;
        let watts = ((118.0 + 330.0 * busy * warm + noise) * 1e3).round() / 1e3;
        if watts != last {
            let poll = truth.poll * 1e6;
            let after = (at / poll).ceil() * poll;
            seen.push(Observation {
                before_ns: (after - poll) as u64,
                after_ns: after as u64,
                watts,
            });
        }
        last = watts;
    }
    seen
}

#[test]
fn intervals_hold_the_truth_of_many_sensors() {
    let (mut windows, mut latencies, mut tries) = (0, 0, 0);
    let sensor = |period, window, latency, noise, poll| Truth {
        period,
        window,
        latency,
        noise,
        poll,
    };
    for truth in [
        sensor(100.0, 25.0, 12.0, 0.0, 1.0),
        sensor(99.9, 25.0, 40.0, 2.0, 1.0),
        sensor(50.0, 10.0, 5.0, 1.0, 1.0),
        sensor(100.0, 25.0, 12.0, 0.5, 6.0),
        sensor(20.0, 20.0, 0.0, 1.0, 0.1),
        sensor(100.0, 100.0, 30.0, 1.0, 5.0),
        sensor(100.0, 1000.0, 20.0, 1.0, 1.0),
    ] {
        for seed in 0..3 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let load = load(&mut random);
            let found = response(&observed(truth, &load, &mut random), &load).unwrap();
            let told = format!("{truth:?} {found:?}");
            windows += u32::from(found.window_ns.holds(truth.window * 1e6));
            latencies += u32::from(found.latency_ns.holds(truth.latency * 1e6));
            tries += 1;
            // Never far off, and never so wide that it says nothing.
            assert!(
                (found.window_ns.value / 1e6 - truth.window).abs() < 0.04 * truth.window + 0.5,
                "{told}"
            );
            assert!(
                (found.latency_ns.value / 1e6 - truth.latency).abs() < 2.0 + 0.5 * truth.poll,
                "{told}"
            );
            assert!(
                found.window_ns.half_width < 0.1 * truth.window * 1e6 + 1e6,
                "{told}"
            );
            assert!(found.explained > 0.99, "{told}");
        }
    }
    assert!(windows * 10 >= tries * 9, "windows {windows} of {tries}");
    assert!(
        latencies * 10 >= tries * 9,
        "latencies {latencies} of {tries}"
    );
}

#[test]
fn readings_of_something_else_are_refused() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let load = load(&mut random);
    let (start, _) = load.span().unwrap();
    let reading = |index: u64, watts| Observation {
        before_ns: start as u64 + index * 100_000_000,
        after_ns: start as u64 + index * 100_000_000,
        watts,
    };
    let noise: Vec<Observation> = (0..200)
        .map(|index| reading(index, random.random()))
        .collect();
    let said = response(&noise, &load).unwrap_err();
    assert!(said.contains("explains only"), "{said}");
    assert!(
        response(&noise[..10], &load)
            .unwrap_err()
            .contains("are needed")
    );
    assert!(response(&[reading(0, f64::NAN); 100], &load).is_err());
    assert!(response(&noise, &KnownLoad::default()).is_err());
}
