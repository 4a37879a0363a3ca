//! Events: Xid errors, delivered to the sets that a device was registered with.

use std::ffi::{c_uint, c_ulonglong};
use std::time::Duration;

use super::state::{Place, with};
use super::types::{
    Code, EventData, GPU_IS_LOST, Handle, INVALID_ARGUMENT, NOT_SUPPORTED, TIMEOUT,
};
use super::{about, call, planted, put, system};
use crate::sim::monotonic_ns;

/// nvmlEventTypeXidCriticalError.
const XID: c_ulonglong = 8;
/// First handle of a set.
const SETS: usize = 0x100_0000;
/// A waiting call looks again after so long.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy)]
struct Registration {
    gpu: usize,
    /// Xids before are not told.
    since_ns: u64,
    /// How many have been delivered.
    delivered: usize,
}

/// The event sets of a process.
#[derive(Debug)]
pub(super) struct EventSets {
    sets: Vec<Option<Vec<Registration>>>,
}

impl EventSets {
    pub(super) const fn new() -> Self {
        Self { sets: Vec::new() }
    }

    fn set(&mut self, handle: Handle) -> Result<&mut Option<Vec<Registration>>, Code> {
        let index = handle.addr().checked_sub(SETS).ok_or(INVALID_ARGUMENT)?;
        match self.sets.get_mut(index) {
            Some(set) if set.is_some() => Ok(set),
            _ => Err(INVALID_ARGUMENT),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(to: *mut Handle) -> Code {
    call(|| {
        system("nvmlEventSetCreate", |state| {
            let (_, sets) = state.parts()?;
            let handle = std::ptr::without_provenance_mut(SETS + sets.sets.len());
            // SAFETY: the caller gives a place for the handle.
            unsafe { put(to, handle) }?;
            sets.sets.push(Some(Vec::new()));
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetFree(set: Handle) -> Code {
    call(|| {
        with(|state| {
            *state.parts()?.1.set(set)? = None;
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSupportedEventTypes(
    device: Handle,
    to: *mut c_ulonglong,
) -> Code {
    call(|| {
        about("nvmlDeviceGetSupportedEventTypes", device, |asked| {
            asked.whole()?;
            // SAFETY: the caller gives a place for the number.
            unsafe { put(to, XID) }
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceRegisterEvents(
    device: Handle,
    types: c_ulonglong,
    set: Handle,
) -> Code {
    call(|| {
        let gpu = about("nvmlDeviceRegisterEvents", device, |asked| {
            asked.whole()?;
            Ok(asked.place.gpu())
        })?;
        if types & !XID != 0 {
            return Err(NOT_SUPPORTED);
        }
        with(|state| {
            let set = state.parts()?.1.set(set)?;
            set.iter_mut().for_each(|set| {
                set.push(Registration {
                    gpu,
                    since_ns: monotonic_ns(),
                    delivered: 0,
                });
            });
            Ok(())
        })
    })
}

/// The next event of a set, if it has one.
fn next(set: Handle) -> Result<Option<EventData>, Code> {
    with(|state| {
        let (sim, sets) = state.parts()?;
        let now_ns = monotonic_ns();
        sim.advance(now_ns);
        planted(sim, "nvmlEventSetWait_v2", None, None, now_ns)?;
        let registrations = sets.set(set)?.iter_mut().flatten();
        let mut is_lost = false;
        for registration in registrations {
            let gpu = &sim.gpus()[registration.gpu];
            let mut xids: Vec<_> = gpu
                .xids()
                .filter(|xid| (registration.since_ns..=now_ns).contains(&xid.at_ns))
                .collect();
            xids.sort_unstable_by_key(|xid| xid.at_ns);
            if let Some(xid) = xids.get(registration.delivered) {
                registration.delivered += 1;
                return Ok(Some(EventData {
                    device: Place::Gpu(registration.gpu).handle(),
                    kind: XID,
                    data: xid.code,
                    gpu_instance: c_uint::MAX,
                    compute_instance: c_uint::MAX,
                }));
            }
            is_lost |= gpu.is_lost(now_ns);
        }
        if is_lost { Err(GPU_IS_LOST) } else { Ok(None) }
    })
}

fn wait(set: Handle, to: *mut EventData, timeout_ms: c_uint) -> Result<(), Code> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    let until_ns = monotonic_ns() + u64::from(timeout_ms) * 1_000_000;
    loop {
        if let Some(event) = next(set)? {
            // SAFETY: the caller gives a place for the struct.
            return unsafe { put(to, event) };
        }
        let left_ns = until_ns.saturating_sub(monotonic_ns());
        if left_ns == 0 {
            return Err(TIMEOUT);
        }
        std::thread::sleep(LOOK_EVERY.min(Duration::from_nanos(left_ns)));
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    set: Handle,
    to: *mut EventData,
    timeout_ms: c_uint,
) -> Code {
    call(|| wait(set, to, timeout_ms))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait(set: Handle, to: *mut EventData, timeout_ms: c_uint) -> Code {
    call(|| wait(set, to, timeout_ms))
}
