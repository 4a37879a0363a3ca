//! Standard normal numbers from 32 random bits each: Marsaglia and Tsang's ziggurat with 256 layers (Journal of
//! Statistical Software 5(8), 2000), the layer from 8 bits and the place in it from the other 24.
//!
//! Logarithm and exponential come from `libm`, never from the system: the same bits on every machine.

use rand::RngCore;

/// Where the tail begins, for 256 layers.
const TAIL: f64 = 3.654_152_885_361_009;
/// Area of each layer.
const AREA: f64 = 0.004_928_673_233_974_655;
const LAYERS: usize = 256;
/// Places to either side of 0 in a layer.
const PLACES: f64 = (1_u32 << 23) as f64;

/// The layers.
pub struct Ziggurat {
    /// Width of a place.
    width: [f64; LAYERS],
    /// Places that lie inside the next layer, so under the curve.
    inside: [f64; LAYERS],
    /// Height of the curve at each layer's right end; one more for the top.
    height: [f64; LAYERS + 1],
}

fn curve(x: f64) -> f64 {
    libm::exp(-0.5 * x * x)
}

impl Ziggurat {
    /// Builds the layers, from the one with the tail up.
    pub fn new() -> Self {
        let mut right = [0.0; LAYERS + 1];
        // The lowest layer is as wide as a box of its area would be: beyond the tail's begin is the tail.
        right[0] = AREA / curve(TAIL);
        right[1] = TAIL;
        for layer in 2..LAYERS {
            let below: f64 = right[layer - 1];
            right[layer] = libm::sqrt(-2.0 * libm::log(AREA / below + curve(below)));
        }
        Self {
            width: std::array::from_fn(|layer| right[layer] / PLACES),
            inside: std::array::from_fn(|layer| right[layer + 1] / right[layer] * PLACES),
            height: std::array::from_fn(|layer| curve(right[layer])),
        }
    }

    /// The next number.
    #[inline]
    pub fn draw(&self, rng: &mut impl RngCore) -> f64 {
        loop {
            let bits = rng.next_u32();
            let layer = (bits & 0xff) as usize;
            // Signed, and in the middle of its place: as often below 0 as above, and never 0.
            let place = f64::from(bits.cast_signed() >> 8) + 0.5;
            let x = place * self.width[layer];
            if place.abs() < self.inside[layer] {
                return x;
            }
            if layer == 0 {
                return self.tail(rng, place < 0.0);
            }
            let (low, high) = (self.height[layer], self.height[layer + 1]);
            if low + (high - low) * uniform(rng) < curve(x) {
                return x;
            }
        }
    }

    #[cold]
    #[expect(clippy::unused_self, reason = "the tail is a part of the figure")]
    fn tail(&self, rng: &mut impl RngCore, negative: bool) -> f64 {
        loop {
            let x = -libm::log(uniform(rng)) / TAIL;
            let y = -libm::log(uniform(rng));
            if 2.0 * y >= x * x {
                return if negative { -(TAIL + x) } else { TAIL + x };
            }
        }
    }
}

/// Between 0 and 1, neither of them.
fn uniform(rng: &mut impl RngCore) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Shares of a standard normal below these points, from its distribution function.
    const SHARES: [(f64, f64); 8] = [
        (-3.8, 0.000_072_35),
        (-3.0, 0.001_349_9),
        (-1.0, 0.158_655_3),
        (-0.2, 0.420_740_3),
        (0.0, 0.5),
        (0.5, 0.691_462_5),
        (2.0, 0.977_249_9),
        (3.7, 0.999_892_2),
    ];

    #[test]
    fn moments_and_shares_are_those_of_a_normal() {
        let ziggurat = Ziggurat::new();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let n = 4_000_000_u32;
        let count = f64::from(n);
        let drawn: Vec<f64> = (0..n).map(|_| ziggurat.draw(&mut rng)).collect();
        let mean = |of: fn(f64) -> f64| drawn.iter().map(|x| of(*x)).sum::<f64>() / count;
        // Five standard errors each; the fourth moment's variance is 96.
        assert!(mean(|x| x).abs() < 5.0 / count.sqrt());
        assert!((mean(|x| x * x) - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
        assert!(mean(|x| x * x * x).abs() < 5.0 * (15.0 / count).sqrt());
        assert!((mean(|x| x * x * x * x) - 3.0).abs() < 5.0 * (96.0 / count).sqrt());
        for (point, share) in SHARES {
            let below = drawn.iter().filter(|x| **x < point).count() as f64 / count;
            let error = (share * (1.0 - share) / count).sqrt();
            assert!((below - share).abs() < 5.0 * error, "{point}: {below}");
        }
        let farthest = drawn.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        assert!(farthest > TAIL, "the tail is drawn from: {farthest}");
    }

    #[test]
    fn the_layers_close_at_the_top() {
        let ziggurat = Ziggurat::new();
        let last = LAYERS - 1;
        // The top layer's area, from its width and the rest of the height.
        let area = ziggurat.width[last] * PLACES * (1.0 - ziggurat.height[last]);
        assert!((area - AREA).abs() < 1e-9, "{area}");
        assert!((ziggurat.height[LAYERS] - 1.0).abs() < f64::EPSILON);
    }
}
