//! Memory, and who holds it.

use std::ffi::{c_uint, c_ulonglong};

use super::state::Place;
use super::types::{
    Code, Handle, INSUFFICIENT_SIZE, INVALID_ARGUMENT, MEMORY_V2, Memory, MemoryV2, ProcessInfo,
    VERSION_MISMATCH,
};
use super::{Asked, about, call, put};

/// What stands for "no instance".
const NO_INSTANCE: c_uint = c_uint::MAX;

struct Amounts {
    total: c_ulonglong,
    reserved: c_ulonglong,
    used: c_ulonglong,
}

fn amounts(asked: &Asked<'_>) -> Amounts {
    let spec = asked.gpu.spec();
    let used = asked.gpu.used_bytes(asked.now_ns);
    let (total, reserved, used) = match asked.place {
        Place::Gpu(_) => (spec.memory.total_mib, spec.memory.reserved_mib, used),
        // The driver's own part is the whole GPU's; what runs, runs in the first.
        Place::Mig(_, index) => (
            spec.mig[index].memory_mib,
            0,
            if index == 0 { used } else { 0 },
        ),
    };
    let (total, reserved) = (total << 20, reserved << 20);
    Amounts {
        total,
        reserved,
        used: used.min(total.saturating_sub(reserved)),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: Handle, to: *mut Memory) -> Code {
    call(|| {
        about("nvmlDeviceGetMemoryInfo", device, |asked| {
            let amounts = amounts(asked);
            let used = amounts.used + amounts.reserved;
            let told = Memory {
                total: amounts.total,
                free: amounts.total - used,
                used,
            };
            // SAFETY: the caller gives a place for the struct.
            unsafe { put(to, told) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, to: *mut MemoryV2) -> Code {
    call(|| {
        about("nvmlDeviceGetMemoryInfo_v2", device, |asked| {
            if to.is_null() {
                return Err(INVALID_ARGUMENT);
            }
            // SAFETY: not null, and the caller has put the version there.
            if unsafe { (&raw const (*to).version).read() } != MEMORY_V2 {
                return Err(VERSION_MISMATCH);
            }
            let Amounts {
                total,
                reserved,
                used,
            } = amounts(asked);
            let told = MemoryV2 {
                version: MEMORY_V2,
                total,
                reserved,
                free: total - reserved - used,
                used,
            };
            // SAFETY: the caller gives a place for the struct.
            unsafe { put(to, told) }
        })
    })
}

/// Lists processes of one kind.
///
/// # Safety
/// `count` is null or holds the number of structs at `to`; `to` is null only if that is 0.
unsafe fn list(
    function: &str,
    device: Handle,
    count: *mut c_uint,
    to: *mut ProcessInfo,
    is_compute: bool,
) -> Result<(), Code> {
    about(function, device, |asked| {
        if count.is_null() {
            return Err(INVALID_ARGUMENT);
        }
        // SAFETY: not null, and valid by this function's contract.
        let room = unsafe { count.read() } as usize;
        let is_there = is_compute && !matches!(asked.place, Place::Mig(_, 1..));
        let mut listed = asked.gpu.processes(asked.now_ns);
        listed.retain(|_| is_there);
        // SAFETY: not null, and valid by this function's contract.
        unsafe { count.write(listed.len() as c_uint) };
        if listed.len() > room || (to.is_null() && !listed.is_empty()) {
            return Err(INSUFFICIENT_SIZE);
        }
        let (gpu_instance, compute_instance) = if asked.gpu.spec().mig.is_empty() {
            (NO_INSTANCE, NO_INSTANCE)
        } else {
            (super::mig::FIRST_GPU_INSTANCE, 0)
        };
        for (index, process) in listed.into_iter().enumerate() {
            let info = ProcessInfo {
                pid: process.pid,
                used: process.bytes,
                gpu_instance,
                compute_instance,
            };
            // SAFETY: index < room, and valid by this function's contract.
            unsafe { to.add(index).write(info) };
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v2(
    device: Handle,
    count: *mut c_uint,
    to: *mut ProcessInfo,
) -> Code {
    const NAME: &str = "nvmlDeviceGetComputeRunningProcesses_v2";
    // SAFETY: what nvml.h asks of the caller.
    call(|| unsafe { list(NAME, device, count, to, true) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Handle,
    count: *mut c_uint,
    to: *mut ProcessInfo,
) -> Code {
    const NAME: &str = "nvmlDeviceGetComputeRunningProcesses_v3";
    // SAFETY: what nvml.h asks of the caller.
    call(|| unsafe { list(NAME, device, count, to, true) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v2(
    device: Handle,
    count: *mut c_uint,
    to: *mut ProcessInfo,
) -> Code {
    const NAME: &str = "nvmlDeviceGetGraphicsRunningProcesses_v2";
    // SAFETY: what nvml.h asks of the caller.
    call(|| unsafe { list(NAME, device, count, to, false) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: Handle,
    count: *mut c_uint,
    to: *mut ProcessInfo,
) -> Code {
    const NAME: &str = "nvmlDeviceGetGraphicsRunningProcesses_v3";
    // SAFETY: what nvml.h asks of the caller.
    call(|| unsafe { list(NAME, device, count, to, false) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
    device: Handle,
    count: *mut c_uint,
    to: *mut ProcessInfo,
) -> Code {
    const NAME: &str = "nvmlDeviceGetMPSComputeRunningProcesses_v3";
    // SAFETY: what nvml.h asks of the caller.
    call(|| unsafe { list(NAME, device, count, to, false) })
}
