//! When requests of an open loop are due: gaps drawn from a seed, the same on every machine. Rates share their
//! draws, so that one rate's schedule is another's, faster.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};

use super::draw::{ARRIVALS, stream};
use super::spec::ProcessSpec;

/// Most requests of an open loop.
pub(in crate::campaign) const MAX_ARRIVALS: f64 = 200_000.0;

/// The random process of an open loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::campaign) struct Process {
    pub process: ProcessSpec,
    /// Shape of the gamma distribution.
    pub burstiness: f64,
    pub seed: u64,
}

impl Process {
    /// Times in ns from the window's start: as many as last `min_seconds` and are `min_requests`.
    pub fn schedule(self, rate: f64, min_seconds: f64, min_requests: u32) -> Vec<u64> {
        let mut rng = stream(self.seed, ARRIVALS);
        let gamma = Gamma::new(self.burstiness, 1.0 / self.burstiness).ok();
        // In mean gaps, so that equal gaps add up exactly.
        let (mut gaps, mut at) = (0.0, 0.0);
        let mut arrivals = Vec::new();
        while (arrivals.len() < min_requests as usize || at < min_seconds)
            && (arrivals.len() as f64) < MAX_ARRIVALS
        {
            gaps += match (self.process, &gamma) {
                (ProcessSpec::Constant, _) => 1.0,
                (ProcessSpec::Gamma, Some(gamma)) => gamma.sample(&mut rng),
                _ => exponential(&mut rng),
            };
            at = gaps / rate;
            // `as` saturates; a schedule of centuries is refused at load.
            arrivals.push((at * 1e9).round() as u64);
        }
        arrivals
    }
}

/// A gap of mean 1, by inversion.
fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    // 53 bits give [0, 1); one minus that is never 0.
    let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    -(1.0 - uniform).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(process: ProcessSpec, burstiness: f64, seed: u64) -> Process {
        Process {
            process,
            burstiness,
            seed,
        }
    }

    /// Mean and coefficient of variation of the gaps, in seconds.
    fn gaps(arrivals: &[u64]) -> (f64, f64) {
        let gaps: Vec<f64> = arrivals
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64 / 1e9)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let square = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>();
        (mean, (square / gaps.len() as f64).sqrt() / mean)
    }

    #[test]
    fn gaps_have_the_rate_and_the_spread_of_their_process() {
        for (kind, burstiness, spread) in [
            (ProcessSpec::Constant, 1.0, 0.0),
            (ProcessSpec::Poisson, 1.0, 1.0),
            (ProcessSpec::Gamma, 1.0, 1.0),
            (ProcessSpec::Gamma, 0.25, 2.0),
            (ProcessSpec::Gamma, 4.0, 0.5),
        ] {
            let arrivals = process(kind, burstiness, 1).schedule(4.0, 0.0, 20_000);
            let (mean, cv) = gaps(&arrivals);
            // A hundred and forty gaps make a percent; the spread of a spread is about as much.
            assert!(
                (mean * 4.0 - 1.0).abs() < 0.05,
                "{kind:?} {burstiness}: {mean}"
            );
            assert!((cv - spread).abs() < 0.1, "{kind:?} {burstiness}: {cv}");
        }
    }

    #[test]
    fn a_schedule_covers_both_minima_and_ends() {
        let poisson = process(ProcessSpec::Poisson, 1.0, 3);
        let long = poisson.schedule(2.0, 30.0, 5);
        assert!(*long.last().expect("some") >= 30_000_000_000);
        assert!(long[long.len() - 2] < 30_000_000_000);
        assert_eq!(poisson.schedule(1000.0, 0.001, 50).len(), 50);
        assert!(long.is_sorted());
    }

    #[test]
    fn twice_the_rate_is_the_same_schedule_in_half_the_time() {
        let poisson = process(ProcessSpec::Poisson, 1.0, 3);
        let (slow, fast) = (
            poisson.schedule(1.0, 0.0, 100),
            poisson.schedule(2.0, 0.0, 100),
        );
        assert!(
            slow.iter()
                .zip(&fast)
                .all(|(slow, fast)| slow.abs_diff(2 * fast) <= 2)
        );
        assert_ne!(
            slow,
            process(ProcessSpec::Poisson, 1.0, 4).schedule(1.0, 0.0, 100)
        );
    }

    /// Hashes in published manifests rest on these numbers.
    #[test]
    fn the_same_seed_gives_the_same_schedule_for_ever() {
        let of = |kind, burstiness| process(kind, burstiness, 42).schedule(10.0, 0.0, 4);
        assert_eq!(
            of(ProcessSpec::Constant, 1.0),
            [100_000_000, 200_000_000, 300_000_000, 400_000_000]
        );
        assert_eq!(
            of(ProcessSpec::Poisson, 1.0),
            [241_932_357, 371_995_407, 471_473_512, 604_572_426]
        );
        assert_eq!(
            of(ProcessSpec::Gamma, 0.5),
            [327_343_138, 405_517_544, 661_957_379, 662_042_756]
        );
    }
}
