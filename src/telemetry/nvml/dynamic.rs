//! What changes while a GPU works: temperature, clocks, reasons, violation counters, memory.
#![allow(
    unsafe_code,
    reason = "the wrapper drops unknown bits of the reasons, and lacks the newer functions and plain numbers"
)]

use nvml_wrapper::enum_wrappers::device::{Clock, PerformancePolicy, TemperatureSensor};
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::{nvmlMemory_t, nvmlTemperature_t};

use super::answers::{Parts, refused};
use super::devices::{Handle, Known};
use super::fields::{SCOPE_GPU, value, values};
use super::library::Library;
use crate::telemetry::{GpuState, MemoryReading, Partial, ReadError, Violations};

/// Temperature of the memory, °C.
const FIELD_MEMORY_TEMPERATURE: u32 = 82;
/// Violation counters, ns: power cap, sync boost, board limit, reliability.
const FIELDS_VIOLATION: [u32; 4] = [74, 76, 77, 79];
/// NVML_STRUCT_VERSION(Temperature, 1): size in the low bits, version above.
const TEMPERATURE_VERSION: u32 = size_of::<nvmlTemperature_t>() as u32 | 1 << 24;
/// Unknown performance state.
const PSTATE_UNKNOWN: u32 = 32;

/// State of `known`'s GPU, memory of the device itself.
pub(super) fn state(library: &Library, known: &Known) -> Partial<GpuState> {
    let gpu = known.whole;
    let device = gpu.device(library);
    let mut parts = Parts::default();
    let utilisation = parts.part("utilisation", device.utilization_rates());
    let memory_temperature = value(
        library,
        gpu,
        FIELD_MEMORY_TEMPERATURE,
        SCOPE_GPU,
        "memory_temperature",
    );
    let value = GpuState {
        temperature_celsius: parts.part("temperature", temperature(library, gpu)),
        // Zero is what boards without that sensor say.
        memory_temperature_celsius: parts
            .take(memory_temperature)
            .and_then(|celsius| i32::try_from(celsius).ok())
            .filter(|celsius| *celsius > 0),
        sm_clock_mhz: parts.part("sm_clock", device.clock_info(Clock::SM)),
        memory_clock_mhz: parts.part("memory_clock", device.clock_info(Clock::Memory)),
        pstate: parts
            .part("pstate", pstate(library, gpu))
            .filter(|state| *state < PSTATE_UNKNOWN),
        event_reasons: parts.part("event_reasons", event_reasons(library, gpu)),
        gpu_utilisation_percent: utilisation.as_ref().map(|rates| rates.gpu),
        memory_utilisation_percent: utilisation.as_ref().map(|rates| rates.memory),
        enforced_limit_watts: parts
            .part("enforced_limit", device.enforced_power_limit())
            .map(|milliwatts| f64::from(milliwatts) / 1e3),
        memory_used_bytes: parts
            .take(memory(library, known.own))
            .map(|memory| memory.used_bytes),
    };
    Partial {
        value,
        errors: parts.errors,
    }
}

fn temperature(library: &Library, gpu: Handle) -> Result<i32, NvmlError> {
    let newer = nvml_sym(library.lib().nvmlDeviceGetTemperatureV.as_ref()).and_then(|function| {
        let mut reading = nvmlTemperature_t {
            version: TEMPERATURE_VERSION,
            sensorType: 0,
            temperature: 0,
        };
        // SAFETY: the handle is this library's, the struct says its own size and version.
        nvml_try(unsafe { function(gpu.raw(), &mut reading) })?;
        Ok(reading.temperature)
    });
    newer.or_else(|_| {
        // Deprecated in CUDA 13; the only one before driver 570.
        let older = gpu.device(library).temperature(TemperatureSensor::Gpu)?;
        i32::try_from(older).map_err(|_| NvmlError::UnexpectedVariant(older))
    })
}

fn pstate(library: &Library, gpu: Handle) -> Result<u32, NvmlError> {
    let function = nvml_sym(library.lib().nvmlDeviceGetPerformanceState.as_ref())?;
    let mut state = PSTATE_UNKNOWN;
    // SAFETY: the handle is this library's; NVML writes one number.
    nvml_try(unsafe { function(gpu.raw(), &mut state) })?;
    Ok(state)
}

fn event_reasons(library: &Library, gpu: Handle) -> Result<u64, NvmlError> {
    let newer = &library.lib().nvmlDeviceGetCurrentClocksEventReasons;
    // The same function under its old name, deprecated in CUDA 13; the only one before driver 535.
    let older = &library.lib().nvmlDeviceGetCurrentClocksThrottleReasons;
    let function = nvml_sym(newer.as_ref()).or_else(|_| nvml_sym(older.as_ref()))?;
    let mut reasons = 0;
    // SAFETY: the handle is this library's; NVML writes one number.
    nvml_try(unsafe { function(gpu.raw(), &mut reasons) })?;
    Ok(reasons)
}

/// Time throttled since the driver was loaded: fields, else the deprecated violation status.
pub(super) fn violations(library: &Library, gpu: Handle) -> Partial<Violations> {
    let first = library.fields().software_thermal;
    let [p, s, b, r] = FIELDS_VIOLATION;
    let ids = [p, s, b, r, first, first + 1, first + 2];
    let [
        power,
        sync_boost,
        board_limit,
        reliability,
        software,
        hardware,
        brake,
    ] = values(library, gpu, ids, SCOPE_GPU, "violations");
    let older = |read: Result<u64, ReadError>, policy: PerformancePolicy| {
        read.or_else(|error| status(library, gpu, policy).map_err(|_| error))
    };
    let mut parts = Parts::default();
    let thermal_ns = match (&software, &hardware) {
        (Err(_), Err(_)) => status(library, gpu, PerformancePolicy::Thermal).ok(),
        _ => None,
    };
    let mut value = Violations {
        power_ns: parts.take(older(power, PerformancePolicy::Power)),
        sync_boost_ns: parts.take(older(sync_boost, PerformancePolicy::SyncBoost)),
        board_limit_ns: parts.take(older(board_limit, PerformancePolicy::BoardLimit)),
        reliability_ns: parts.take(older(reliability, PerformancePolicy::Reliability)),
        software_thermal_ns: None,
        hardware_thermal_ns: None,
        power_brake_ns: parts.take(brake),
        thermal_ns,
    };
    if thermal_ns.is_none() {
        value.software_thermal_ns = parts.take(software);
        value.hardware_thermal_ns = parts.take(hardware);
    }
    Partial {
        value,
        errors: parts.errors,
    }
}

fn status(library: &Library, gpu: Handle, policy: PerformancePolicy) -> Result<u64, NvmlError> {
    let status = gpu.device(library).violation_status(policy)?;
    Ok(status.violation_time)
}

/// Memory of `device`: version 2, which tells the driver's reserve from what is used, else version 1.
pub(super) fn memory(library: &Library, device: Handle) -> Result<MemoryReading, ReadError> {
    if let Ok(memory) = device.device(library).memory_info() {
        return Ok(MemoryReading {
            total_bytes: memory.total,
            reserved_bytes: Some(memory.reserved),
            used_bytes: memory.used,
            free_bytes: memory.free,
        });
    }
    memory_v1(library, device).map_err(|error| refused("memory", &error))
}

fn memory_v1(library: &Library, device: Handle) -> Result<MemoryReading, NvmlError> {
    let function = nvml_sym(library.lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut memory = nvmlMemory_t {
        total: 0,
        free: 0,
        used: 0,
    };
    // SAFETY: the handle is this library's; NVML fills in the struct.
    nvml_try(unsafe { function(device.raw(), &mut memory) })?;
    Ok(MemoryReading {
        total_bytes: memory.total,
        reserved_bytes: None,
        used_bytes: memory.used,
        free_bytes: memory.free,
    })
}
