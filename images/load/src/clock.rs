//! CLOCK_MONOTONIC, and sleeping to an absolute moment of it.

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Nanoseconds since boot.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has CLOCK_MONOTONIC");
    let seconds = u64::try_from(now.tv_sec()).expect("CLOCK_MONOTONIC starts at zero");
    let nanoseconds = u64::try_from(now.tv_nsec()).expect("the kernel normalises nanoseconds");
    seconds * 1_000_000_000 + nanoseconds
}

/// Sleeps until `deadline_ns`; not at all if it has passed.
pub fn sleep_until(deadline_ns: u64) {
    // Both fit: a deadline lies at most minutes from now.
    let deadline = TimeSpec::new(
        (deadline_ns / 1_000_000_000) as i64,
        (deadline_ns % 1_000_000_000) as i64,
    );
    while let Err(Errno::EINTR) = clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::TIMER_ABSTIME,
        &deadline,
    ) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_wakes_after_the_moment_and_not_before() {
        let deadline = monotonic_ns() + 5_000_000;
        sleep_until(deadline);
        assert!(monotonic_ns() >= deadline);
        let now = monotonic_ns();
        sleep_until(now - 1);
        assert!(monotonic_ns() - now < 1_000_000_000);
    }
}
