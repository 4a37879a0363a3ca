//! Which value stands where: a pure function of seed, tensor name and place.

use half::{bf16, f16};
use lem_protocol::RANDOM_WEIGHTS;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::normal::Ziggurat;
use super::shape::{Dtype, Fill, Tensor};
use crate::sums::sha256;

/// Values of one chunk. Each chunk of a tensor has its own stream of the tensor's generator, so that threads can
/// draw chunks in any order; changing this changes all weights.
pub const CHUNK: u64 = 1 << 20;

/// Draws chunks of tensors.
pub struct Source {
    seed: u64,
    deviation: f64,
    dtype: Dtype,
    ziggurat: Ziggurat,
}

impl Source {
    /// A source of values of `deviation`.
    pub fn new(seed: u64, deviation: f64, dtype: Dtype) -> Self {
        Self {
            seed,
            deviation,
            dtype,
            ziggurat: Ziggurat::new(),
        }
    }

    /// The bytes of chunk `chunk` of a tensor, little-endian.
    pub fn chunk(&self, tensor: &Tensor, chunk: u64) -> Vec<u8> {
        let count = (tensor.values() - chunk * CHUNK).min(CHUNK);
        let mut bytes =
            Vec::with_capacity(usize::try_from(count * self.dtype.bytes()).unwrap_or(0));
        match tensor.fill {
            Fill::Zeros => self.fill(&mut bytes, count, || 0.0),
            Fill::Ones => self.fill(&mut bytes, count, || 1.0),
            Fill::Normal => {
                let mut rng = self.generator(&tensor.name);
                rng.set_stream(chunk);
                self.fill(&mut bytes, count, || {
                    self.ziggurat.draw(&mut rng) * self.deviation
                });
            }
        }
        bytes
    }

    fn generator(&self, name: &str) -> ChaCha8Rng {
        let mut key = Vec::from(RANDOM_WEIGHTS.as_bytes());
        key.push(0);
        key.extend(self.seed.to_le_bytes());
        key.extend(name.as_bytes());
        ChaCha8Rng::from_seed(sha256(&key))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to the stored type is the point"
    )]
    fn fill(&self, bytes: &mut Vec<u8>, count: u64, mut next: impl FnMut() -> f64) {
        match self.dtype {
            Dtype::Bf16 => {
                for _ in 0..count {
                    bytes.extend(bf16::from_f32(next() as f32).to_le_bytes());
                }
            }
            Dtype::F16 => {
                for _ in 0..count {
                    bytes.extend(f16::from_f32_const(next() as f32).to_le_bytes());
                }
            }
            Dtype::F32 => {
                for _ in 0..count {
                    bytes.extend((next() as f32).to_le_bytes());
                }
            }
        }
    }
}
