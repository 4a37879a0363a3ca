//! The adapter on libraries that lack things and GPUs that break: only the simulator can be told to.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use lemctl::telemetry::{
    CounterBreak, EnergyScope, GpuTelemetry, PowerSource, ReadCode, Sampler, SamplerSettings,
};

use super::subject::{Subject, scenario};

/// A GPU whose functions answer 13: the library does not have them.
fn without(functions: &[&str], fields: &[u32]) -> Subject {
    let mut errors: Vec<String> = functions
        .iter()
        .map(|name| format!(r#"{{"function": "{name}", "code": 13}}"#))
        .collect();
    errors.extend(fields.iter().map(|field| {
        format!(r#"{{"function": "nvmlDeviceGetFieldValues", "field": {field}, "code": 3}}"#)
    }));
    Subject::of(&scenario(&format!(
        r#"{{"load": {{"scenario": [{{"for_s": 3600, "busy": 0.6, "mib": 4096, "pid": PID}}]}}, "errors": [{}]}}"#,
        errors.join(", ")
    )))
}

#[test]
fn an_older_library_is_read_through_its_older_functions() {
    let subject = without(
        &[
            "nvmlDeviceGetTemperatureV",
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetMemoryInfo_v2",
        ],
        &[185, 74, 76, 77, 79, 251, 252, 253, 269, 270, 271],
    );
    let telemetry = &subject.telemetry;
    let state = telemetry.state(&subject.gpu).value;
    assert!(state.temperature_celsius.is_some());
    assert!(telemetry.power_average_watts(&subject.gpu).unwrap() > 70.0);
    assert_eq!(
        telemetry.average_source(&subject.gpu),
        PowerSource::PowerUsage
    );
    let memory = telemetry.memory(&subject.gpu).unwrap();
    assert_eq!(memory.reserved_bytes, None);
    assert_eq!(memory.used_bytes + memory.free_bytes, memory.total_bytes);
    let violations = telemetry.violations(&subject.gpu).value;
    assert!(violations.power_ns.is_some());
    assert!(violations.thermal_ns.is_some());
    assert_eq!(violations.software_thermal_ns, None);
}

#[test]
fn a_gpu_without_counter_still_has_power() {
    let subject = without(&["nvmlDeviceGetTotalEnergyConsumption"], &[83, 186]);
    let gpus = [subject.gpu.clone()];
    let telemetry = Arc::clone(&subject.telemetry);
    let sampler = Sampler::start(telemetry, &gpus, SamplerSettings::default()).unwrap();
    sleep(Duration::from_millis(1_200));
    assert_eq!(sampler.wait_edge(Duration::from_secs(5)), None);
    let gpu = sampler.stop().gpus.remove(0);
    assert!(gpu.readings.counter.is_empty() && gpu.readings.instant.is_empty());
    assert!(gpu.readings.average.len() > 5);
    let refused: Vec<&String> = gpu.errors.keys().collect();
    assert!(
        refused.iter().any(|key| key.starts_with("energy: ")),
        "{refused:?}"
    );
    // Asked a few times, then no more.
    assert_eq!(gpu.errors["power_instant: not_supported"].count, 3);
}

#[test]
fn unknown_reasons_keep_all_their_bits_and_throttling_is_counted() {
    let subject = Subject::of(&scenario(
        r#"{"gpus": [{"faults": {"throttle": [{"reasons": ["hw_thermal", "power_brake"]}]}}],
            "load": {"scenario": [{"for_s": 3600, "busy": 0.6, "mib": 64, "pid": PID}]}}"#,
    ));
    let first = subject.telemetry.violations(&subject.gpu).value;
    sleep(Duration::from_millis(600));
    let second = subject.telemetry.violations(&subject.gpu).value;
    let reasons = subject
        .telemetry
        .state(&subject.gpu)
        .value
        .event_reasons
        .unwrap();
    assert_eq!(reasons & 0xC0, 0xC0, "{reasons:#x}");
    for part in [
        second.hardware_thermal_ns.unwrap() - first.hardware_thermal_ns.unwrap(),
        second.power_brake_ns.unwrap() - first.power_brake_ns.unwrap(),
    ] {
        assert!((300_000_000..5_000_000_000).contains(&part), "{part} ns");
    }
    assert_eq!(second.software_thermal_ns, first.software_thermal_ns);
}

#[test]
fn a_counter_that_fails_for_a_second_is_not_bridged() {
    let when = r#""when": {"from_s": 1.5, "until_s": 2.5}"#;
    let subject = Subject::of(&scenario(&format!(
        r#"{{"errors": [{{"function": "nvmlDeviceGetTotalEnergyConsumption", "code": 999, {when}}},
            {{"function": "nvmlDeviceGetFieldValues", "field": 83, "code": 999, {when}}}]}}"#
    )));
    let gpus = [subject.gpu.clone()];
    let telemetry = Arc::clone(&subject.telemetry);
    let sampler = Sampler::start(telemetry, &gpus, SamplerSettings::default()).unwrap();
    sleep(Duration::from_secs(5));
    let gpu = sampler.stop().gpus.remove(0);
    let [
        CounterBreak::Failed {
            from_ns,
            until_ns: Some(until_ns),
        },
    ] = gpu.breaks.as_slice()
    else {
        panic!("{:?}", gpu.breaks);
    };
    let bridging = |edge: &&lemctl::energy::CounterEdge| {
        edge.before_ns < *until_ns && edge.after_ns > *from_ns
    };
    let edges = &gpu.readings.counter;
    assert_eq!(edges.iter().find(bridging), None);
    assert!(edges.iter().any(|edge| edge.after_ns < *from_ns));
    assert!(edges.iter().any(|edge| edge.before_ns > *until_ns));
}

#[test]
fn a_lost_gpu_is_recorded_with_its_xid() {
    let subject = Subject::of(&scenario(
        r#"{"gpus": [{"faults": {"lost": {"from_s": 2.5}, "xid": [{"code": 79, "when": {"from_s": 1.2}}]}}]}"#,
    ));
    let gpus = [subject.gpu.clone()];
    let telemetry = Arc::clone(&subject.telemetry);
    let sampler = Sampler::start(telemetry, &gpus, SamplerSettings::default()).unwrap();
    sleep(Duration::from_secs(4));
    let gpu = sampler.stop().gpus.remove(0);
    let errors: Vec<&String> = gpu.errors.keys().collect();
    for call in [
        "energy",
        "power_average",
        "power_instant",
        "power_samples",
        "sm_clock",
    ] {
        let key = format!("{call}: gpu_lost");
        assert!(gpu.errors.contains_key(&key), "{key}: {errors:?}");
    }
    assert!(matches!(
        gpu.breaks.as_slice(),
        [CounterBreak::Failed { until_ns: None, .. }]
    ));
    assert!(gpu.readings.counter.len() > 5);
    let seen: Vec<u64> = gpu.xid.iter().map(|event| event.xid).collect();
    assert_eq!(seen, [79]);
    assert_eq!(gpu.xid[0].gpu, subject.gpu);
}

#[test]
fn a_mig_device_has_its_own_memory_and_its_gpus_energy() {
    let subject = Subject::of(&scenario(
        r#"{"gpus": [{"mig": [{"uuid": "MIG-11111111-2222-3333-4444-555555555555", "memory_mib": 9856}]}],
            "load": {"scenario": [{"for_s": 3600, "busy": 0.6, "mib": 4096, "pid": PID}]}}"#,
    ));
    let telemetry: &dyn GpuTelemetry = &*subject.telemetry;
    let listed = telemetry.gpus().value;
    let mig = listed[0].mig[0].uuid.clone();
    let parent = EnergyScope::ParentGpu {
        parent: subject.gpu.clone(),
    };
    assert_eq!(telemetry.energy_scope(&mig), Ok(parent));
    assert!(telemetry.energy_millijoules(&mig).is_ok());
    assert!(telemetry.power_average_watts(&mig).unwrap() > 70.0);
    assert!(telemetry.state(&mig).value.temperature_celsius.is_some());
    let own = telemetry.memory(&mig).unwrap();
    let whole = telemetry.memory(&subject.gpu).unwrap();
    assert!(own.total_bytes < whole.total_bytes / 4, "{own:?} {whole:?}");
    let snapshot = telemetry.snapshot(&mig).unwrap().value;
    assert_eq!(snapshot.parent.as_deref(), Some(subject.gpu.as_str()));
    let held = telemetry.processes(&mig).value;
    assert_eq!(
        held.iter().map(|held| held.pid).collect::<Vec<_>>(),
        [std::process::id()]
    );
}

#[test]
fn a_gpu_that_is_not_for_this_user_does_not_hide_the_others() {
    let subject = Subject::of(&scenario(
        r#"{"gpus": [{}, {}], "errors": [{"function": "nvmlDeviceGetName", "gpu": 1, "code": 4}]}"#,
    ));
    let listed = subject.telemetry.gpus();
    assert_eq!(listed.value.len(), 1);
    assert_eq!(listed.errors.len(), 1);
    assert_eq!(listed.errors[0].code, ReadCode::NoPermission);
}
