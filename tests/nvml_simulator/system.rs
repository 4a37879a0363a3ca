use std::process::Command;

use super::*;

#[test]
fn the_library_is_built_and_says_that_it_is_simulated() {
    let library = nvml_sim::library();
    let nvml = Nvml::builder()
        .lib_path(library.as_os_str())
        .init()
        .unwrap();
    assert_eq!(nvml.sys_driver_version().unwrap(), "580.159.03-sim");
    assert_eq!(nvml.sys_nvml_version().unwrap(), "lem-nvml-sim");
    assert_eq!(nvml.sys_cuda_driver_version().unwrap(), 13_000);
    assert_eq!(nvml.device_count().unwrap(), 1);
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.name().unwrap(), "NVIDIA H100 80GB HBM3 (simulated)");
    assert_eq!(
        gpu.uuid().unwrap(),
        "GPU-00000000-0000-0000-0000-000000000000"
    );
    assert_eq!(error(nvml.device_by_uuid("GPU-none")), "NotFound");
    assert_eq!(gpu.pci_info().unwrap().bus_id, "00000000:19:00.0");
    assert!(gpu.is_ecc_enabled().unwrap().currently_enabled);
    assert!(gpu.is_in_persistent_mode().unwrap());
    assert_eq!(error(gpu.serial()), "NotSupported");
    nvml.shutdown().unwrap();
}

#[test]
fn two_machines_in_one_process_are_two() {
    let (one_gpu, two) = (
        SimulatedMachine::new(&Scenario::default()),
        SimulatedMachine::new(&Scenario {
            gpus: vec![GpuSpec::default(); 2],
            ..Scenario::default()
        }),
    );
    let (first, second) = (load(&one_gpu), load(&two));
    assert_eq!(first.device_count().unwrap(), 1);
    assert_eq!(second.device_count().unwrap(), 2);
    // Each init has its shutdown; the machine goes with the last.
    let again = load(&two);
    drop(second);
    assert_eq!(again.device_count().unwrap(), 2);
    drop(again);
    two.set(&Scenario {
        gpus: vec![GpuSpec::default(); 3],
        ..Scenario::default()
    });
    assert_eq!(load(&two).device_count().unwrap(), 3);
}

#[test]
fn what_makes_no_sense_is_named() {
    // The library writes to stderr: this test again, in a process of its own.
    const FILE: &str = "LEM_TEST_SCENARIO";
    #[allow(clippy::disallowed_methods, reason = "set by the test itself")]
    if let Some(path) = std::env::var_os(FILE) {
        let library = nvml_sim::library();
        let failed = Nvml::builder().lib_path(library.as_os_str()).init();
        assert_eq!(error(failed), "Unknown");
        assert!(path.len() > 1);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    for (text, named) in [
        (r#"{"gpsu": []}"#, "unknown field `gpsu`"),
        (
            r#"{"gpus": [{"power": {"idle": 3}}]}"#,
            "unknown field `idle`",
        ),
        (r#"{"driver": "580.1"}"#, "driver must end with -sim"),
        (
            r#"{"gpus": [{"name": "NVIDIA H100"}]}"#,
            "gpus[0].name must end with (simulated)",
        ),
        (
            r#"{"load": {"scenario": [{"for_s": 1, "busy": 1}]}}"#,
            "needs a pid",
        ),
        (
            r#"{"errors": [{"function": "nvmlDeviceGetFan", "code": 3}]}"#,
            "errors[0].function",
        ),
        (r#"{"load": {"trace": "/nowhere.csv"}}"#, "/nowhere.csv"),
    ] {
        std::fs::write(&path, text).unwrap();
        let said = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "system::what_makes_no_sense_is_named",
                "--nocapture",
            ])
            .env(FILE, &path)
            .env(nvml_sim::VARIABLE, &path)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "{error}");
        assert!(
            error.contains("lem-nvml-sim: ") && error.contains(named),
            "{named}: {error}"
        );
    }
}
