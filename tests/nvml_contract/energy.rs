//! Clauses on energy, power and state.

use std::thread::sleep;
use std::time::Duration;

use lemctl::clock::{Clock, HostClock};
use lemctl::telemetry::{ClockPair, Violations};

use super::Subject;

pub fn counter_steps_and_never_falls(subject: &Subject) {
    let clock = HostClock;
    let start = clock.monotonic_ns();
    let mut steps = Vec::new();
    let mut known = subject.telemetry.energy_millijoules(&subject.gpu).unwrap();
    while clock.monotonic_ns() < start + 3_000_000_000 {
        let now = subject.telemetry.energy_millijoules(&subject.gpu).unwrap();
        assert!(now >= known, "{known} mJ, then {now} mJ");
        if now > known {
            steps.push((clock.monotonic_ns(), now));
        }
        known = now;
        sleep(Duration::from_millis(5));
    }
    let (first, last) = (steps[0], steps[steps.len() - 1]);
    let seconds = (last.0 - first.0) as f64 / 1e9;
    let period_ms = 1e3 * seconds / (steps.len() - 1) as f64;
    assert!((50.0..=200.0).contains(&period_ms), "{period_ms} ms");
    // The unit: a GPU draws between 5 W and 2 kW.
    let watts = (last.1 - first.1) as f64 / 1e3 / seconds;
    assert!((5.0..2_000.0).contains(&watts), "{watts} W");
}

pub fn power_is_within_limits(subject: &Subject) {
    let snapshot = subject.telemetry.snapshot(&subject.gpu).unwrap().value;
    let max = snapshot.power_limits.max_watts.unwrap();
    for _ in 0..20 {
        let average = subject.telemetry.power_average_watts(&subject.gpu).unwrap();
        assert!(average > 5.0 && average <= 1.1 * max, "{average} W");
        // A short window may overshoot the limit that the regulator holds on average.
        let instant = subject.telemetry.power_instant_watts(&subject.gpu).unwrap();
        assert!(instant > 1.0 && instant <= 1.5 * max, "{instant} W");
        sleep(Duration::from_millis(20));
    }
    let module = subject.telemetry.power_module_watts(&subject.gpu);
    if let Ok(module) = module {
        // 0: NVML's way to say that there is no such sensor on some boards.
        assert!((0.0..10_000.0).contains(&module), "{module} W");
    }
}

pub fn samples_ascend_and_are_of_now(subject: &Subject) {
    let telemetry = &subject.telemetry;
    // A simulator that has just started has a short past.
    sleep(Duration::from_millis(500));
    let first = telemetry.power_samples(&subject.gpu, 0).unwrap();
    let pair = ClockPair::now();
    assert!(first.len() >= 10, "{}", first.len());
    assert!(first.is_sorted_by(|a, b| a.stamp_us < b.stamp_us));
    let newest = first[first.len() - 1].stamp_us;
    let at = pair.to_monotonic_ns(newest).unwrap();
    let age_ms = (pair.monotonic_ns as f64 - at as f64) / 1e6;
    assert!(age_ms.abs() < 5_000.0, "{age_ms} ms old");
    assert!(
        first
            .iter()
            .all(|sample| (1.0..2_000.0).contains(&sample.watts))
    );
    sleep(Duration::from_millis(400));
    let second = telemetry.power_samples(&subject.gpu, newest).unwrap();
    assert!(!second.is_empty());
    assert!(second.iter().all(|sample| sample.stamp_us > newest));
    assert!(second.len() < first.len().max(60));
}

pub fn state_is_plausible(subject: &Subject) {
    let read = subject.telemetry.state(&subject.gpu);
    let told = format!("{read:?}");
    let state = read.value;
    assert!(
        (5..120).contains(&state.temperature_celsius.unwrap()),
        "{told}"
    );
    assert!(
        (50..10_000).contains(&state.sm_clock_mhz.unwrap()),
        "{told}"
    );
    assert!(
        (50..20_000).contains(&state.memory_clock_mhz.unwrap()),
        "{told}"
    );
    assert!(state.pstate.unwrap() < 16, "{told}");
    assert!(state.event_reasons.is_some(), "{told}");
    assert!(state.gpu_utilisation_percent.unwrap() <= 100, "{told}");
    assert!(state.memory_utilisation_percent.unwrap() <= 100, "{told}");
    assert!(state.enforced_limit_watts.unwrap() > 10.0, "{told}");
    assert!(state.memory_used_bytes.is_some(), "{told}");
}

pub fn violation_counters_count_nanoseconds(subject: &Subject) {
    let clock = HostClock;
    let read = || {
        let start = clock.monotonic_ns();
        let read = subject.telemetry.violations(&subject.gpu);
        assert!(read.value.power_ns.is_some(), "{:?}", read.errors);
        (start, read.value, clock.monotonic_ns())
    };
    let (before, first, _) = read();
    sleep(Duration::from_millis(1_000));
    let (_, second, after) = read();
    let elapsed = after - before;
    type Part = fn(&Violations) -> Option<u64>;
    let parts: [Part; 8] = [
        |v| v.power_ns,
        |v| v.sync_boost_ns,
        |v| v.board_limit_ns,
        |v| v.reliability_ns,
        |v| v.software_thermal_ns,
        |v| v.hardware_thermal_ns,
        |v| v.power_brake_ns,
        |v| v.thermal_ns,
    ];
    for part in parts {
        let (Some(first), Some(second)) = (part(&first), part(&second)) else {
            continue;
        };
        assert!(second >= first, "{first} then {second}");
        // No more can have passed than did; the driver updates them every so often.
        assert!(
            second - first <= elapsed + 500_000_000,
            "{first} then {second}"
        );
    }
}
