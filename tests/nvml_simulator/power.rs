use nvml_wrapper::enum_wrappers::device::Sampling;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::structs::device::FieldId;

use super::*;

#[test]
fn the_counter_steps_ten_times_a_second_and_is_slow() {
    let machine = one(steady(1.0), |_| {});
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    sleep(Duration::from_millis(300));
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let mut last = gpu.total_energy_consumption().unwrap();
    let mut shortest_ns = u64::MAX;
    while steps.len() < 12 {
        let before_ns = monotonic_ns();
        let told = gpu.total_energy_consumption().unwrap();
        let after_ns = monotonic_ns();
        shortest_ns = shortest_ns.min(after_ns - before_ns);
        if told != last {
            steps.push(((before_ns + after_ns) / 2, told));
            last = told;
        }
    }
    assert!(shortest_ns >= 3_400_000, "{shortest_ns}");
    let mut gaps_ms: Vec<f64> = steps
        .windows(2)
        .map(|two| (two[1].0 - two[0].0) as f64 / 1e6)
        .collect();
    gaps_ms.sort_by(f64::total_cmp);
    assert!((90.0..110.0).contains(&gaps_ms[5]), "{gaps_ms:?}");
    // Whole steps of a steady load, whenever they were seen: 697 W × a whole number of 99.8 to 100 ms.
    let (first, end) = (steps[0], steps[11]);
    let joules = (end.1 - first.1) as f64 / 1e3;
    let count = (joules / 69.7).round();
    assert!(count >= 11.0, "{joules}");
    assert!(
        (69.7 * 0.997 * count..=69.7 * 1.0002 * count).contains(&joules),
        "{joules}"
    );
}

#[test]
fn power_is_immediate_and_a_trailing_second() {
    let load_then = Load::once(vec![Segment::bare(0.5), Segment::of(1, 1, 1.0, 100.0)]);
    let machine = one(load_then, |_| {});
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.power_usage().unwrap(), 72_000);
    let fields = [FieldId(186), FieldId(185)];
    let read = || -> Vec<u32> {
        let values = gpu.field_values_for(&fields).unwrap();
        let number = |value| match value {
            Ok(SampleValue::U32(watts)) => watts,
            other => panic!("{other:?}"),
        };
        values
            .into_iter()
            .map(|field| number(field.unwrap().value))
            .collect()
    };
    assert_eq!(read(), [72_000, 72_000]);
    // The instant field is there a step later; the average only after a second, along a ramp.
    until(1.0, || read()[0] == 697_000);
    let ramp = read()[1];
    assert!((72_001..697_000).contains(&ramp), "{ramp}");
    assert_eq!(gpu.power_usage().unwrap(), ramp);
    until(1.5, || read() == [697_000, 697_000]);
}

#[test]
fn the_sample_buffer_holds_a_value_for_every_20_ms() {
    let machine = one(
        Load::repeating(vec![
            Segment::of(1, 1, 1.0, 0.025),
            Segment::of(1, 1, 0.0, 0.112),
        ]),
        |_| {},
    );
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    sleep(Duration::from_millis(2_700));
    let read = |after: Option<u64>| gpu.samples(Sampling::Power, after).unwrap();
    let samples = read(None);
    assert_eq!(samples.len(), 119);
    let step = |two: &[nvml_wrapper::struct_wrappers::device::Sample]| {
        assert_eq!(two[1].timestamp - two[0].timestamp, 20_000);
    };
    samples.windows(2).for_each(step);
    let now_us = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_micros() as u64;
    let last = samples[118].timestamp;
    assert!(
        (now_us - 10_000_000..now_us).contains(&last),
        "wall clock: {last} {now_us}"
    );
    let sum: u64 = samples
        .iter()
        .map(|sample| match sample.value {
            SampleValue::U32(milliwatts) => u64::from(milliwatts),
            ref other => panic!("{other:?}"),
        })
        .sum();
    let mean = sum as f64 / 119e3;
    let truth = 118.0 + 579.0 * 25.0 / 137.0;
    assert!((mean / truth - 1.0).abs() < 0.05, "{mean} {truth}");
    // Only what is new; nothing new is an answer of its own.
    sleep(Duration::from_millis(250));
    let newer = read(Some(last));
    assert!(newer.len() >= 10, "{}", newer.len());
    assert_eq!(newer[0].timestamp, last + 20_000);
    let far = last + 10_000_000;
    assert_eq!(error(gpu.samples(Sampling::Power, far)), "NotFound");
    assert_eq!(
        error(gpu.samples(Sampling::MemoryUtilization, None)),
        "NotSupported"
    );
}

#[test]
fn states_have_their_clocks_and_reasons() {
    for (load_of, watts, sm_mhz, reasons) in [
        (Load::default(), 72_000, 345, 0x1),
        (steady(0.0), 118_000, 1_980, 0x1),
        (steady(0.5), 407_500, 1_980, 0x0),
        (steady(1.0), 697_000, 1_380, 0x4),
    ] {
        let machine = one(load_of, |gpu| gpu.sensor.average_ms = 1.0);
        let nvml = load(&machine);
        let gpu = nvml.device_by_index(0).unwrap();
        until(0.5, || gpu.power_usage().unwrap() == watts);
        let sm = nvml_wrapper::enum_wrappers::device::Clock::SM;
        assert_eq!(gpu.clock_info(sm).unwrap(), sm_mhz);
        assert_eq!(gpu.max_clock_info(sm).unwrap(), 1_980);
        assert_eq!(gpu.current_throttle_reasons().unwrap().bits(), reasons);
        assert_eq!(gpu.enforced_power_limit().unwrap(), 700_000);
    }
}

#[test]
fn a_trace_is_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    std::fs::write(&path, "t_s,watts\n0.2,100\n0.5,400\n0.9,250\n1.4,0\n").unwrap();
    let source = Load {
        trace: Some(path),
        ..Load::default()
    };
    let machine = one(source, |gpu| gpu.sensor.period_ms = [5.0, 5.0]);
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    let begun_ns = monotonic_ns();
    let start = gpu.total_energy_consumption().unwrap();
    sleep(Duration::from_millis(1_600));
    let end = gpu.total_energy_consumption().unwrap();
    let seconds = (monotonic_ns() - begun_ns) as f64 / 1e9;
    // 30 J + 160 J + 125 J in 1.2 s, bare (72 W) in what remains of the time that it took.
    let joules = (end - start) as f64 / 1e3;
    assert!(
        (315.0 + 72.0 * 0.3..315.0 + 72.0 * (seconds - 0.9)).contains(&joules),
        "{joules}"
    );
}

#[test]
fn throttling_sets_bits_and_the_violation_counters_grow() {
    use lem_nvml_sim::scenario::{Reason, Throttle, When};
    for (driver, first) in [("580.159.03-sim", 269), ("550.90.07-sim", 251)] {
        let mut gpu = GpuSpec::default();
        let reasons = [Reason::HwSlowdown, Reason::HwThermal];
        gpu.faults
            .throttle
            .push(Throttle::new(&reasons, When::between(0.1, 2.1)));
        let machine = SimulatedMachine::new(&Scenario {
            driver: driver.to_owned(),
            gpus: vec![gpu],
            load: steady(0.5),
            ..Scenario::default()
        });
        let nvml = load(&machine);
        let gpu = nvml.device_by_index(0).unwrap();
        until(2.0, || {
            gpu.current_throttle_reasons().unwrap().bits() == 0x48
        });
        until(10.0, || gpu.current_throttle_reasons().unwrap().bits() == 0);
        sleep(Duration::from_millis(100));
        // The wrapper takes the old numbers and translates: 251 is SW thermal, 252 HW thermal.
        let ids = [FieldId(251), FieldId(252), FieldId(253), FieldId(74)];
        let values = gpu.field_values_for(&ids).unwrap();
        let values: Vec<_> = values.into_iter().map(Result::unwrap).collect();
        assert_eq!(values[0].field, FieldId(first));
        let told: Vec<_> = values
            .into_iter()
            .map(|value| value.value.unwrap())
            .collect();
        let want = [0, 2_000_000_000, 0, 0].map(SampleValue::U64);
        assert_eq!(told, want);
        use nvml_wrapper::enum_wrappers::device::PerformancePolicy;
        let thermal = gpu.violation_status(PerformancePolicy::Thermal).unwrap();
        assert_eq!(thermal.violation_time, 2_000_000_000);
    }
}

#[test]
fn temperature_follows_slowly() {
    use nvml_wrapper::enum_wrappers::device::TemperatureSensor::Gpu;
    let machine = one(steady(1.0), |gpu| gpu.thermal.time_constant_s = 0.5);
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    let start = gpu.temperature(Gpu).unwrap();
    assert!((31..69).contains(&start), "{start}");
    until(10.0, || gpu.temperature(Gpu).unwrap() == 69);
}
