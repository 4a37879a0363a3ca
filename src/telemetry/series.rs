//! A series in bounded memory, and errors counted by kind. When a series is full, every second value of its
//! older half goes: the newest values stay as dense as they came, and what went is counted.

use std::collections::BTreeMap;

use super::{ErrorTally, ReadError, StateReading, ViolationReading};
use crate::energy::{CounterEdge, PowerReading};

/// Something with a place on CLOCK_MONOTONIC.
pub(super) trait Timed {
    /// When, ns.
    fn at_ns(&self) -> u64;
}

impl Timed for CounterEdge {
    fn at_ns(&self) -> u64 {
        self.after_ns
    }
}

impl Timed for PowerReading {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }
}

impl Timed for StateReading {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }
}

impl Timed for ViolationReading {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }
}

/// At most `bound` values.
#[derive(Debug, Clone)]
pub(super) struct Series<T> {
    values: Vec<T>,
    bound: usize,
    dropped: u64,
    thinned_before_ns: Option<u64>,
}

impl<T: Timed> Series<T> {
    /// An empty series of at most `bound` values (4 or more).
    pub(super) fn new(bound: usize) -> Self {
        Self {
            values: Vec::new(),
            bound: bound.max(4),
            dropped: 0,
            thinned_before_ns: None,
        }
    }

    /// Adds a value; thins the older half when there is no room.
    pub(super) fn push(&mut self, value: T) {
        if self.values.len() >= self.bound {
            self.thin();
        }
        self.values.push(value);
    }

    fn thin(&mut self) {
        let half = self.values.len() / 2;
        let before = self.values.len();
        let mut index = 0;
        self.values.retain(|_| {
            let keep = index >= half || index % 2 == 0;
            index += 1;
            keep
        });
        self.dropped += (before - self.values.len()) as u64;
        self.thinned_before_ns = self.values.get(half.div_ceil(2)).map(Timed::at_ns);
    }

    /// The values, ascending as they came.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    /// The values from `from_ns` on.
    pub(super) fn since(&self, from_ns: u64) -> &[T] {
        let start = self.values.partition_point(|value| value.at_ns() < from_ns);
        &self.values[start..]
    }

    /// Values that went.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Before this moment values are missing.
    pub(super) fn thinned_before_ns(&self) -> Option<u64> {
        self.thinned_before_ns
    }
}

/// Refusals by `call: code`: as many entries as there are calls times codes.
#[derive(Debug, Clone, Default)]
pub(super) struct Tallies(pub(super) BTreeMap<String, ErrorTally>);

impl Tallies {
    /// Counts one.
    pub(super) fn add(&mut self, error: ReadError, at_ns: u64) {
        let entry = self.0.entry(error.key()).or_insert(ErrorTally {
            count: 0,
            first: error,
            first_ns: at_ns,
            last_ns: at_ns,
        });
        entry.count += 1;
        entry.last_ns = at_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ReadCode;

    fn reading(at_ns: u64) -> PowerReading {
        PowerReading { at_ns, watts: 1.0 }
    }

    #[test]
    fn a_full_series_thins_its_older_half_and_counts_it() {
        let mut series = Series::new(8);
        for at in 0..9 {
            series.push(reading(at));
        }
        let times: Vec<u64> = series.values().iter().map(Timed::at_ns).collect();
        assert_eq!(times, [0, 2, 4, 5, 6, 7, 8]);
        assert_eq!(series.dropped(), 2);
        assert_eq!(series.thinned_before_ns(), Some(4));
    }

    #[test]
    fn memory_stays_bounded_and_nothing_goes_uncounted() {
        let mut series = Series::new(64);
        for at in 0..10_000 {
            series.push(reading(at));
            assert!(series.values().len() <= 64);
        }
        assert_eq!(series.values().len() as u64 + series.dropped(), 10_000);
        assert!(series.values().is_sorted_by(|a, b| a.at_ns < b.at_ns));
        let newest: Vec<u64> = series
            .values()
            .iter()
            .rev()
            .take(16)
            .map(Timed::at_ns)
            .collect();
        assert_eq!(newest, (9_984..10_000).rev().collect::<Vec<u64>>());
    }

    #[test]
    fn since_takes_the_end() {
        let mut series = Series::new(100);
        (0..10).for_each(|at| series.push(reading(at * 10)));
        assert_eq!(series.since(75).len(), 2);
        assert_eq!(series.since(70).len(), 3);
        assert_eq!(series.since(1_000).len(), 0);
    }

    #[test]
    fn errors_are_counted_by_call_and_code() {
        let mut tallies = Tallies::default();
        let lost = || ReadError::new(ReadCode::GpuLost, "energy", "fell off the bus");
        tallies.add(lost(), 5);
        tallies.add(lost(), 9);
        tallies.add(ReadError::new(ReadCode::TimedOut, "energy", "late"), 7);
        let tally = &tallies.0["energy: gpu_lost"];
        assert_eq!((tally.count, tally.first_ns, tally.last_ns), (2, 5, 9));
        assert_eq!(tallies.0.len(), 2);
    }
}
