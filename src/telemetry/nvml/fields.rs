//! Field values through the raw function: any scope, each field with its own refusal.
#![allow(
    unsafe_code,
    reason = "the wrapper always asks scope 0; module power is in scope 1"
)]

use nvml_wrapper::error::nvml_sym;
use nvml_wrapper_sys::bindings::{nvmlFieldValue_t, nvmlValue_t};

use super::answers::{refused, refused_with};
use super::devices::Handle;
use super::library::Library;
use crate::telemetry::{ReadCode, ReadError};

/// Scope of the GPU's own sensors.
pub(super) const SCOPE_GPU: u32 = 0;
/// Scope of the module's sensors: GPU, CPU and memory of a Grace Hopper.
pub(super) const SCOPE_MODULE: u32 = 1;

/// The values of `ids` in `scope`, in one call; each may be refused by itself. `call` names them in errors.
pub(super) fn values<const N: usize>(
    library: &Library,
    device: Handle,
    ids: [u32; N],
    scope: u32,
    call: &str,
) -> [Result<u64, ReadError>; N] {
    let whole_call = |error: ReadError| std::array::from_fn(|_| Err(error.clone()));
    let function = match nvml_sym(library.lib().nvmlDeviceGetFieldValues.as_ref()) {
        Ok(function) => function,
        Err(error) => return whole_call(refused(call, &error)),
    };
    let mut fields: [nvmlFieldValue_t; N] = ids.map(|id| nvmlFieldValue_t {
        fieldId: id,
        scopeId: scope,
        timestamp: 0,
        latencyUsec: 0,
        valueType: 0,
        nvmlReturn: 0,
        value: nvmlValue_t { ullVal: 0 },
    });
    let count = i32::try_from(N).unwrap_or(0);
    // SAFETY: the handle is this library's; the array has `count` valid elements that NVML fills in.
    let code = unsafe { function(device.raw(), count, fields.as_mut_ptr()) };
    if code != 0 {
        return whole_call(refused_with(call, code));
    }
    let named = |id: u32| format!("{call} (field {id})");
    fields.map(|field| {
        if field.nvmlReturn != 0 {
            return Err(refused_with(call, field.nvmlReturn));
        }
        number(field.valueType, field.value).ok_or_else(|| {
            ReadError::new(
                ReadCode::Implausible,
                call,
                format!(
                    "{}: a value of type {} that is no count",
                    named(field.fieldId),
                    field.valueType
                ),
            )
        })
    })
}

/// One value.
pub(super) fn value(
    library: &Library,
    device: Handle,
    id: u32,
    scope: u32,
    call: &str,
) -> Result<u64, ReadError> {
    let [value] = values(library, device, [id], scope, call);
    value
}

/// The number of a tagged value (nvmlValueType_t) whose 64 bits are `bits`; none when it is negative, not whole or
/// of an unknown type.
#[must_use]
pub fn field_number(tag: u32, bits: u64) -> Option<u64> {
    number(tag, nvmlValue_t { ullVal: bits })
}

fn number(tag: u32, value: nvmlValue_t) -> Option<u64> {
    // SAFETY: the union's members are all plain numbers of at most 64 bits, and all 64 bits were set
    // before NVML wrote the tagged one; reading any of them is defined.
    unsafe {
        match tag {
            0 if value.dVal >= 0.0 && value.dVal < 1.8e19 && value.dVal.fract() == 0.0 => {
                Some(value.dVal as u64)
            }
            1 => Some(u64::from(value.uiVal)),
            2 => Some(value.ulVal),
            3 => Some(value.ullVal),
            4 => u64::try_from(value.sllVal).ok(),
            5 => u64::try_from(value.siVal).ok(),
            6 => Some(u64::from(value.usVal)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_choose_the_member() {
        let set = |write: fn(&mut nvmlValue_t)| {
            let mut value = nvmlValue_t { ullVal: 0 };
            write(&mut value);
            value
        };
        let table: [(u32, nvmlValue_t, Option<u64>); 9] = [
            (0, set(|v| v.dVal = 700.0), Some(700)),
            (0, set(|v| v.dVal = 0.5), None),
            (1, set(|v| v.uiVal = u32::MAX), Some(4_294_967_295)),
            (2, set(|v| v.ulVal = 7), Some(7)),
            (3, set(|v| v.ullVal = u64::MAX), Some(u64::MAX)),
            (4, set(|v| v.sllVal = -1), None),
            (5, set(|v| v.siVal = 45), Some(45)),
            (6, set(|v| v.usVal = 9), Some(9)),
            (7, set(|v| v.ullVal = 1), None),
        ];
        for (tag, value, expected) in table {
            assert_eq!(number(tag, value), expected, "type {tag}");
        }
    }
}
