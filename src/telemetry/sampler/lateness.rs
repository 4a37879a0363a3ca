//! The distribution of lateness in bounded memory: a histogram whose buckets are 1/16 of a power of two wide.

/// Buckets per power of two: values are known to 1/16, about 6 %.
const STEPS: u64 = 16;
/// 16 exact buckets, then 16 for each of the other powers of two of a u64.
const BUCKETS: usize = 16 + 60 * 16;

/// Counts of values.
#[derive(Debug, Clone)]
pub(super) struct Lateness {
    buckets: Vec<u64>,
    count: u64,
    max_ns: u64,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            max_ns: 0,
        }
    }
}

impl Lateness {
    /// Counts one value.
    pub(super) fn add(&mut self, ns: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket(ns)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// The largest value, exactly.
    pub(super) fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The value that `percent` of all values do not exceed, at most 6 % too high; 0 without values.
    pub(super) fn percentile_ns(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut below = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                return upper_end(index as u64).min(self.max_ns);
            }
        }
        self.max_ns
    }
}

fn bucket(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let shift = u64::from(ns.ilog2()) - 4;
    // The leading five bits: 16 to 31.
    (STEPS * shift + (ns >> shift)) as usize
}

fn upper_end(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    let leading = bucket - STEPS * shift;
    (u128::from(leading + 1) << shift)
        .min(u128::from(u64::MAX))
        .saturating_sub(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for ns in [
            0,
            1,
            15,
            16,
            17,
            31,
            32,
            33,
            1_000,
            99_999,
            1 << 40,
            u64::MAX / 2,
        ] {
            let end = upper_end(bucket(ns) as u64);
            assert!(end >= ns, "{ns}: {end}");
            assert!(end - ns <= ns / 16, "{ns}: {end}");
            assert!(bucket(ns) < BUCKETS);
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn percentiles_are_within_six_percent() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.percentile_ns(50), 0);
        (1..=10_000).for_each(|us| lateness.add(us * 1_000));
        for (percent, exact) in [(50, 5_000_000_u64), (99, 9_900_000)] {
            let found = lateness.percentile_ns(percent);
            assert!(
                found >= exact && found - exact <= exact / 16,
                "{percent}: {found}"
            );
        }
        assert_eq!(lateness.max_ns(), 10_000_000);
        assert_eq!(lateness.percentile_ns(100), 10_000_000);
    }
}
