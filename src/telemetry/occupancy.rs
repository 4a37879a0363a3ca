//! Who holds a GPU: memory in use and processes with their owners, as the leak check compares them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GpuProcess, GpuTelemetry, Owner, ReadError, owner_of};

/// A process and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnedProcess {
    /// The process, as the driver lists it.
    pub process: GpuProcess,
    /// Whose it is.
    pub owner: Owner,
}

/// What holds one GPU at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Occupancy {
    /// UUID.
    pub gpu: String,
    /// CLOCK_MONOTONIC at the start of the read.
    pub at_ns: u64,
    /// Memory in use, bytes; the driver's own part is in it on some drivers, so compare with a baseline and
    /// never with zero. Null when it cannot be read.
    pub used_bytes: Option<u64>,
    /// Processes, ascending by pid.
    pub processes: Vec<OwnedProcess>,
    /// What could not be read. A kind of process that cannot be listed may hide one.
    pub errors: Vec<ReadError>,
}

/// Looks at `gpu` now. Reads `/proc` for the owners of its processes. Takes a few milliseconds.
#[must_use]
pub fn observe(telemetry: &dyn GpuTelemetry, gpu: &str) -> Occupancy {
    let at_ns = super::timing::now_ns();
    let listed = telemetry.processes(gpu);
    let mut errors = listed.errors;
    let used_bytes = match telemetry.memory(gpu) {
        Ok(memory) => Some(memory.used_bytes),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let processes = listed.value.into_iter().map(|process| OwnedProcess {
        owner: owner_of(std::path::Path::new("/proc"), process.pid),
        process,
    });
    Occupancy {
        gpu: gpu.to_owned(),
        at_ns,
        used_bytes,
        processes: processes.collect(),
        errors,
    }
}
