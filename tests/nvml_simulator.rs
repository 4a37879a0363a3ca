//! The GPU simulator, loaded by path through nvml-wrapper as lemctl loads a real NVML: every source tells
//! what the model of it says.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/nvml_sim.rs"]
mod nvml_sim;

#[path = "nvml_simulator/events.rs"]
mod events;
#[path = "nvml_simulator/power.rs"]
mod power;
#[path = "nvml_simulator/processes.rs"]
mod processes;
#[path = "nvml_simulator/system.rs"]
mod system;

use std::thread::sleep;
use std::time::Duration;

use lem_nvml_sim::scenario::{GpuSpec, Load, Scenario, Segment};
use lem_nvml_sim::sim::monotonic_ns;
use nvml_sim::SimulatedMachine;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

fn load(machine: &SimulatedMachine) -> Nvml {
    Nvml::builder()
        .lib_path(machine.library().as_os_str())
        .init()
        .unwrap()
}

/// One GPU and what loads it.
fn one(load: Load, change: impl FnOnce(&mut GpuSpec)) -> SimulatedMachine {
    let mut gpu = GpuSpec::default();
    change(&mut gpu);
    SimulatedMachine::new(&Scenario {
        gpus: vec![gpu],
        load,
        ..Scenario::default()
    })
}

/// Process 4242 holds 2 GiB and computes at `busy` for a long time.
fn steady(busy: f64) -> Load {
    Load::once(vec![Segment::of(4242, 2_048, busy, 1_000.0)])
}

/// The error that a call failed with; the wrapper's errors cannot be compared.
fn error<T>(failed: Result<T, NvmlError>) -> String {
    match failed {
        Ok(_) => "no error".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn until(deadline_s: f64, mut holds: impl FnMut() -> bool) {
    let deadline_ns = monotonic_ns() + (deadline_s * 1e9) as u64;
    while !holds() {
        assert!(monotonic_ns() < deadline_ns, "not within {deadline_s} s");
        sleep(Duration::from_millis(1));
    }
}
