//! Stitching reads of the driver's sample buffer into one series. Pure: samples and clock pairs in, readings
//! out.
//!
//! The driver stamps samples with CLOCK_REALTIME, which can be set. Each read brings its own pair of clocks;
//! when the pairs of two reads differ by more than slewing explains, the wall clock was set between them, and
//! nobody knows which samples carry which clock: that read's samples are not placed.

use crate::energy::PowerReading;
use crate::telemetry::{ClockPair, PowerSample};

/// The kernel slews a clock by at most 500 ppm (adjtimex(2)).
const SLEW: f64 = 500e-6;
/// Besides: how well two pairs agree on a busy machine, ns.
const PAIR_NOISE_NS: f64 = 2e6;
/// A stamp further ahead of its read than this is not of this clock, ns.
const AHEAD_NS: u64 = 1_000_000_000;
/// A stamp further behind its read than this is not of this clock, ns: the buffer holds seconds.
const BEHIND_NS: u64 = 60_000_000_000;
/// A gap of this many sample periods to the samples before: some were overwritten unread.
const OVERRUN_PERIODS: u64 = 5;

/// What one read of the buffer gave.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stitched {
    /// New readings, ascending.
    pub(super) readings: Vec<PowerReading>,
    /// New samples that have no place on CLOCK_MONOTONIC.
    pub(super) unplaced: u64,
    /// Samples between the last read and this one were lost.
    pub(super) overrun: bool,
}

/// Where the series has come to.
#[derive(Debug, Default)]
pub(super) struct Stitch {
    last_stamp_us: u64,
    last_at_ns: u64,
    pair: Option<ClockPair>,
}

impl Stitch {
    /// The stamp from which to read on.
    pub(super) fn since_us(&self) -> u64 {
        self.last_stamp_us
    }

    /// Adds one read: `samples` ascending, `pair` taken just after it.
    pub(super) fn add(&mut self, samples: &[PowerSample], pair: ClockPair) -> Stitched {
        let was_set = self
            .pair
            .is_some_and(|before| clock_was_set(&before, &pair));
        self.pair = Some(pair);
        let last = self.last_stamp_us;
        let new: Vec<&PowerSample> = samples
            .iter()
            .filter(|sample| sample.stamp_us > last)
            .collect();
        if was_set {
            // Go on with what is stamped from now on, in the new clock.
            self.last_stamp_us = pair.realtime_ns / 1_000;
            return Stitched {
                unplaced: new.len() as u64,
                ..Stitched::default()
            };
        }
        let mut stitched = Stitched {
            overrun: last > 0 && overran(last, &new),
            ..Stitched::default()
        };
        for sample in new {
            if sample.stamp_us <= self.last_stamp_us {
                continue; // the same stamp twice
            }
            let placed = pair.to_monotonic_ns(sample.stamp_us).filter(|at_ns| {
                *at_ns <= pair.monotonic_ns + AHEAD_NS
                    && at_ns + BEHIND_NS >= pair.monotonic_ns
                    && *at_ns > self.last_at_ns
            });
            match placed {
                None => stitched.unplaced += 1,
                Some(at_ns) => {
                    self.last_at_ns = at_ns;
                    self.last_stamp_us = sample.stamp_us;
                    stitched.readings.push(PowerReading {
                        at_ns,
                        watts: sample.watts,
                    });
                }
            }
        }
        stitched
    }
}

fn clock_was_set(before: &ClockPair, after: &ClockPair) -> bool {
    let apart = (after.offset_ns() - before.offset_ns()).unsigned_abs() as f64;
    let elapsed = after.monotonic_ns.saturating_sub(before.monotonic_ns) as f64;
    let widths = (before.width_ns + after.width_ns) as f64;
    apart > PAIR_NOISE_NS + widths + SLEW * elapsed
}

fn overran(last_us: u64, new: &[&PowerSample]) -> bool {
    let (Some(first), Some(end)) = (new.first(), new.last()) else {
        return false;
    };
    let steps = new.len() as u64 - 1;
    if steps == 0 {
        return false;
    }
    let period = (end.stamp_us - first.stamp_us) / steps;
    first.stamp_us - last_us > OVERRUN_PERIODS * period.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT_NS: u64 = 1_700_000_000_000_000_000;

    fn pair(monotonic_ns: u64, set_by_ns: i64) -> ClockPair {
        ClockPair {
            realtime_ns: (BOOT_NS + monotonic_ns).saturating_add_signed(set_by_ns),
            monotonic_ns,
            width_ns: 1_000,
        }
    }

    /// Samples every 20 ms of CLOCK_MONOTONIC ms `from..to`.
    fn samples(from_ms: u64, to_ms: u64, set_by_ns: i64) -> Vec<PowerSample> {
        let at = (from_ms..to_ms).step_by(20);
        at.map(|ms| PowerSample {
            stamp_us: pair(ms * 1_000_000, set_by_ns).realtime_ns / 1_000,
            watts: ms as f64,
        })
        .collect()
    }

    #[test]
    fn overlapping_reads_become_one_series() {
        let mut stitch = Stitch::default();
        let first = stitch.add(&samples(8_000, 10_000, 0), pair(10_000_000_000, 0));
        assert_eq!(first.readings.len(), 100);
        assert_eq!(first.readings[0].at_ns, 8_000_000_000);
        let second = stitch.add(&samples(9_000, 11_000, 0), pair(11_000_000_000, 0));
        assert_eq!(second.readings.len(), 50);
        assert_eq!(second.readings[0].at_ns, 10_000_000_000);
        assert!(!second.overrun);
        let third = stitch.add(&samples(14_000, 16_000, 0), pair(16_000_000_000, 0));
        assert!(third.overrun);
    }

    #[test]
    fn a_clock_that_is_set_costs_one_read_and_misplaces_nothing() {
        for hour in [3_600_000_000_000_i64, -3_600_000_000_000] {
            let mut stitch = Stitch::default();
            stitch.add(&samples(8_000, 10_000, 0), pair(10_000_000_000, 0));
            // Set at 10.5 s: half of the buffer carries each clock.
            let mut mixed = samples(10_000, 10_500, 0);
            mixed.extend(samples(10_500, 11_000, hour));
            mixed.sort_by_key(|sample| sample.stamp_us);
            let set = stitch.add(&mixed, pair(11_000_000_000, hour));
            assert!(set.readings.is_empty(), "{set:?}");
            assert!(set.unplaced > 0);
            let after = stitch.add(&samples(10_600, 12_000, hour), pair(12_000_000_000, hour));
            assert_eq!(after.readings.len(), 49);
            assert!(
                after
                    .readings
                    .iter()
                    .all(|reading| reading.at_ns as f64 == reading.watts * 1e6)
            );
        }
    }

    #[test]
    fn slewing_is_followed() {
        let mut stitch = Stitch::default();
        for second in 1..60_u64 {
            let slewed = second as i64 * 400_000;
            let read = samples(second * 1_000, second * 1_000 + 1_000, slewed);
            let stitched = stitch.add(&read, pair((second + 1) * 1_000_000_000, slewed));
            assert_eq!(
                (stitched.readings.len(), stitched.unplaced),
                (50, 0),
                "{second}"
            );
        }
    }

    #[test]
    fn stamps_of_another_clock_are_not_placed() {
        let mut stitch = Stitch::default();
        let ticks = [PowerSample {
            stamp_us: 12_345,
            watts: 1.0,
        }];
        let stitched = stitch.add(&ticks, pair(10_000_000_000, 0));
        assert_eq!((stitched.readings.len(), stitched.unplaced), (0, 1));
    }
}
