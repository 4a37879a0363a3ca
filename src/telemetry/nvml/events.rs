//! Xid events: one event set for all GPUs listened to, asked without waiting.
#![allow(
    unsafe_code,
    reason = "the wrapper's event set borrows the library for its whole life, and cannot be kept beside it"
)]

use std::ptr;
use std::sync::{Mutex, PoisonError};

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::{nvmlEventData_t, nvmlEventSet_t, nvmlEventTypeXidCriticalError};

use super::answers::refused;
use super::devices::Handle;
use super::library::Library;
use crate::telemetry::{ReadError, XidEvent, timing};

/// Events taken at one call at most: a GPU that reports without end must not hold the caller.
const AT_ONCE: usize = 64;

/// NVML's event set, once one is needed.
#[derive(Debug, Default)]
pub(super) struct Events {
    set: Mutex<Option<Set>>,
}

#[derive(Debug)]
struct Set {
    raw: nvmlEventSet_t,
    watched: Vec<Handle>,
}

// SAFETY: the pointer is only used under the mutex, and NVML does not tie it to a thread.
unsafe impl Send for Set {}

impl Events {
    /// Adds `gpu` to the set.
    pub(super) fn watch(&self, library: &Library, gpu: Handle) -> Result<(), ReadError> {
        let mut slot = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let result = watch(library, &mut slot, gpu);
        result.map_err(|error| refused("xid_watch", &error))
    }

    /// What came since the last call.
    pub(super) fn take(&self, library: &Library) -> Result<Vec<XidEvent>, ReadError> {
        let slot = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(set) = slot.as_ref() else {
            return Ok(Vec::new());
        };
        take(library, set).map_err(|error| refused("xid", &error))
    }

    /// Frees the set. Called once, before the library goes.
    pub(super) fn free(&self, library: &Library) {
        let mut slot = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let function = nvml_sym(library.lib().nvmlEventSetFree.as_ref());
        if let (Some(set), Ok(function)) = (slot.take(), function) {
            // SAFETY: the set came from this library and is used no more.
            let _refusal_changes_nothing = unsafe { function(set.raw) };
        }
    }
}

fn watch(library: &Library, slot: &mut Option<Set>, gpu: Handle) -> Result<(), NvmlError> {
    let set = match slot {
        Some(set) => set,
        None => slot.insert(create(library)?),
    };
    if set.watched.iter().any(|known| known.raw() == gpu.raw()) {
        return Ok(());
    }
    let function = nvml_sym(library.lib().nvmlDeviceRegisterEvents.as_ref())?;
    let kinds = u64::from(nvmlEventTypeXidCriticalError);
    // SAFETY: handle and set are this library's.
    nvml_try(unsafe { function(gpu.raw(), kinds, set.raw) })?;
    set.watched.push(gpu);
    Ok(())
}

fn create(library: &Library) -> Result<Set, NvmlError> {
    let function = nvml_sym(library.lib().nvmlEventSetCreate.as_ref())?;
    let mut raw: nvmlEventSet_t = ptr::null_mut();
    // SAFETY: NVML writes one pointer.
    nvml_try(unsafe { function(&mut raw) })?;
    Ok(Set {
        raw,
        watched: Vec::new(),
    })
}

fn take(library: &Library, set: &Set) -> Result<Vec<XidEvent>, NvmlError> {
    let function = nvml_sym(library.lib().nvmlEventSetWait_v2.as_ref())?;
    let mut events = Vec::new();
    for _ in 0..AT_ONCE {
        let mut data = nvmlEventData_t {
            device: ptr::null_mut(),
            eventType: 0,
            eventData: 0,
            gpuInstanceId: 0,
            computeInstanceId: 0,
        };
        // SAFETY: the set is this library's; NVML fills in the struct; 0 ms: it does not wait.
        match nvml_try(unsafe { function(set.raw, &mut data, 0) }) {
            Ok(()) => {}
            Err(NvmlError::Timeout) => break,
            Err(error) => return Err(error),
        }
        if data.eventType & u64::from(nvmlEventTypeXidCriticalError) == 0 {
            continue;
        }
        // SAFETY: NVML names the device of the event by its own handle.
        let device = unsafe { Device::new(data.device, library) };
        events.push(XidEvent {
            gpu: device.uuid().unwrap_or_default(),
            xid: data.eventData,
            seen_ns: timing::now_ns(),
        });
    }
    Ok(events)
}
