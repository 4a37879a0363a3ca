//! The two clocks: CLOCK_MONOTONIC, which every measurement uses and which host and containers share,
//! and the wall clock, which only names moments for people.
//!
//! The only place in the library that reads a clock. It knows nothing of what is timed.

use chrono::{DateTime, SecondsFormat, Utc};

/// Reads the time. The real one is [`HostClock`]; tests bring their own.
pub trait Clock: Send + Sync {
    /// CLOCK_MONOTONIC in nanoseconds.
    fn monotonic_ns(&self) -> u64;
    /// Wall clock time.
    fn wall(&self) -> DateTime<Utc>;
}

/// The host's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostClock;

impl Clock for HostClock {
    fn monotonic_ns(&self) -> u64 {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // CLOCK_MONOTONIC counts up from boot: neither field is ever negative.
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_nsec).unwrap_or(0)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge that reads the wall clock"
    )]
    fn wall(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// `2026-11-24T03:39:21.123Z`: how moments are written into journals and manifests.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_is_the_kernels_and_never_goes_back() {
        let clock = HostClock;
        let first = clock.monotonic_ns();
        let second = clock.monotonic_ns();
        assert!(second >= first);
        let uptime = std::fs::read_to_string("/proc/uptime").expect("Linux has /proc/uptime");
        let seconds: f64 = uptime
            .split(' ')
            .next()
            .expect("two fields")
            .parse()
            .expect("a number");
        assert!((second as f64 / 1e9 - seconds).abs() < 5.0);
    }
}
