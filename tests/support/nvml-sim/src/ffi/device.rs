//! Clocks, temperatures, limits, reasons, ECC: the state beside power and memory.

use std::ffi::{c_uint, c_ulonglong};

use super::power::milliwatts;
use super::types::{
    Code, Handle, INVALID_ARGUMENT, NOT_SUPPORTED, Temperature, Utilization, VERSION_MISMATCH,
    ViolationTime,
};
use super::{Asked, about, call, put};
use crate::gpu::MAX_SM_MHZ;

/// Lowest limit that can be set.
pub(super) const MIN_LIMIT_WATTS: f64 = 200.0;
/// Memory clock, always.
const MEMORY_MHZ: c_uint = 2_619;
/// Every reason that there is.
const ALL_REASONS: c_ulonglong = 0x1ff;

/// A function that tells one number about a whole GPU.
macro_rules! number {
    ($name:ident, $type:ty, $told:expr) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: Handle, to: *mut $type) -> Code {
            call(|| {
                about(stringify!($name), device, |asked: &Asked<'_>| {
                    asked.whole()?;
                    let told: fn(&Asked<'_>) -> $type = $told;
                    // SAFETY: the caller gives a place for the number.
                    unsafe { put(to, told(asked)) }
                })
            })
        }
    };
}

number!(nvmlDeviceGetPerformanceState, c_uint, |_| 0);
number!(nvmlDeviceGetPowerState, c_uint, |_| 0);
number!(nvmlDeviceGetPersistenceMode, c_uint, |_| 1);
number!(nvmlDeviceGetComputeMode, c_uint, |_| 0);
number!(nvmlDeviceGetCurrPcieLinkGeneration, c_uint, |_| 5);
number!(nvmlDeviceGetCurrPcieLinkWidth, c_uint, |_| 16);
number!(nvmlDeviceGetMaxPcieLinkGeneration, c_uint, |_| 5);
number!(nvmlDeviceGetMaxPcieLinkWidth, c_uint, |_| 16);
number!(nvmlDeviceGetCurrentClocksEventReasons, c_ulonglong, reasons);
number!(
    nvmlDeviceGetCurrentClocksThrottleReasons,
    c_ulonglong,
    reasons
);
number!(
    nvmlDeviceGetSupportedClocksEventReasons,
    c_ulonglong,
    |_| { ALL_REASONS }
);
number!(
    nvmlDeviceGetSupportedClocksThrottleReasons,
    c_ulonglong,
    |_| { ALL_REASONS }
);
number!(nvmlDeviceGetPowerManagementLimit, c_uint, limit);
number!(nvmlDeviceGetPowerManagementDefaultLimit, c_uint, limit);
number!(nvmlDeviceGetEnforcedPowerLimit, c_uint, limit);

fn reasons(asked: &Asked<'_>) -> c_ulonglong {
    asked.gpu.history().state(asked.now_ns).reasons
}

fn limit(asked: &Asked<'_>) -> c_uint {
    milliwatts(asked.gpu.spec().power.limit_watts)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(
    device: Handle,
    least: *mut c_uint,
    most: *mut c_uint,
) -> Code {
    call(|| {
        about(
            "nvmlDeviceGetPowerManagementLimitConstraints",
            device,
            |asked| {
                asked.whole()?;
                // SAFETY: the caller gives places for both numbers.
                unsafe {
                    put(least, milliwatts(MIN_LIMIT_WATTS)).and_then(|()| put(most, limit(asked)))
                }
            },
        )
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClockInfo(device: Handle, kind: c_uint, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetClockInfo", device, |asked| {
            let sm_mhz = asked.gpu.history().state(asked.now_ns).sm_mhz;
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, clock(asked, kind, sm_mhz)?) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMaxClockInfo(
    device: Handle,
    kind: c_uint,
    to: *mut c_uint,
) -> Code {
    call(|| {
        about("nvmlDeviceGetMaxClockInfo", device, |asked| {
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, clock(asked, kind, MAX_SM_MHZ)?) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClock(
    device: Handle,
    kind: c_uint,
    which: c_uint,
    to: *mut c_uint,
) -> Code {
    call(|| {
        about("nvmlDeviceGetClock", device, |asked| {
            let sm_mhz = match which {
                0 => asked.gpu.history().state(asked.now_ns).sm_mhz,
                1..=3 => MAX_SM_MHZ,
                _ => return Err(INVALID_ARGUMENT),
            };
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, clock(asked, kind, sm_mhz)?) }
        })
    })
}

/// nvmlClockType_t: graphics, SM, memory, video.
fn clock(asked: &Asked<'_>, kind: c_uint, sm_mhz: u32) -> Result<c_uint, Code> {
    asked.whole()?;
    match kind {
        0 | 1 => Ok(sm_mhz),
        2 => Ok(MEMORY_MHZ),
        3 => Ok(sm_mhz.min(1_545)),
        _ => Err(INVALID_ARGUMENT),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperature(
    device: Handle,
    sensor: c_uint,
    to: *mut c_uint,
) -> Code {
    call(|| {
        about("nvmlDeviceGetTemperature", device, |asked| {
            asked.whole()?;
            if sensor != 0 {
                return Err(INVALID_ARGUMENT);
            }
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, asked.gpu.celsius(asked.now_ns)) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureV(device: Handle, to: *mut Temperature) -> Code {
    call(|| {
        about("nvmlDeviceGetTemperatureV", device, |asked| {
            asked.whole()?;
            if to.is_null() {
                return Err(INVALID_ARGUMENT);
            }
            // SAFETY: not null, and the caller gives a struct that it has filled in.
            let to = unsafe { &mut *to };
            if to.version != (size_of::<Temperature>() as c_uint | 1 << 24) {
                return Err(VERSION_MISMATCH);
            }
            if to.sensor != 0 {
                return Err(INVALID_ARGUMENT);
            }
            to.celsius = asked.gpu.celsius(asked.now_ns).cast_signed();
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureThreshold(
    device: Handle,
    which: c_uint,
    to: *mut c_uint,
) -> Code {
    call(|| {
        about("nvmlDeviceGetTemperatureThreshold", device, |asked| {
            asked.whole()?;
            // Shutdown, slowdown, memory, GPU at most: plausible, and not measured.
            let celsius = match which {
                0 => 95,
                1 => 89,
                2 => 95,
                3 => 87,
                _ => return Err(NOT_SUPPORTED),
            };
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, celsius) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetViolationStatus(
    device: Handle,
    policy: c_uint,
    to: *mut ViolationTime,
) -> Code {
    call(|| {
        about("nvmlDeviceGetViolationStatus", device, |asked| {
            asked.whole()?;
            let bits = match policy {
                0 => 0x4,
                1 => 0x60,
                2 => 0x10,
                // Board limit and reliability never hold it back.
                3 | 5 => 0,
                _ => return Err(NOT_SUPPORTED),
            };
            let told = ViolationTime {
                reference_us: asked.sim.stamp_us(asked.now_ns),
                violation_ns: asked.gpu.history().counted_ns(bits, asked.now_ns),
            };
            // SAFETY: the caller gives a place for the struct.
            unsafe { put(to, told) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: Handle, to: *mut Utilization) -> Code {
    call(|| {
        about("nvmlDeviceGetUtilizationRates", device, |asked| {
            asked.whole()?;
            let gpu = asked.gpu.utilisation_percent(asked.now_ns);
            // SAFETY: the caller gives a place for the struct.
            unsafe {
                put(
                    to,
                    Utilization {
                        gpu,
                        memory: gpu / 2,
                    },
                )
            }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetEccMode(
    device: Handle,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> Code {
    call(|| {
        about("nvmlDeviceGetEccMode", device, |asked| {
            asked.whole()?;
            // SAFETY: the caller gives places for both numbers.
            unsafe { put(current, 1).and_then(|()| put(pending, 1)) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: Handle,
    _error: c_uint,
    _counter: c_uint,
    to: *mut c_ulonglong,
) -> Code {
    call(|| {
        about("nvmlDeviceGetTotalEccErrors", device, |asked| {
            asked.whole()?;
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, 0) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryErrorCounter(
    device: Handle,
    _error: c_uint,
    _counter: c_uint,
    _location: c_uint,
    to: *mut c_ulonglong,
) -> Code {
    call(|| {
        about("nvmlDeviceGetMemoryErrorCounter", device, |asked| {
            asked.whole()?;
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, 0) }
        })
    })
}
