//! The sampler on a GPU that breaks in ways that a driver rarely does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use lemctl::clock::{Clock, HostClock};
use lemctl::energy::CounterEdge;
use lemctl::telemetry::{
    CounterBreak, ReadCode, ReadError, Sampler, SamplerSettings, TelemetryError,
};

use super::fake::{Fake, WATTS, refusal, steady};

fn start(fake: &Arc<Fake>, gpus: &[&str]) -> Sampler {
    let gpus: Vec<String> = gpus.iter().map(|gpu| (*gpu).to_owned()).collect();
    Sampler::start(Arc::clone(fake) as _, &gpus, SamplerSettings::default()).unwrap()
}

#[test]
fn a_counter_that_goes_back_is_a_break_and_no_edge() {
    // Reset after 1.25 s, as by a reload of the driver.
    let fake = Fake::with(|ns| {
        Ok(if ns < 1_250_000_000 {
            steady(ns)
        } else {
            steady(ns) - 1_000_000
        })
    });
    let sampler = start(&fake, &["GPU-0"]);
    sleep(Duration::from_millis(2_500));
    let gpu = sampler.stop().gpus.remove(0);
    let [
        CounterBreak::WentBack {
            at_ns,
            from_millijoules,
            to_millijoules,
        },
    ] = gpu.breaks.as_slice()
    else {
        panic!("{:?}", gpu.breaks);
    };
    assert!(to_millijoules < from_millijoules);
    let edges = &gpu.readings.counter;
    assert!(
        edges
            .iter()
            .all(|edge| edge.after_ns <= *at_ns || edge.before_ns + 1 >= *at_ns - 50_000_000)
    );
    let (before, after): (Vec<&CounterEdge>, Vec<&CounterEdge>) =
        edges.iter().partition(|edge| edge.after_ns < *at_ns);
    assert!(
        before.len() >= 8 && after.len() >= 8,
        "{} {}",
        before.len(),
        after.len()
    );
    assert!(before.is_sorted_by_key(|edge| edge.millijoules));
    assert!(after.is_sorted_by_key(|edge| edge.millijoules));
}

#[test]
fn mean_power_across_a_break_is_not_given() {
    let fake = Fake::with(|ns| {
        Ok(if ns < 1_000_000_000 {
            steady(ns)
        } else {
            steady(ns) - 1_000_000
        })
    });
    let sampler = start(&fake, &["GPU-0"]);
    let begin = HostClock.monotonic_ns();
    sleep(Duration::from_millis(2_200));
    assert_eq!(sampler.since(begin)[0].counter_watts, None);
    let later = &sampler.since(HostClock.monotonic_ns() - 800_000_000)[0];
    let watts = later.counter_watts.unwrap();
    assert!((watts - WATTS).abs() < 0.2 * WATTS, "{watts}");
    assert_eq!(later.average_watts, Some(WATTS));
    assert_eq!(later.temperature_celsius, Some(41));
    let _whole = sampler.stop();
}

#[test]
fn several_gpus_are_waited_for_and_one_without_counter_is_not() {
    let fake = Fake::sound();
    let sampler = start(&fake, &["GPU-0", "GPU-1"]);
    let asked = HostClock.monotonic_ns();
    let edge = sampler.wait_edge(Duration::from_secs(5)).unwrap();
    assert!(edge.before_ns >= asked);
    let recording = sampler.stop();
    for gpu in &recording.gpus {
        let first = gpu
            .readings
            .counter
            .iter()
            .find(|edge| edge.before_ns >= asked);
        assert!(first.unwrap().after_ns <= edge.after_ns);
    }
    let never = Fake::with(|_| Err(refusal("energy")));
    let sampler = start(&never, &["GPU-0"]);
    let asked = HostClock.monotonic_ns();
    assert_eq!(sampler.wait_edge(Duration::from_secs(60)), None);
    assert!(HostClock.monotonic_ns() - asked < 20_000_000_000);
    assert_eq!(
        never.energy_calls.load(Ordering::Relaxed),
        3,
        "asked three times, then no more"
    );
    let _whole = sampler.stop();
}

#[test]
fn an_edge_that_never_comes_ends_the_wait() {
    let fake = Fake::with(|_| Ok(7));
    let sampler = start(&fake, &["GPU-0"]);
    let view = sampler.view();
    assert_eq!(view.wait_edge(Duration::from_millis(300)), None);
    let waiter = std::thread::spawn(move || view.wait_edge(Duration::from_secs(600)));
    sleep(Duration::from_millis(100));
    let _whole = sampler.stop();
    assert_eq!(
        waiter.join().unwrap(),
        None,
        "a stopped sampler ends the wait"
    );
}

#[test]
fn a_dropped_sampler_asks_no_more() {
    let fake = Fake::sound();
    drop(start(&fake, &["GPU-0"]));
    sleep(Duration::from_millis(500));
    let asked = fake.energy_calls.load(Ordering::Relaxed);
    sleep(Duration::from_millis(500));
    assert_eq!(fake.energy_calls.load(Ordering::Relaxed), asked);
}

#[test]
fn an_unknown_gpu_is_named() {
    let gpus = ["nowhere".to_owned()];
    let refused = Sampler::start(Fake::sound(), &gpus, SamplerSettings::default());
    assert!(
        matches!(refused, Err(TelemetryError::UnknownGpu { gpu, .. }) if gpu.starts_with("nowhere"))
    );
}

#[test]
fn a_panicking_library_costs_its_thread_and_is_named() {
    let fake = Fake::with(|ns| {
        assert!(ns < 300_000_000, "planted");
        Ok(steady(ns))
    });
    let sampler = start(&fake, &["GPU-0"]);
    sleep(Duration::from_millis(800));
    let recording = sampler.stop();
    assert_eq!(recording.cost.failed_threads, ["counter GPU-0"]);
    assert!(recording.gpus[0].readings.average.len() > 3);
}

#[test]
fn a_failing_read_is_counted_with_its_first_words() {
    let fake = Fake::with(|ns| {
        if (400_000_000..700_000_000).contains(&ns) {
            Err(ReadError::new(
                ReadCode::Other,
                "energy",
                "an internal driver error occurred",
            ))
        } else {
            Ok(steady(ns))
        }
    });
    let sampler = start(&fake, &["GPU-0"]);
    sleep(Duration::from_millis(1_800));
    let gpu = sampler.stop().gpus.remove(0);
    let tally = &gpu.errors["energy: other"];
    assert!(
        tally.count >= 2 && tally.first_ns < tally.last_ns,
        "{tally:?}"
    );
    assert_eq!(tally.first.message, "an internal driver error occurred");
    assert!(matches!(
        gpu.breaks.as_slice(),
        [CounterBreak::Failed {
            until_ns: Some(_),
            ..
        }]
    ));
}
