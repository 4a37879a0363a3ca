//! A load whose every burst is known: how much of any time it kept the GPU busy.

/// Bursts of load on CLOCK_MONOTONIC, ascending and apart from each other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KnownLoad {
    /// Start and end of each, ns.
    bursts: Vec<(f64, f64)>,
    /// Busy ns before each burst.
    before: Vec<f64>,
}

impl KnownLoad {
    /// From starts and ends in ns. Bursts that are empty, or begin before the one before them has ended, are
    /// cut to what they add.
    #[must_use]
    pub fn new(bursts: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut given: Vec<(u64, u64)> = bursts.into_iter().collect();
        given.sort_unstable();
        let mut load = Self::default();
        let (mut total, mut last_end) = (0.0, 0);
        for (start, end) in given {
            let start = start.max(last_end);
            if end <= start {
                continue;
            }
            load.bursts.push((start as f64, end as f64));
            load.before.push(total);
            total += (end - start) as f64;
            last_end = end;
        }
        load
    }

    /// Busy time before `at_ns`, in ns.
    fn busy_before(&self, at_ns: f64) -> f64 {
        let begun = self.bursts.partition_point(|(start, _)| *start < at_ns);
        let Some(index) = begun.checked_sub(1) else {
            return 0.0;
        };
        let (start, end) = self.bursts[index];
        self.before[index] + at_ns.min(end) - start
    }

    /// Share of the time from `start_ns` to `end_ns` in which the GPU was busy, 0 to 1. At one moment: 0 or 1.
    #[must_use]
    pub fn busy_share(&self, start_ns: f64, end_ns: f64) -> f64 {
        // A window of no length sees what is there: a µs stands for it.
        let start_ns = start_ns.min(end_ns - 1e3);
        (self.busy_before(end_ns) - self.busy_before(start_ns)) / (end_ns - start_ns)
    }

    /// First start and last end, in ns; none without bursts.
    #[must_use]
    pub fn span(&self) -> Option<(f64, f64)> {
        Some((self.bursts.first()?.0, self.bursts.last()?.1))
    }

    /// Both loads, one after the other or overlapping.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = self.bursts.iter().chain(&other.bursts);
        Self::new(both.map(|(start, end)| (*start as u64, *end as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_a_drawing() {
        let load = KnownLoad::new([(100, 200), (300, 400)]);
        let load = KnownLoad::new(
            load.bursts
                .iter()
                .map(|(a, b)| (*a as u64 * 1000, *b as u64 * 1000)),
        );
        for (start, end, share) in [
            (0.0, 100e3, 0.0),
            (100e3, 200e3, 1.0),
            (150e3, 250e3, 0.5),
            (0.0, 400e3, 0.5),
            (150e3, 350e3, 0.5),
            (400e3, 500e3, 0.0),
            (350e3, 350e3, 1.0),
            (250e3, 250e3, 0.0),
        ] {
            assert!(
                (load.busy_share(start, end) - share).abs() < 1e-12,
                "{start} {end}"
            );
        }
        assert_eq!(load.span(), Some((100e3, 400e3)));
        assert_eq!(KnownLoad::default().busy_share(0.0, 1.0), 0.0);
    }

    #[test]
    fn overlaps_count_once() {
        let load = KnownLoad::new([(0, 100_000), (50_000, 150_000), (60_000, 70_000)]);
        assert_eq!(load.busy_share(0.0, 150e3), 1.0);
        let both = KnownLoad::new([(0, 1000)]).and(&KnownLoad::new([(2000, 3000)]));
        assert_eq!(both.span(), Some((0.0, 3000.0)));
    }
}
