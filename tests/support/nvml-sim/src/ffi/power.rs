//! Energy, power, and the fields and samples that hold them.

use std::ffi::{c_int, c_uint, c_ulonglong};
use std::time::Duration;

use super::types::{
    Code, FieldValue, Handle, INVALID_ARGUMENT, NOT_FOUND, NOT_SUPPORTED, SUCCESS, Sample,
    TYPE_UINT, TYPE_ULONGLONG, Value,
};
use super::{Asked, about, call, planted, put};
use crate::noise;
use crate::sim::monotonic_ns;

/// nvmlSamplingType_t: total power.
const TOTAL_POWER: c_uint = 0;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(
    device: Handle,
    to: *mut c_ulonglong,
) -> Code {
    const NAME: &str = "nvmlDeviceGetTotalEnergyConsumption";
    call(|| {
        let [low, high] = about(NAME, device, |asked| {
            asked.whole()?;
            Ok(asked.gpu.spec().sensor.counter_call_ms)
        })?;
        // The counter is slow, and other threads are not kept waiting meanwhile.
        let half_ms = noise::within([low, high], 7, 7, monotonic_ns()) / 2.0;
        std::thread::sleep(Duration::from_secs_f64(half_ms / 1e3));
        let told = about(NAME, device, |asked| {
            Ok(asked.gpu.counter_millijoules(asked.now_ns))
        })?;
        std::thread::sleep(Duration::from_secs_f64(half_ms / 1e3));
        // SAFETY: the caller gives a place for the number.
        unsafe { put(to, told) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: Handle, to: *mut c_uint) -> Code {
    call(|| {
        about("nvmlDeviceGetPowerUsage", device, |asked| {
            asked.whole()?;
            let told = milliwatts(asked.gpu.average_watts(asked.now_ns));
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, told) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: Handle,
    count: c_int,
    values: *mut FieldValue,
) -> Code {
    call(|| {
        let count = usize::try_from(count).map_err(|_| INVALID_ARGUMENT)?;
        if values.is_null() || count == 0 {
            return Err(INVALID_ARGUMENT);
        }
        about("nvmlDeviceGetFieldValues", device, |asked| {
            for index in 0..count {
                // SAFETY: the caller gives `count` structs, and nobody else has them meanwhile.
                let value = unsafe { &mut *values.add(index) };
                value.latency_us = 0;
                value.timestamp_us = asked.sim.stamp_us(asked.now_ns) as i64;
                value.code = match field(asked, value.field, value.scope) {
                    Ok(told) => {
                        (value.value_type, value.value) = (told.kind, told.value);
                        value.timestamp_us = asked.sim.stamp_us(told.at_ns) as i64;
                        SUCCESS
                    }
                    Err(code) => code,
                };
            }
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSamples(
    device: Handle,
    kind: c_uint,
    last_seen_us: c_ulonglong,
    value_type: *mut c_uint,
    count: *mut c_uint,
    samples: *mut Sample,
) -> Code {
    call(|| {
        about("nvmlDeviceGetSamples", device, |asked| {
            asked.whole()?;
            if kind != TOTAL_POWER {
                return Err(NOT_SUPPORTED);
            }
            if count.is_null() {
                return Err(INVALID_ARGUMENT);
            }
            // SAFETY: the caller gives a place for the type.
            unsafe { put(value_type, TYPE_UINT) }?;
            if samples.is_null() {
                // A question for the size of the buffer.
                let kept = asked.gpu.spec().sensor.samples_kept;
                // SAFETY: the caller gives a place for the number.
                return unsafe { put(count, kept as c_uint) };
            }
            // SAFETY: not null, and the caller has put the number of structs there.
            let room = unsafe { count.read() } as usize;
            let mut written = 0;
            let told = asked.gpu.samples(asked.now_ns).into_iter();
            let told = told.map(|sample| (asked.sim.stamp_us(sample.end_ns), sample.watts));
            for (timestamp_us, watts) in told.filter(|(at, _)| *at > last_seen_us).take(room) {
                let sample = Sample {
                    timestamp_us,
                    value: Value::from(milliwatts(watts)),
                };
                // SAFETY: below the number of structs that the caller gives.
                unsafe { samples.add(written).write(sample) };
                written += 1;
            }
            // SAFETY: the caller gives a place for the number.
            unsafe { put(count, written as c_uint) }?;
            if written == 0 { Err(NOT_FOUND) } else { Ok(()) }
        })
    })
}

struct Told {
    kind: c_uint,
    value: Value,
    at_ns: u64,
}

/// One field. Ids by nvml.h; those of the thermal counters moved with driver 580.82.
fn field(asked: &Asked<'_>, id: c_uint, scope: c_uint) -> Result<Told, Code> {
    let Asked {
        sim, gpu, now_ns, ..
    } = *asked;
    planted(
        sim,
        "nvmlDeviceGetFieldValues",
        Some(asked.place.gpu()),
        Some(id),
        now_ns,
    )?;
    asked.whole()?;
    if scope != 0 {
        return Err(NOT_SUPPORTED);
    }
    let step_ns = gpu.step_ns(now_ns);
    let small = |value: c_uint, at_ns| {
        Ok(Told {
            kind: TYPE_UINT,
            value: Value::from(value),
            at_ns,
        })
    };
    let large = |value: u64, at_ns| {
        Ok(Told {
            kind: TYPE_ULONGLONG,
            value,
            at_ns,
        })
    };
    let violation = |bits| large(gpu.history().counted_ns(bits, now_ns), now_ns);
    let limit = |watts: f64| small(milliwatts(watts), now_ns);
    let power = &gpu.spec().power;
    let thermal = if has_moved_fields(&sim.scenario().driver) {
        269
    } else {
        251
    };
    match id {
        // ECC: current mode, volatile single and double bit errors.
        1 => small(1, now_ns),
        3 | 4 => large(0, now_ns),
        74 => violation(0x4),
        75 => violation(0x60),
        76 => violation(0x10),
        77 | 79 => large(0, now_ns),
        82 => small(gpu.celsius(now_ns) + 5, now_ns),
        83 => large(gpu.counter_millijoules(now_ns), step_ns),
        185 => small(milliwatts(gpu.average_watts(now_ns)), step_ns),
        186 => small(milliwatts(gpu.instant_watts(now_ns)), step_ns),
        187 => limit(super::device::MIN_LIMIT_WATTS),
        188..=190 | 192 => limit(power.limit_watts),
        id if id == thermal => violation(0x20),
        id if id == thermal + 1 => violation(0x40),
        id if id == thermal + 2 => violation(0x80),
        _ => Err(NOT_SUPPORTED),
    }
}

/// From 580.82 on.
fn has_moved_fields(driver: &str) -> bool {
    let mut parts = driver
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    version >= (580, 82)
}

pub(super) fn milliwatts(watts: f64) -> c_uint {
    (watts * 1e3).round() as c_uint
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_moved_with_a_driver() {
        for (driver, moved) in [
            ("580.159.03-sim", true),
            ("580.82.07-sim", true),
            ("580.65.06-sim", false),
            ("550.90.07-sim", false),
            ("590.10-sim", true),
        ] {
            assert_eq!(super::has_moved_fields(driver), moved, "{driver}");
        }
    }
}
