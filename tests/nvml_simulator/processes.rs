use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nvml_wrapper::enums::device::UsedGpuMemory;

use super::*;

const MIB: u64 = 1 << 20;

/// A process that does as the reference worker does: holds an flock on its log.
fn worker(folder: &Path, name: &str, lines: &str) -> Child {
    let gpu = folder.join("campaign/reference/outbox/gpu");
    std::fs::create_dir_all(&gpu).unwrap();
    let mut log = std::fs::File::create(gpu.join(name)).unwrap();
    log.write_all(lines.as_bytes()).unwrap();
    let child = Command::new("flock")
        .args(["--no-fork", "--exclusive"])
        .arg(gpu.join(name))
        .args(["sleep", "60"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&log.metadata().unwrap());
    until(5.0, || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.contains(&format!(":{inode} "))
    });
    child
}

#[test]
fn a_process_is_listed_with_its_memory() {
    let machine = one(steady(0.0), |_| {});
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    let memory = gpu.memory_info().unwrap();
    assert_eq!(memory.total, 81_559 * MIB);
    assert_eq!((memory.used, memory.reserved), (2_048 * MIB, 480 * MIB));
    assert_eq!(memory.free, memory.total - memory.used - memory.reserved);
    assert_eq!(gpu.running_compute_processes_count().unwrap(), 1);
    let listed = gpu.running_compute_processes().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].pid, 4242);
    assert_eq!(listed[0].used_gpu_memory, UsedGpuMemory::Used(2_048 * MIB));
    assert_eq!(gpu.running_graphics_processes().unwrap(), []);
}

#[test]
#[allow(
    unsafe_code,
    reason = "the wrapper always leaves room; the question without room is raw"
)]
fn a_small_buffer_is_told_the_count() {
    let machine = one(steady(0.0), |_| {});
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    // What the wrapper does, and with room for none.
    let list = nvml
        .lib()
        .nvmlDeviceGetComputeRunningProcesses_v3
        .as_ref()
        .unwrap();
    let mut count = 0;
    // SAFETY: the handle is the device's, and no struct is written where there is room for none.
    let code = unsafe { list(gpu.handle(), &mut count, std::ptr::null_mut()) };
    assert_eq!((code, count), (7, 1));
}

#[test]
fn a_worker_that_lives_loads_the_gpu_and_its_death_is_seen_late() {
    let folder = tempfile::tempdir().unwrap();
    let machine = one(Load::logs(folder.path()), |gpu| gpu.sensor.average_ms = 1.0);
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.power_usage().unwrap(), 72_000);
    let lines = format!("{} 1 {}\n", monotonic_ns(), 700 * MIB);
    let mut child = worker(folder.path(), "17.log", &lines);
    until(1.0, || gpu.power_usage().unwrap() == 697_000);
    let listed = gpu.running_compute_processes().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0].pid,
        child.id(),
        "the host's pid, not the one in the name"
    );
    assert_eq!(gpu.memory_info().unwrap().used, 700 * MIB);
    child.kill().unwrap();
    child.wait().unwrap();
    // How much later each is seen is what the simulator's own tests say, whose clock stands still.
    until(10.0, || gpu.running_compute_processes().unwrap().is_empty());
    until(10.0, || gpu.memory_info().unwrap().used == 0);
    until(10.0, || gpu.power_usage().unwrap() == 72_000);
}

#[test]
fn workers_add_up_and_gpus_have_their_own_load() {
    let folder = tempfile::tempdir().unwrap();
    let machine = SimulatedMachine::new(&Scenario {
        gpus: vec![
            GpuSpec::default(),
            GpuSpec {
                load: Some(Load::default()),
                ..GpuSpec::default()
            },
        ],
        load: Load::logs(folder.path()),
        ..Scenario::default()
    });
    let nvml = load(&machine);
    let (loaded, idle) = (
        nvml.device_by_index(0).unwrap(),
        nvml.device_by_index(1).unwrap(),
    );
    let line = |busy: f64| format!("{} {busy} {MIB}\n", monotonic_ns());
    let mut children = vec![
        worker(folder.path(), "1.log", &line(0.25)),
        worker(folder.path(), "2.log", &line(0.25)),
    ];
    until(1.0, || {
        loaded.running_compute_processes().unwrap().len() == 2
    });
    assert_eq!(loaded.memory_info().unwrap().used, 2 * MIB);
    until(2.0, || loaded.power_usage().unwrap() == 407_500);
    assert_eq!(idle.power_usage().unwrap(), 72_000);
    assert_eq!(idle.running_compute_processes().unwrap(), []);
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn mig_devices_have_memory_and_no_power() {
    use lem_nvml_sim::scenario::MigSpec;
    let machine = one(steady(1.0), |gpu| {
        gpu.mig = ["MIG-a", "MIG-b"]
            .map(|uuid| MigSpec {
                uuid: uuid.to_owned(),
                memory_mib: 9_856,
            })
            .to_vec();
    });
    let nvml = load(&machine);
    let mig = nvml.device_by_uuid("MIG-b").unwrap();
    assert_eq!(mig.uuid().unwrap(), "MIG-b");
    assert!(mig.mig_is_mig_device_handle().unwrap());
    assert_eq!(error(mig.power_usage()), "NotSupported");
    assert_eq!(error(mig.total_energy_consumption()), "NotSupported");
    assert_eq!(mig.memory_info().unwrap().total, 9_856 * MIB);
    assert_eq!(mig.memory_info().unwrap().used, 0);
    let parent = mig.mig_parent_device().unwrap();
    assert!(parent.mig_mode().unwrap().current == 1 && parent.power_usage().is_ok());
    let first = parent.mig_device_by_index(0).unwrap();
    assert_eq!(first.memory_info().unwrap().used, 2_048 * MIB);
    assert_eq!(
        first.running_compute_processes().unwrap()[0].gpu_instance_id,
        Some(7)
    );
}
