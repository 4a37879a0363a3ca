//! The processes that hold a device.

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::answers::Parts;
use super::devices::Handle;
use super::library::Library;
use crate::telemetry::{GpuProcess, Partial, ProcessKind};

/// More processes than there was room for came between the count and the list: asked again this often.
const TRIES: u32 = 4;

/// Processes of all kinds, ascending by pid.
pub(super) fn list(library: &Library, handle: Handle) -> Partial<Vec<GpuProcess>> {
    let device = handle.device(library);
    let mut parts = Parts::default();
    let mut found = Vec::new();
    let mut add = |kind, call, read: Result<Vec<ProcessInfo>, NvmlError>| {
        for process in parts.part(call, read).unwrap_or_default() {
            found.push(GpuProcess {
                pid: process.pid,
                kind,
                used_bytes: match process.used_gpu_memory {
                    UsedGpuMemory::Used(bytes) => Some(bytes),
                    UsedGpuMemory::Unavailable => None,
                },
            });
        }
    };
    add(
        ProcessKind::Compute,
        "compute_processes",
        retried(|| device.running_compute_processes()),
    );
    add(
        ProcessKind::Graphics,
        "graphics_processes",
        retried(|| device.running_graphics_processes()),
    );
    add(
        ProcessKind::Mps,
        "mps_processes",
        retried(|| device.mps_running_compute_processes()),
    );
    found.sort_unstable();
    found.dedup();
    Partial {
        value: found,
        errors: parts.errors,
    }
}

fn retried(
    read: impl Fn() -> Result<Vec<ProcessInfo>, NvmlError>,
) -> Result<Vec<ProcessInfo>, NvmlError> {
    for _ in 1..TRIES {
        match read() {
            Err(NvmlError::InsufficientSize(_)) => {}
            other => return other,
        }
    }
    read()
}
