//! Random weights: N(0, 0.02²), the same for a seed on every machine and for every number of threads.

use candle_core::{DType, Device, Result, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// The usual deviation of an untrained Llama.
const DEVIATION: f32 = 0.02;

/// Draws tensors in a fixed order. Each has a stream of its own, so its values depend on the seed, its
/// place and its size only.
pub struct Weights {
    seed: u64,
    next: u64,
    drawn: u64,
    dtype: DType,
}

impl Weights {
    /// Begins at the first tensor.
    pub fn new(seed: u64, dtype: DType) -> Self {
        Self {
            seed,
            next: 0,
            drawn: 0,
            dtype,
        }
    }

    /// A matrix. The linear layers keep theirs as (input, output): products of few rows, as decoding
    /// makes them, then need no repacking.
    pub fn matrix(&mut self, rows: usize, columns: usize) -> Result<Tensor> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.next);
        self.next += 1;
        self.drawn += (rows * columns) as u64;
        let normal = Normal::new(0.0, DEVIATION).expect("the deviation is finite and positive");
        let values: Vec<f32> = normal
            .sample_iter(&mut random)
            .take(rows * columns)
            .collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu)?.to_dtype(self.dtype)
    }

    /// The scale of a norm, which begins as ones.
    pub fn norm(&mut self, size: usize) -> Result<Tensor> {
        self.drawn += size as u64;
        Tensor::ones(size, self.dtype, &Device::Cpu)
    }

    /// How many weights were made.
    pub fn count(&self) -> u64 {
        self.drawn
    }
}
