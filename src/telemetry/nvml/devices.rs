//! Devices by UUID, looked up once and kept: a reading must not pay for a look-up.
#![allow(
    unsafe_code,
    reason = "device handles are NVML's pointers, kept between calls"
)]

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings::nvmlDevice_t;

use super::answers::{Parts, refused};
use super::library::Library;
use crate::telemetry::{GpuEntry, MigEntry, Partial, ReadCode, ReadError};

/// A device's handle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handle(nvmlDevice_t);

// SAFETY: a handle is an opaque name that NVML gives and checks itself; NVML is documented as thread safe.
unsafe impl Send for Handle {}
// SAFETY: the same.
unsafe impl Sync for Handle {}

impl Handle {
    fn of(device: &Device<'_>) -> Self {
        // SAFETY: the pointer is only ever given back to the library that it came from.
        Self(unsafe { device.handle() })
    }

    /// NVML's own pointer.
    pub(super) fn raw(self) -> nvmlDevice_t {
        self.0
    }

    /// The wrapper's device.
    pub(super) fn device(self, library: &Library) -> Device<'_> {
        // SAFETY: the handle came from this library (each adapter keeps its own) and lives as long as it.
        unsafe { Device::new(self.0, library) }
    }
}

/// A device that was found.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The device itself: its memory and processes.
    pub(super) own: Handle,
    /// The whole GPU: sensors, clocks and limits. The same as `own` unless the device is a MIG device.
    pub(super) whole: Handle,
    /// UUID of the whole GPU of a MIG device.
    pub(super) parent_uuid: Option<String>,
}

/// Devices found so far.
#[derive(Debug, Default)]
pub(super) struct Devices {
    known: Mutex<HashMap<String, Known>>,
}

impl Devices {
    /// The device of `uuid`.
    pub(super) fn find(&self, library: &Library, uuid: &str) -> Result<Known, ReadError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(uuid) {
            return Ok(found.clone());
        }
        let found = look_up(library, uuid)?;
        known.insert(uuid.to_owned(), found.clone());
        Ok(found)
    }
}

fn look_up(library: &Library, uuid: &str) -> Result<Known, ReadError> {
    let device = library.device_by_uuid(uuid).map_err(|error| match error {
        // A well-formed stranger is not found, anything else is an invalid argument.
        NvmlError::NotFound | NvmlError::InvalidArg | NvmlError::NulError(_) => ReadError::new(
            ReadCode::UnknownGpu,
            "device",
            format!("no device {uuid}: {error}"),
        ),
        other => refused("device", &other),
    })?;
    let own = Handle::of(&device);
    if !uuid.starts_with("MIG-") {
        return Ok(Known {
            own,
            whole: own,
            parent_uuid: None,
        });
    }
    let parent = device
        .mig_parent_device()
        .map_err(|error| refused("mig_parent", &error))?;
    let parent_uuid = parent
        .uuid()
        .map_err(|error| refused("mig_parent", &error))?;
    Ok(Known {
        own,
        whole: Handle::of(&parent),
        parent_uuid: Some(parent_uuid),
    })
}

/// All GPUs and their MIG devices.
pub(super) fn list(library: &Library) -> Partial<Vec<GpuEntry>> {
    let count = match library.device_count() {
        Ok(count) => count,
        Err(error) => return Partial::nothing(refused("gpus", &error)),
    };
    let mut parts = Parts::default();
    let mut gpus = Vec::new();
    for index in 0..count {
        let call = format!("gpu {index}");
        let read = entry(library, index, &mut parts).map_err(|error| refused(&call, &error));
        gpus.extend(parts.take(read));
    }
    Partial {
        value: gpus,
        errors: parts.errors,
    }
}

fn entry(library: &Library, index: u32, parts: &mut Parts) -> Result<GpuEntry, NvmlError> {
    let device = library.device_by_index(index)?;
    Ok(GpuEntry {
        uuid: device.uuid()?,
        name: device.name()?,
        index,
        mig: mig_devices(&device, index, parts),
    })
}

fn mig_devices(gpu: &Device<'_>, gpu_index: u32, parts: &mut Parts) -> Vec<MigEntry> {
    // A GPU without MIG refuses the question: it has none.
    let enabled = gpu.mig_mode().is_ok_and(|mode| mode.current == 1);
    if !enabled {
        return Vec::new();
    }
    let call = format!("mig of gpu {gpu_index}");
    let count = parts.part(&call, gpu.mig_device_count()).unwrap_or(0);
    let mut devices = Vec::new();
    for index in 0..count {
        // Places without a device are not found: MIG devices need not be numbered without gaps.
        let entry = match gpu.mig_device_by_index(index) {
            Err(NvmlError::NotFound) => continue,
            found => found.and_then(|device| {
                Ok(MigEntry {
                    uuid: device.uuid()?,
                    name: device.name()?,
                    index,
                })
            }),
        };
        devices.extend(parts.part(&call, entry));
    }
    devices
}
