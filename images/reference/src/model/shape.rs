//! The numbers that make a Llama.

use candle_core::DType;

/// Sizes; all are at least 1 and were checked against each other by [`crate::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Decoder layers.
    pub num_layers: usize,
    /// Query heads; divides `hidden_size`.
    pub num_heads: usize,
    /// Key and value heads; divides `num_heads`.
    pub num_kv_heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Token ids.
    pub vocab_size: usize,
    /// Longest sequence, prompt and output together.
    pub context_length: usize,
}

impl Shape {
    /// Width of one head; even, because rotary embedding turns pairs.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// Width of all key heads together.
    pub fn kv_size(&self) -> usize {
        self.num_kv_heads * self.head_dim()
    }

    /// Number of weights. In 128 bits, so that a hostile shape cannot wrap around the memory check.
    pub fn weights(&self) -> u128 {
        let [hidden, kv, inner] =
            [self.hidden_size, self.kv_size(), self.intermediate_size].map(|size| size as u128);
        let attention = 2 * hidden * hidden + 2 * hidden * kv;
        let layer = attention + 3 * hidden * inner + 2 * hidden;
        self.num_layers as u128 * layer + 2 * self.vocab_size as u128 * hidden + hidden
    }

    /// Bytes of keys and values that one token of one sequence keeps.
    pub fn cache_bytes_per_token(&self, dtype: DType) -> u128 {
        2 * self.num_layers as u128 * self.kv_size() as u128 * dtype.size_in_bytes() as u128
    }
}
