//! Numbers and layouts of nvml.h that the interface speaks.

use std::ffi::{c_char, c_int, c_longlong, c_uint, c_ulonglong, c_void};

/// nvmlReturn_t.
pub(crate) type Code = c_uint;
pub(crate) const SUCCESS: Code = 0;
pub(crate) const UNINITIALIZED: Code = 1;
pub(crate) const INVALID_ARGUMENT: Code = 2;
pub(crate) const NOT_SUPPORTED: Code = 3;
pub(crate) const NOT_FOUND: Code = 6;
pub(crate) const INSUFFICIENT_SIZE: Code = 7;
pub(crate) const TIMEOUT: Code = 10;
pub(crate) const GPU_IS_LOST: Code = 15;
pub(crate) const VERSION_MISMATCH: Code = 25;
pub(crate) const UNKNOWN: Code = 999;

/// nvmlDevice_t and nvmlEventSet_t: numbers here, never followed.
pub(crate) type Handle = *mut c_void;

/// nvmlValueType_t: unsigned int.
pub(crate) const TYPE_UINT: c_uint = 1;
/// nvmlValueType_t: unsigned long long.
pub(crate) const TYPE_ULONGLONG: c_uint = 3;

/// nvmlValue_t, of which only unsigned integers are used; a smaller one lies in the low bytes.
pub(crate) type Value = c_ulonglong;

/// nvmlFieldValue_t.
#[repr(C)]
pub struct FieldValue {
    pub(crate) field: c_uint,
    pub(crate) scope: c_uint,
    pub(crate) timestamp_us: c_longlong,
    pub(crate) latency_us: c_longlong,
    pub(crate) value_type: c_uint,
    pub(crate) code: Code,
    pub(crate) value: Value,
}

/// nvmlSample_t.
#[repr(C)]
pub struct Sample {
    pub(crate) timestamp_us: c_ulonglong,
    pub(crate) value: Value,
}

/// nvmlMemory_t.
#[repr(C)]
pub struct Memory {
    pub(crate) total: c_ulonglong,
    pub(crate) free: c_ulonglong,
    pub(crate) used: c_ulonglong,
}

/// nvmlMemory_v2_t.
#[repr(C)]
pub struct MemoryV2 {
    pub(crate) version: c_uint,
    pub(crate) total: c_ulonglong,
    pub(crate) reserved: c_ulonglong,
    pub(crate) free: c_ulonglong,
    pub(crate) used: c_ulonglong,
}

/// Its version: size and number.
pub(crate) const MEMORY_V2: c_uint = 40 | 2 << 24;

/// nvmlProcessInfo_v2_t.
#[repr(C)]
pub struct ProcessInfo {
    pub(crate) pid: c_uint,
    pub(crate) used: c_ulonglong,
    pub(crate) gpu_instance: c_uint,
    pub(crate) compute_instance: c_uint,
}

/// nvmlPciInfo_t.
#[repr(C)]
pub struct PciInfo {
    pub(crate) bus_id_legacy: [c_char; 16],
    pub(crate) domain: c_uint,
    pub(crate) bus: c_uint,
    pub(crate) device: c_uint,
    pub(crate) device_id: c_uint,
    pub(crate) subsystem_id: c_uint,
    pub(crate) bus_id: [c_char; 32],
}

/// nvmlUtilization_t.
#[repr(C)]
pub struct Utilization {
    pub(crate) gpu: c_uint,
    pub(crate) memory: c_uint,
}

/// nvmlViolationTime_t.
#[repr(C)]
pub struct ViolationTime {
    pub(crate) reference_us: c_ulonglong,
    pub(crate) violation_ns: c_ulonglong,
}

/// nvmlTemperature_v1_t.
#[repr(C)]
pub struct Temperature {
    pub(crate) version: c_uint,
    pub(crate) sensor: c_uint,
    pub(crate) celsius: c_int,
}

/// nvmlEventData_t.
#[repr(C)]
pub struct EventData {
    pub(crate) device: Handle,
    pub(crate) kind: c_ulonglong,
    pub(crate) data: c_ulonglong,
    pub(crate) gpu_instance: c_uint,
    pub(crate) compute_instance: c_uint,
}

const _: () = {
    assert!(size_of::<FieldValue>() == 40);
    assert!(size_of::<Sample>() == 16);
    assert!(size_of::<MemoryV2>() == 40);
    assert!(size_of::<ProcessInfo>() == 24);
    assert!(size_of::<PciInfo>() == 68);
    assert!(size_of::<EventData>() == 32);
};
