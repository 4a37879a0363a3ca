//! Numbers drawn from a seed, the same on every machine and in every version.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::campaign::length::{LengthSpec, Lognormal};
use crate::campaign::prompts::PromptLine;

/// Streams of the generator, so that lengths do not depend on ids nor outputs on inputs.
pub(super) const INPUT_LENGTHS: u64 = 0;
pub(super) const OUTPUT_LENGTHS: u64 = 1;
pub(super) const IDS: u64 = 2;
const SAMPLE: u64 = 3;
pub(super) const ARRIVALS: u64 = 4;

/// Picks `count` of the lines without repetition, in the order of the draw (Fisher–Yates).
pub(in crate::campaign) fn sample(
    mut lines: Vec<PromptLine>,
    count: usize,
    seed: u64,
) -> Vec<PromptLine> {
    let mut rng = stream(seed, SAMPLE);
    let count = count.min(lines.len());
    for index in 0..count {
        let left = u32::try_from(lines.len() - index).unwrap_or(u32::MAX);
        lines.swap(index, index + below(&mut rng, left) as usize);
    }
    lines.truncate(count);
    lines
}

pub(super) fn draw(length: Option<LengthSpec>, count: usize, seed: u64, number: u64) -> Vec<u32> {
    match length {
        None => vec![1; count],
        Some(LengthSpec::Exact(tokens)) => vec![tokens; count],
        Some(LengthSpec::Lognormal(lognormal)) => {
            let mut rng = stream(seed, number);
            (0..count).map(|_| lognormal.draw(&mut rng)).collect()
        }
    }
}

impl Lognormal {
    /// ln X ~ N(μ, σ²) with μ = ln(mean) − σ²/2, so that X has the mean; rounded, then clamped.
    fn draw(self, rng: &mut ChaCha8Rng) -> u32 {
        let mu = self.mean.ln() - self.sigma * self.sigma / 2.0;
        let normal: f64 = StandardNormal.sample(rng);
        let tokens = (mu + self.sigma * normal).exp().round();
        // In range by the clamp; `as` saturates.
        tokens.clamp(f64::from(self.min), f64::from(self.max)) as u32
    }
}

pub(super) fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

/// A number below `bound` by Lemire's multiplication, kept here so that no library's change moves a hash.
/// The bias is below bound / 2^32.
pub(super) fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(bound)) >> 32) as u32
}
