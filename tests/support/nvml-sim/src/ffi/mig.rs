//! MIG devices.

use std::ffi::c_uint;

use super::state::Place;
use super::types::{Code, Handle, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED};
use super::{about, call, put};

/// GPU instance of the first MIG device; the others follow.
pub(super) const FIRST_GPU_INSTANCE: c_uint = 7;
/// Most MIG devices of an H100.
const MOST: c_uint = 7;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: Handle,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> Code {
    call(|| {
        about("nvmlDeviceGetMigMode", device, |asked| {
            asked.whole()?;
            let is_on = c_uint::from(!asked.gpu.spec().mig.is_empty());
            // SAFETY: the caller gives places for both numbers.
            unsafe { put(current, is_on).and_then(|()| put(pending, is_on)) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetMaxMigDeviceCount", device, |_| {
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, MOST) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: Handle,
    index: c_uint,
    to: *mut Handle,
) -> Code {
    call(|| {
        about("nvmlDeviceGetMigDeviceHandleByIndex", device, |asked| {
            asked.whole()?;
            let index = index as usize;
            if index >= asked.gpu.spec().mig.len() {
                return Err(NOT_FOUND);
            }
            // SAFETY: the caller gives a place for the handle.
            unsafe { put(to, Place::Mig(asked.place.gpu(), index).handle()) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceIsMigDeviceHandle(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceIsMigDeviceHandle", device, |asked| {
            let is_mig = matches!(asked.place, Place::Mig(..));
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, c_uint::from(is_mig)) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    device: Handle,
    to: *mut Handle,
) -> Code {
    call(|| {
        about(
            "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
            device,
            |asked| {
                let Place::Mig(gpu, _) = asked.place else {
                    return Err(INVALID_ARGUMENT);
                };
                // SAFETY: the caller gives a place for the handle.
                unsafe { put(to, Place::Gpu(gpu).handle()) }
            },
        )
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuInstanceId(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetGpuInstanceId", device, |asked| {
            let Place::Mig(_, index) = asked.place else {
                return Err(NOT_SUPPORTED);
            };
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, FIRST_GPU_INSTANCE + index as c_uint) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeInstanceId(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetComputeInstanceId", device, |asked| {
            let Place::Mig(..) = asked.place else {
                return Err(NOT_SUPPORTED);
            };
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, 0) }
        })
    })
}
