//! The GPUs of a session: which are there, and what somebody changed on them since it began.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/nvml_sim.rs"]
mod nvml_sim;

use std::sync::Arc;

use camino::Utf8PathBuf;
use lem_nvml_sim::scenario::{GpuSpec, Scenario};
use lemctl::energy::sensor::Sensor;
use lemctl::runner::Power;
use lemctl::telemetry::{GpuTelemetry, NvmlTelemetry, TelemetryError};
use nvml_sim::SimulatedMachine;

const GPU: &str = "GPU-00000000-0000-0000-0000-000000000000";

/// A machine with one GPU of that power limit, read through its library.
fn machine(limit_watts: f64) -> (SimulatedMachine, Arc<dyn GpuTelemetry>) {
    let mut gpu = GpuSpec::default();
    gpu.power.limit_watts = limit_watts;
    let machine = SimulatedMachine::new(&Scenario {
        gpus: vec![gpu],
        ..Scenario::default()
    });
    let path = Utf8PathBuf::from_path_buf(machine.library()).unwrap();
    let telemetry = NvmlTelemetry::open(Some(&path)).unwrap();
    (machine, Arc::new(telemetry))
}

fn open(telemetry: Arc<dyn GpuTelemetry>, gpu: &str) -> Result<Power, TelemetryError> {
    Power::open(telemetry, &[gpu.to_owned()], |gpu, _| {
        Sensor::assumed(&gpu.name)
    })
}

#[test]
fn what_was_changed_on_a_gpu_since_the_session_began_is_named() {
    let (_first, telemetry) = machine(700.0);
    let power = open(telemetry, GPU).unwrap();
    assert_eq!(power.drift(), Vec::<String>::new());
    let (_lowered, telemetry) = machine(698.0);
    let later = Power { telemetry, ..power };
    assert_eq!(later.drift(), [format!("{GPU}.power_limits")]);
}

#[test]
fn a_gpu_that_is_not_there_is_told_with_those_that_are() {
    let (_machine, telemetry) = machine(700.0);
    let wanted = GPU.replace("000000000000", "00000000beef");
    let Err(TelemetryError::UnknownGpu { gpu, available }) = open(telemetry, &wanted) else {
        panic!("it is not on this machine");
    };
    assert_eq!((gpu, available), (wanted, GPU.to_owned()));
}
