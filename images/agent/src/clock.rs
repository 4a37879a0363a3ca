//! CLOCK_MONOTONIC, the one clock that host and containers share.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds since boot.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has CLOCK_MONOTONIC");
    let seconds = u64::try_from(now.tv_sec()).expect("CLOCK_MONOTONIC starts at zero");
    let nanoseconds = u64::try_from(now.tv_nsec()).expect("the kernel normalises nanoseconds");
    seconds * 1_000_000_000 + nanoseconds
}
