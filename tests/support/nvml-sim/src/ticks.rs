//! When the sensors step: every ~100 ms, with jitter, at a phase of the GPU's own. All in CLOCK_MONOTONIC
//! nanoseconds; the same for every process that asks, whenever it was started.

use crate::noise;

/// The steps of one GPU.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    seed: u64,
    phase_ns: f64,
    mean_ns: f64,
    jitter_ns: f64,
}

impl Ticks {
    /// Steps whose distances lie within `period_ms`, at a phase that `seed` sets.
    #[must_use]
    pub fn new(period_ms: [f64; 2], seed: u64) -> Self {
        let [shortest, longest] = period_ms;
        let mean_ns = (shortest + longest) / 2.0 * 1e6;
        Self {
            seed,
            phase_ns: noise::unit(seed, 0, 0) * mean_ns,
            mean_ns,
            // Two neighbours move by at most this each, in opposite directions at worst.
            jitter_ns: (longest - shortest) / 4.0 * 1e6,
        }
    }

    /// The moment of a step.
    #[must_use]
    pub fn at(&self, index: u64) -> u64 {
        let jitter = (2.0 * noise::unit(self.seed, 1, index) - 1.0) * self.jitter_ns;
        // Negative only for the very first, which `as` puts to 0.
        (self.phase_ns + index as f64 * self.mean_ns + jitter) as u64
    }

    /// Index of the last step up to a moment; 0 before the first.
    #[must_use]
    pub fn last(&self, now_ns: u64) -> u64 {
        let about = ((now_ns as f64 - self.phase_ns) / self.mean_ns).max(0.0) as u64 + 1;
        (about.saturating_sub(2)..=about)
            .rev()
            .find(|index| self.at(*index) <= now_ns)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_apart_as_measured_and_every_moment_has_its_last() {
        let ticks = Ticks::new([99.8, 100.0], 9);
        let start = ticks.last(5_000_000_000_000);
        let mut lengths: Vec<u64> = Vec::new();
        for index in start..start + 2_000 {
            let (here, next) = (ticks.at(index), ticks.at(index + 1));
            lengths.push(next - here);
            assert_eq!(ticks.last(here), index);
            assert_eq!(ticks.last(next - 1), index);
        }
        let (least, most) = (lengths.iter().min(), lengths.iter().max());
        assert!(
            least >= Some(&99_799_000) && most <= Some(&100_001_000),
            "{least:?} {most:?}"
        );
        assert!(most.unwrap() - least.unwrap() > 150_000, "there is jitter");
    }

    #[test]
    fn phases_are_spread() {
        let phases: Vec<u64> = (0..200)
            .map(|seed| Ticks::new([99.8, 100.0], seed).at(0))
            .collect();
        assert!(
            phases
                .iter()
                .filter(|at| **at < 50_000_000)
                .count()
                .abs_diff(100)
                < 30
        );
    }
}
