//! Which GPUs there are, and what they are.

use std::ffi::{CStr, c_char, c_int, c_uint};

use super::state::Place;
use super::types::{
    Code, GPU_IS_LOST, Handle, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, PciInfo,
};
use super::{about, call, put, put_text, system};
use crate::sim::{Sim, monotonic_ns};

/// PCI bus of the first GPU.
const FIRST_BUS: usize = 0x19;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(to: *mut c_uint) -> Code {
    call(|| {
        system("nvmlDeviceGetCount_v2", |state| {
            let count = state.sim()?.gpus().len() as c_uint;
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, count) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount(to: *mut c_uint) -> Code {
    call(|| {
        system("nvmlDeviceGetCount", |state| {
            let count = state.sim()?.gpus().len() as c_uint;
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, count) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, to: *mut Handle) -> Code {
    call(|| {
        system("nvmlDeviceGetHandleByIndex_v2", |state| {
            let place = alive(state.sim()?, Place::Gpu(index as usize))?;
            // SAFETY: the caller gives a place for the handle.
            unsafe { put(to, place.handle()) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex(index: c_uint, to: *mut Handle) -> Code {
    call(|| {
        system("nvmlDeviceGetHandleByIndex", |state| {
            let place = alive(state.sim()?, Place::Gpu(index as usize))?;
            // SAFETY: the caller gives a place for the handle.
            unsafe { put(to, place.handle()) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, to: *mut Handle) -> Code {
    call(|| {
        system("nvmlDeviceGetHandleByUUID", |state| {
            let sim = state.sim()?;
            // SAFETY: the caller gives a text that ends with 0, or null.
            let uuid = unsafe { text(uuid) }?;
            let gpus = 0..sim.gpus().len();
            let place = gpus
                .clone()
                .find(|index| sim.scenario().uuid(*index) == uuid)
                .map(Place::Gpu)
                .or_else(|| {
                    gpus.into_iter().find_map(|gpu| {
                        let migs = &sim.gpus()[gpu].spec().mig;
                        let index = migs.iter().position(|mig| mig.uuid == uuid)?;
                        Some(Place::Mig(gpu, index))
                    })
                });
            let place = alive(sim, place.ok_or(NOT_FOUND)?)?;
            // SAFETY: the caller gives a place for the handle.
            unsafe { put(to, place.handle()) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    bus_id: *const c_char,
    to: *mut Handle,
) -> Code {
    call(|| {
        system("nvmlDeviceGetHandleByPciBusId_v2", |state| {
            let sim = state.sim()?;
            // SAFETY: the caller gives a text that ends with 0, or null.
            let bus_id = unsafe { text(bus_id) }?.to_ascii_uppercase();
            let found = (0..sim.gpus().len()).find(|index| bus_of(*index).ends_with(&bus_id));
            let place = alive(sim, Place::Gpu(found.ok_or(NOT_FOUND)?))?;
            // SAFETY: the caller gives a place for the handle.
            unsafe { put(to, place.handle()) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetIndex(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetIndex", device, |asked| {
            let index = match asked.place {
                Place::Gpu(index) | Place::Mig(_, index) => index,
            };
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, index as c_uint) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMinorNumber(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetMinorNumber", device, |asked| {
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, asked.place.gpu() as c_uint) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(device: Handle, to: *mut c_char, length: c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetUUID", device, |asked| {
            let uuid = match asked.place {
                Place::Gpu(index) => asked.sim.scenario().uuid(index),
                Place::Mig(_, index) => asked.gpu.spec().mig[index].uuid.clone(),
            };
            // SAFETY: the caller gives a buffer of `length`.
            unsafe { put_text(to, length, &uuid) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: Handle, to: *mut c_char, length: c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetName", device, |asked| {
            let name = &asked.gpu.spec().name;
            let name = match asked.place {
                Place::Gpu(_) => name.clone(),
                Place::Mig(..) => name.replace("(simulated)", "MIG (simulated)"),
            };
            // SAFETY: the caller gives a buffer of `length`.
            unsafe { put_text(to, length, &name) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetVbiosVersion(
    device: Handle,
    to: *mut c_char,
    length: c_uint,
) -> Code {
    call(|| {
        about("nvmlDeviceGetVbiosVersion", device, |_| {
            // SAFETY: the caller gives a buffer of `length`.
            unsafe { put_text(to, length, "96.00.00.00.SIM") }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSerial(
    device: Handle,
    _to: *mut c_char,
    _length: c_uint,
) -> Code {
    call(|| about("nvmlDeviceGetSerial", device, |_| Err(NOT_SUPPORTED)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetArchitecture(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetArchitecture", device, |_| {
            // SAFETY: the caller gives a place for the number; 9 is Hopper.
            unsafe { put(to, 9) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    device: Handle,
    major: *mut c_int,
    minor: *mut c_int,
) -> Code {
    call(|| {
        about("nvmlDeviceGetCudaComputeCapability", device, |_| {
            // SAFETY: the caller gives places for both numbers.
            unsafe { put(major, 9).and_then(|()| put(minor, 0)) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNumGpuCores(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetNumGpuCores", device, |_| {
            // SAFETY: the caller gives a place for the number; that of an H100 SXM.
            unsafe { put(to, 16_896) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: Handle, to: *mut PciInfo) -> Code {
    call(|| {
        about("nvmlDeviceGetPciInfo_v3", device, |asked| {
            let index = asked.place.gpu();
            let bus_id = bus_of(index);
            let mut info = PciInfo {
                bus_id_legacy: [0; 16],
                domain: 0,
                bus: (FIRST_BUS + index) as c_uint,
                device: 0,
                // H100 SXM5 80 GB.
                device_id: 0x2330_10de,
                subsystem_id: 0x16c1_10de,
                bus_id: [0; 32],
            };
            copy(&mut info.bus_id, &bus_id);
            // The old form has four digits of domain.
            copy(&mut info.bus_id_legacy, &bus_id[4..]);
            // SAFETY: the caller gives a place for the struct.
            unsafe { put(to, info) }
        })
    })
}

fn bus_of(index: usize) -> String {
    format!("00000000:{:02X}:00.0", FIRST_BUS + index)
}

fn copy(to: &mut [c_char], text: &str) {
    for (place, byte) in to.iter_mut().zip(text.bytes()) {
        *place = byte as c_char;
    }
}

/// A place that there is and that is not lost.
fn alive(sim: &Sim, place: Place) -> Result<Place, Code> {
    let gpu = sim.gpus().get(place.gpu()).ok_or(INVALID_ARGUMENT)?;
    if gpu.is_lost(monotonic_ns()) {
        return Err(GPU_IS_LOST);
    }
    Ok(place)
}

/// # Safety
/// `from` is null or a text that ends with 0.
unsafe fn text(from: *const c_char) -> Result<String, Code> {
    if from.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, and a C string by this function's contract.
    let text = unsafe { CStr::from_ptr(from) };
    Ok(text.to_string_lossy().into_owned())
}
