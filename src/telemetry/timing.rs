//! The clocks that the sampler needs beyond [`crate::clock`]: absolute sleep, a thread's own CPU time, and
//! the pair of realtime and monotonic clock that maps the driver's stamps. An edge: it reads clocks.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, HostClock};

/// Pairs taken until one is narrow enough.
const PAIR_TRIES: u32 = 5;
/// A pair this narrow is good: nothing interrupted it.
const NARROW_NS: u64 = 5_000;

/// CLOCK_MONOTONIC, nanoseconds.
pub(super) fn now_ns() -> u64 {
    HostClock.monotonic_ns()
}

fn nanoseconds(time: Timespec) -> u64 {
    // Both clocks count up from a moment in the past: neither field is ever negative.
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// CPU time of the calling thread, nanoseconds.
pub(super) fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// Sleeps until `deadline_ns` on CLOCK_MONOTONIC; returns at once when it has passed. An interrupted sleep
/// is continued.
pub(super) fn sleep_until(deadline_ns: u64) {
    let request = Timespec {
        tv_sec: i64::try_from(deadline_ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(deadline_ns % 1_000_000_000).unwrap_or(0),
    };
    while now_ns() < deadline_ns {
        match clock_nanosleep_absolute(ClockId::Monotonic, &request) {
            Ok(()) => return,
            Err(rustix::io::Errno::INTR) => {}
            // Refused: cannot be for a valid clock and time, and spinning would be worse than a coarse sleep.
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
}

/// The realtime and the monotonic clock at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockPair {
    /// CLOCK_REALTIME, ns since the epoch.
    pub realtime_ns: u64,
    /// CLOCK_MONOTONIC, ns.
    pub monotonic_ns: u64,
    /// The two were read within this time, ns.
    pub width_ns: u64,
}

impl ClockPair {
    /// Reads both clocks, monotonic before and after; the narrowest of a few tries.
    #[must_use]
    pub fn now() -> Self {
        let mut best: Option<Self> = None;
        for _ in 0..PAIR_TRIES {
            let before = now_ns();
            let realtime_ns = nanoseconds(clock_gettime(ClockId::Realtime));
            let width_ns = now_ns().saturating_sub(before);
            let pair = Self {
                realtime_ns,
                monotonic_ns: before + width_ns / 2,
                width_ns,
            };
            if best.is_none_or(|known| width_ns < known.width_ns) {
                best = Some(pair);
            }
            if width_ns <= NARROW_NS {
                break;
            }
        }
        best.unwrap_or(Self {
            realtime_ns: 0,
            monotonic_ns: 0,
            width_ns: u64::MAX,
        })
    }

    /// Realtime minus monotonic, ns.
    #[must_use]
    pub fn offset_ns(&self) -> i128 {
        i128::from(self.realtime_ns) - i128::from(self.monotonic_ns)
    }

    /// The moment `stamp_us` (µs since the epoch) on CLOCK_MONOTONIC; none before boot.
    #[must_use]
    pub fn to_monotonic_ns(&self, stamp_us: u64) -> Option<u64> {
        u64::try_from(i128::from(stamp_us) * 1_000 - self.offset_ns()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_come_back_to_the_moment_they_name() {
        let pair = ClockPair::now();
        let mapped = pair.to_monotonic_ns(pair.realtime_ns / 1_000);
        assert!(mapped.is_some_and(|ns| ns.abs_diff(pair.monotonic_ns) <= 1_000));
        assert_eq!(pair.to_monotonic_ns(1), None);
    }

    #[test]
    fn sleep_ends_after_its_deadline_and_at_once_for_a_past_one() {
        let deadline = now_ns() + 3_000_000;
        sleep_until(deadline);
        let woken = now_ns();
        assert!(woken >= deadline);
        sleep_until(deadline);
        assert!(now_ns() - woken < 1_000_000_000);
    }

    #[test]
    fn cpu_time_grows_with_work_and_not_with_sleep() {
        let before = thread_cpu_ns();
        sleep_until(now_ns() + 30_000_000);
        let slept = thread_cpu_ns() - before;
        assert!(slept < 20_000_000, "{slept}");
        let end = now_ns() + 2_000_000_000;
        while thread_cpu_ns() - before < slept + 5_000_000 {
            assert!(now_ns() < end, "no CPU time in two seconds of work");
        }
    }
}
