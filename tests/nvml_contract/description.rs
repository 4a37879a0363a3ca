//! Clauses on what does not change: the library, the list, the snapshot, and refusals.

use lemctl::telemetry::{EnergyScope, ReadCode, ReadError};

use super::Subject;

pub fn library_names_itself(subject: &Subject) {
    let library = subject.telemetry.library();
    let first = library.driver_version.split('.').next().unwrap();
    assert!(first.parse::<u32>().unwrap() > 400, "{library:?}");
    assert_eq!(library.simulated, library.driver_version.ends_with("-sim"));
    assert_eq!(library.simulated, subject.simulated);
    assert!(library.nvml_version.is_some(), "{library:?}");
    let cuda = library.cuda_driver_version.unwrap();
    let (major, minor) = cuda.split_once('.').unwrap();
    assert!(major.parse::<u32>().unwrap() >= 11 && minor.parse::<u32>().unwrap() < 10);
}

pub fn every_gpu_is_listed(subject: &Subject) {
    let listed = subject.telemetry.gpus();
    assert!(listed.errors.is_empty(), "{:?}", listed.errors);
    for (index, gpu) in listed.value.iter().enumerate() {
        assert_eq!(gpu.index as usize, index);
        assert!(gpu.uuid.starts_with("GPU-"), "{gpu:?}");
        assert!(!gpu.name.is_empty());
        let scope = subject.telemetry.energy_scope(&gpu.uuid).unwrap();
        assert_eq!(scope, EnergyScope::Gpu);
        for mig in &gpu.mig {
            let scope = subject.telemetry.energy_scope(&mig.uuid).unwrap();
            assert!(scope.warning().unwrap().contains(&gpu.uuid));
        }
    }
    assert!(listed.value.iter().any(|gpu| gpu.uuid == subject.gpu));
}

pub fn snapshot_is_complete(subject: &Subject) {
    let snapshot = subject.telemetry.snapshot(&subject.gpu).unwrap();
    let told = format!("{snapshot:?}");
    let gpu = snapshot.value;
    assert_eq!(gpu.uuid, subject.gpu);
    assert!(!gpu.name.is_empty() && gpu.vbios.is_some(), "{told}");
    assert!(gpu.compute_capability.is_some(), "{told}");
    assert!(gpu.memory_total_bytes.unwrap() > 1 << 30, "{told}");
    let limits = gpu.power_limits;
    let (min, max) = (limits.min_watts.unwrap(), limits.max_watts.unwrap());
    let enforced = limits.enforced_watts.unwrap();
    assert!(0.0 < min && min <= max, "{told}");
    assert!((min..=max).contains(&enforced), "{told}");
    assert!(
        (min..=max).contains(&limits.default_watts.unwrap()),
        "{told}"
    );
    let thresholds = gpu.thresholds;
    let slowdown = thresholds.slowdown_celsius.unwrap();
    assert!((60..130).contains(&slowdown), "{told}");
    assert!(thresholds.shutdown_celsius.unwrap() > slowdown, "{told}");
    assert!(
        thresholds.max_operating_celsius.unwrap() <= slowdown,
        "{told}"
    );
    assert!(gpu.persistence.is_some(), "{told}");
    assert!(gpu.clocks.max_sm_mhz.unwrap() > 500, "{told}");
    assert!(gpu.clocks.max_memory_mhz.unwrap() > 500, "{told}");
    // What is absent says why.
    let refused = |call: &str| snapshot.errors.iter().any(|error| error.call == call);
    match gpu.pcie.max_generation {
        Some(generation) => assert!((1..10).contains(&generation), "{told}"),
        None => assert!(refused("pcie_generation"), "{told}"),
    }
    match gpu.pcie.max_width {
        Some(width) => assert!((1..=32).contains(&width), "{told}"),
        None => assert!(refused("pcie_width"), "{told}"),
    }
}

pub fn strangers_are_a_typed_error(subject: &Subject) {
    let telemetry = &subject.telemetry;
    for stranger in [
        "GPU-ffffffff-ffff-ffff-ffff-ffffffffffff",
        "MIG-ffffffff-ffff-ffff-ffff-ffffffffffff",
        "no UUID at all",
        "",
        "GPU-\0",
    ] {
        let is_unknown = |error: &ReadError| error.code == ReadCode::UnknownGpu;
        let all = [
            telemetry.energy_scope(stranger).map(|_| ()).unwrap_err(),
            telemetry
                .energy_millijoules(stranger)
                .map(|_| ())
                .unwrap_err(),
            telemetry
                .power_average_watts(stranger)
                .map(|_| ())
                .unwrap_err(),
            telemetry
                .power_instant_watts(stranger)
                .map(|_| ())
                .unwrap_err(),
            telemetry
                .power_samples(stranger, 0)
                .map(|_| ())
                .unwrap_err(),
            telemetry.memory(stranger).map(|_| ()).unwrap_err(),
            telemetry.snapshot(stranger).map(|_| ()).unwrap_err(),
            telemetry.watch_xid(stranger).map(|_| ()).unwrap_err(),
        ];
        assert!(all.iter().all(is_unknown), "{stranger:?}: {all:?}");
        for errors in [
            telemetry.state(stranger).errors,
            telemetry.violations(stranger).errors,
            telemetry.processes(stranger).errors,
        ] {
            assert!(errors.len() == 1 && is_unknown(&errors[0]), "{errors:?}");
        }
    }
}
