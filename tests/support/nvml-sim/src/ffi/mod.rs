//! The C interface of NVML, as far as lemctl and tools like it need it. A symbol that is not here fails in
//! the caller when it is called, as with an older driver.
//!
//! No panic crosses the border ([`call`]); no handle is followed, so a wrong one is only an error; a null
//! pointer is `NVML_ERROR_INVALID_ARGUMENT`. What remains of the contract of C is the callers' part: other
//! pointers are valid for what nvml.h says is written there.
#![allow(
    unsafe_code,
    reason = "exports C symbols and writes through the pointers that C callers give"
)]
#![allow(non_snake_case, reason = "the names are those of nvml.h")]

mod device;
mod events;
mod identity;
mod memory;
mod mig;
mod power;
mod state;
mod system;
mod types;

use std::ffi::{c_char, c_uint};
use std::panic::{AssertUnwindSafe, catch_unwind};

use state::{Place, State};
use types::{
    Code, GPU_IS_LOST, Handle, INSUFFICIENT_SIZE, INVALID_ARGUMENT, NOT_SUPPORTED, SUCCESS, UNKNOWN,
};

use crate::gpu::Gpu;
use crate::sim::{Sim, monotonic_ns};

/// Runs the body of an exported function; a panic becomes `NVML_ERROR_UNKNOWN`.
fn call(body: impl FnOnce() -> Result<(), Code>) -> Code {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => UNKNOWN,
    }
}

/// A GPU that was asked about, now.
struct Asked<'a> {
    sim: &'a Sim,
    gpu: &'a Gpu,
    place: Place,
    now_ns: u64,
}

impl Asked<'_> {
    /// Fails for a MIG device: energy, power and clocks exist only for the whole GPU.
    fn whole(&self) -> Result<(), Code> {
        match self.place {
            Place::Gpu(_) => Ok(()),
            Place::Mig(..) => Err(NOT_SUPPORTED),
        }
    }
}

/// The body of a function about a device: checks the handle, planted errors and loss, and takes in what
/// has happened until now.
fn about<T>(
    function: &str,
    handle: Handle,
    body: impl FnOnce(&Asked<'_>) -> Result<T, Code>,
) -> Result<T, Code> {
    state::with(|state| {
        let sim = state.sim()?;
        let now_ns = monotonic_ns();
        sim.advance(now_ns);
        let place = Place::of(handle, sim)?;
        let gpu = &sim.gpus()[place.gpu()];
        planted(sim, function, Some(place.gpu()), None, now_ns)?;
        if gpu.is_lost(now_ns) {
            return Err(GPU_IS_LOST);
        }
        body(&Asked {
            sim,
            gpu,
            place,
            now_ns,
        })
    })
}

/// The body of a function about the system.
fn system<T>(function: &str, body: impl FnOnce(&mut State) -> Result<T, Code>) -> Result<T, Code> {
    state::with(|state| {
        let sim = state.sim()?;
        let now_ns = monotonic_ns();
        sim.advance(now_ns);
        planted(sim, function, None, None, now_ns)?;
        body(state)
    })
}

/// Fails where the scenario says so.
fn planted(
    sim: &Sim,
    function: &str,
    gpu: Option<usize>,
    field: Option<u32>,
    now_ns: u64,
) -> Result<(), Code> {
    let error = sim.scenario().errors.iter().find(|error| {
        error.function == function
            && error.field == field
            && (error.gpu.is_none() || error.gpu == gpu)
            // Only times: any GPU knows when that is.
            && sim.gpus()[0].holds(&error.when, now_ns)
    });
    error.map_or(Ok(()), |error| Err(error.code))
}

/// Writes a value.
///
/// # Safety
/// `to` is null or valid for a write.
unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: not null, and valid by this function's contract.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes a text and its end.
///
/// # Safety
/// `to` is null or valid for writes of `length` bytes.
unsafe fn put_text(to: *mut c_char, length: c_uint, text: &str) -> Result<(), Code> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    if text.len() >= length as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    for (index, byte) in text.bytes().chain([0]).enumerate() {
        // SAFETY: index < length, and valid by this function's contract.
        unsafe { to.add(index).write(byte as c_char) };
    }
    Ok(())
}

/// Every function that the library exports.
pub(crate) const FUNCTIONS: &[&str] = &[
    "nvmlDeviceGetArchitecture",
    "nvmlDeviceGetClock",
    "nvmlDeviceGetClockInfo",
    "nvmlDeviceGetComputeInstanceId",
    "nvmlDeviceGetComputeRunningProcesses_v2",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetCount",
    "nvmlDeviceGetCount_v2",
    "nvmlDeviceGetCudaComputeCapability",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetCurrentClocksThrottleReasons",
    "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
    "nvmlDeviceGetEccMode",
    "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetFieldValues",
    "nvmlDeviceGetGpuInstanceId",
    "nvmlDeviceGetGraphicsRunningProcesses_v2",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetHandleByIndex_v2",
    "nvmlDeviceGetHandleByPciBusId_v2",
    "nvmlDeviceGetHandleByUUID",
    "nvmlDeviceGetIndex",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
    "nvmlDeviceGetMaxClockInfo",
    "nvmlDeviceGetMaxMigDeviceCount",
    "nvmlDeviceGetMemoryErrorCounter",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetMigDeviceHandleByIndex",
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetMinorNumber",
    "nvmlDeviceGetName",
    "nvmlDeviceGetNumGpuCores",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetPerformanceState",
    "nvmlDeviceGetPersistenceMode",
    "nvmlDeviceGetPowerManagementDefaultLimit",
    "nvmlDeviceGetPowerManagementLimit",
    "nvmlDeviceGetPowerManagementLimitConstraints",
    "nvmlDeviceGetPowerState",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetSamples",
    "nvmlDeviceGetSerial",
    "nvmlDeviceGetSupportedClocksEventReasons",
    "nvmlDeviceGetSupportedClocksThrottleReasons",
    "nvmlDeviceGetSupportedEventTypes",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetTemperatureThreshold",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetTotalEccErrors",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetVbiosVersion",
    "nvmlDeviceGetViolationStatus",
    "nvmlDeviceIsMigDeviceHandle",
    "nvmlDeviceRegisterEvents",
    "nvmlErrorString",
    "nvmlEventSetCreate",
    "nvmlEventSetFree",
    "nvmlEventSetWait",
    "nvmlEventSetWait_v2",
    "nvmlInit",
    "nvmlInitWithFlags",
    "nvmlInit_v2",
    "nvmlShutdown",
    "nvmlSystemGetCudaDriverVersion",
    "nvmlSystemGetCudaDriverVersion_v2",
    "nvmlSystemGetDriverVersion",
    "nvmlSystemGetNVMLVersion",
    "nvmlSystemGetProcessName",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_exported_function_is_listed_and_runs_guarded() {
        let sources = [
            include_str!("device.rs"),
            include_str!("events.rs"),
            include_str!("identity.rs"),
            include_str!("memory.rs"),
            include_str!("mig.rs"),
            include_str!("power.rs"),
            include_str!("system.rs"),
        ];
        let mut exported = BTreeSet::new();
        for source in sources {
            for part in source.split("extern \"C\" fn ").skip(1) {
                let name = part.split('(').next().unwrap();
                exported.insert(name);
                let body = part.split("#[unsafe(no_mangle)]").next().unwrap();
                assert!(
                    body.contains("call(")
                        || body.contains("nvmlInit_v2()")
                        || name == "nvmlErrorString",
                    "{name} is not guarded"
                );
            }
        }
        // The macro's body, once for all.
        assert!(exported.remove("$name"));
        for part in sources[0].split("\nnumber!(").skip(1) {
            exported.insert(part.split(',').next().unwrap().trim());
        }
        let listed: BTreeSet<&str> = super::FUNCTIONS.iter().copied().collect();
        assert_eq!(exported, listed);
        assert_eq!(listed.len(), super::FUNCTIONS.len());
    }
}
