//! Initialisation, versions, and names of errors and processes.

use std::ffi::{c_char, c_int, c_uint};

use super::types::{Code, INVALID_ARGUMENT, NOT_FOUND, SUCCESS};
use super::{call, put, put_text, state, system};

/// What the library calls itself where NVML tells its version.
const NVML_VERSION: &str = "lem-nvml-sim";
/// CUDA 13.0.
const CUDA_VERSION: c_int = 13_000;

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> Code {
    call(|| state::with(state::State::enter))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit() -> Code {
    nvmlInit_v2()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> Code {
    nvmlInit_v2()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> Code {
    call(|| state::with(state::State::leave))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(code: Code) -> *const c_char {
    let text = match code {
        SUCCESS => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        10 => c"Timeout",
        13 => c"Function Not Found",
        15 => c"GPU is lost",
        25 => c"Argument Version Mismatch",
        _ => c"Unknown Error",
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, length: c_uint) -> Code {
    call(|| {
        system("nvmlSystemGetDriverVersion", |state| {
            // SAFETY: the caller gives a buffer of `length`.
            unsafe { put_text(to, length, &state.sim()?.scenario().driver) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNVMLVersion(to: *mut c_char, length: c_uint) -> Code {
    call(|| {
        system("nvmlSystemGetNVMLVersion", |_| {
            // SAFETY: the caller gives a buffer of `length`.
            unsafe { put_text(to, length, NVML_VERSION) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(to: *mut c_int) -> Code {
    call(|| {
        system("nvmlSystemGetCudaDriverVersion", |_| {
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, CUDA_VERSION) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(to: *mut c_int) -> Code {
    call(|| {
        system("nvmlSystemGetCudaDriverVersion_v2", |_| {
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, CUDA_VERSION) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetProcessName(
    pid: c_uint,
    to: *mut c_char,
    length: c_uint,
) -> Code {
    call(|| {
        system("nvmlSystemGetProcessName", |_| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).map_err(|_| NOT_FOUND)?;
            let name = line.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            let most = (length as usize).checked_sub(1).ok_or(INVALID_ARGUMENT)?;
            let name: String = name.chars().take(most / 4).collect();
            // SAFETY: the caller gives a buffer of `length`.
            unsafe { put_text(to, length, &name) }
        })
    })
}
