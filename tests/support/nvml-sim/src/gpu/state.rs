//! What a GPU does when its processes do what they do: power, clock and reasons of a moment.

use super::Gpu;
use crate::history::State;
use crate::scenario::PowerSpec;

/// SM clock of a bare GPU.
const BARE_MHZ: u32 = 345;
/// SM clock with a context.
pub const MAX_SM_MHZ: u32 = 1_980;
/// SM clock at the power cap under full load.
const CAPPED_MHZ: u32 = 1_380;
/// Reason bit: nothing runs.
const IDLE: u64 = 0x1;
/// Reason bit: power cap.
const POWER_CAP: u64 = 0x4;

/// A GPU that nobody uses.
pub(super) fn bare(power: &PowerSpec) -> State {
    State {
        watts: power.bare_watts,
        busy: 0.0,
        reasons: IDLE,
        sm_mhz: BARE_MHZ,
    }
}

impl Gpu {
    /// The state from a moment on.
    pub(super) fn state_from(&self, at_ns: u64) -> State {
        let power = &self.spec.power;
        let mut busy = 0.0;
        let mut held = false;
        let mut known = None;
        for (_, view) in self.views(at_ns) {
            busy += view.busy;
            held |= view.listed;
            known = view.watts.or(known);
        }
        if let Some(watts) = known {
            held |= watts > (power.bare_watts + power.context_watts) / 2.0;
            let span = (power.busy_watts - power.context_watts).max(1.0);
            busy += ((watts - power.context_watts) / span).max(0.0);
        }
        let busy = f64::min(busy, 1.0);
        let wanted = known.unwrap_or(if held {
            power.context_watts + busy * (power.busy_watts - power.context_watts)
        } else {
            power.bare_watts
        });
        let is_capped = known.is_none() && busy > 0.0 && wanted >= power.capped_watts;
        let mut state = State {
            watts: if is_capped {
                power.capped_watts
            } else {
                wanted
            },
            busy,
            reasons: if busy > 0.0 { 0 } else { IDLE },
            sm_mhz: if held { MAX_SM_MHZ } else { BARE_MHZ },
        };
        if is_capped {
            state.reasons |= POWER_CAP;
            state.sm_mhz = CAPPED_MHZ;
        }
        for throttle in &self.spec.faults.throttle {
            if self.holds(&throttle.when, at_ns) {
                for reason in &throttle.reasons {
                    state.reasons |= reason.bit();
                }
                state.sm_mhz = state.sm_mhz.min(throttle.sm_mhz);
                state.watts = state.watts.min(throttle.cap_watts.unwrap_or(f64::INFINITY));
            }
        }
        state
    }
}
