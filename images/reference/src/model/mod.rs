//! A Llama on the CPU: RMSNorm, rotary embedding, grouped-query attention, SwiGLU, untied output.
//!
//! It takes one step at a time for any mix of sequences: their new tokens go through the linear layers
//! as one matrix, and only attention is per sequence, over its own cache. So prompts of different
//! lengths need no padding, and a prefill can share a step with other sequences' decoding.
//!
//! It knows nothing of requests, time or the protocol.

mod attention;
mod cache;
mod shape;
mod weights;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops::{rms_norm, silu};
use candle_nn::rotary_emb::rope_thd;

pub use cache::Cache;
pub use shape::Shape;

use attention::{Projected, attend};
use weights::Weights;

const NORM_EPSILON: f32 = 1e-5;
const ROPE_BASE: f64 = 10_000.0;

/// The weights, ready for steps.
pub struct Llama {
    shape: Shape,
    dtype: DType,
    weights: u64,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    output: Tensor,
    cosines: Tensor,
    sines: Tensor,
}

struct Layer {
    attention_norm: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_output: Tensor,
    feed_norm: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
}

/// A sequence's part of a step.
pub struct Span<'step> {
    /// Its new tokens; at least one.
    pub tokens: &'step [u32],
    /// What it has seen; has room for the new tokens.
    pub cache: &'step mut Cache,
}

impl Llama {
    /// Draws the weights. `goes_on` is asked between layers, and an `Ok(None)` says that it said no.
    pub fn random(
        shape: Shape,
        dtype: DType,
        seed: u64,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Self>> {
        let mut weights = Weights::new(seed, dtype);
        let (hidden, kv, inner) = (shape.hidden_size, shape.kv_size(), shape.intermediate_size);
        let embedding = weights.matrix(shape.vocab_size, hidden)?;
        let mut layers = Vec::with_capacity(shape.num_layers);
        for _ in 0..shape.num_layers {
            if !goes_on() {
                return Ok(None);
            }
            layers.push(Layer {
                attention_norm: weights.norm(hidden)?,
                query: weights.matrix(hidden, hidden)?,
                key: weights.matrix(hidden, kv)?,
                value: weights.matrix(hidden, kv)?,
                attention_output: weights.matrix(hidden, hidden)?,
                feed_norm: weights.norm(hidden)?,
                gate: weights.matrix(hidden, inner)?,
                up: weights.matrix(hidden, inner)?,
                down: weights.matrix(inner, hidden)?,
            });
        }
        let norm = weights.norm(hidden)?;
        let output = weights.matrix(hidden, shape.vocab_size)?;
        let (cosines, sines) = rotary(&shape, dtype)?;
        let weights = weights.count();
        Ok(Some(Self {
            shape,
            dtype,
            weights,
            embedding,
            layers,
            norm,
            output,
            cosines,
            sines,
        }))
    }

    /// Number of weights.
    pub fn weights(&self) -> u64 {
        self.weights
    }

    /// The sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// An empty cache with room for `room` tokens.
    pub fn cache(&self, room: usize) -> Result<Cache> {
        Cache::new(&self.shape, self.dtype, room)
    }

    /// One step: takes the spans' tokens in and gives the logits after each span's last token, as
    /// (spans, vocabulary) in 32 bits.
    pub fn step(&self, spans: &mut [Span<'_>]) -> Result<Tensor> {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut last = Vec::with_capacity(spans.len());
        for span in spans.iter() {
            let start = span.cache.length();
            ids.extend_from_slice(span.tokens);
            positions.extend((start..start + span.tokens.len()).map(index));
            last.push(index(ids.len() - 1));
        }
        let ids = Tensor::new(ids, &Device::Cpu)?;
        let positions = Tensor::new(positions, &Device::Cpu)?;
        let turn = (
            self.cosines.index_select(&positions, 0)?,
            self.sines.index_select(&positions, 0)?,
        );
        let mut stream = self.embedding.index_select(&ids, 0)?;
        for (number, layer) in self.layers.iter().enumerate() {
            let normed = rms_norm(&stream, &layer.attention_norm, NORM_EPSILON)?;
            let attended = self.attention(number, layer, &normed, &turn, spans)?;
            stream = (stream + attended)?;
            let normed = rms_norm(&stream, &layer.feed_norm, NORM_EPSILON)?;
            let inner = (silu(&linear(&normed, &layer.gate)?)? * linear(&normed, &layer.up)?)?;
            stream = (stream + linear(&inner, &layer.down)?)?;
        }
        for span in spans {
            span.cache.advance(span.tokens.len());
        }
        let last = stream.index_select(&Tensor::new(last, &Device::Cpu)?, 0)?;
        linear(&rms_norm(&last, &self.norm, NORM_EPSILON)?, &self.output)?.to_dtype(DType::F32)
    }

    fn attention(
        &self,
        number: usize,
        layer: &Layer,
        input: &Tensor,
        (cosines, sines): &(Tensor, Tensor),
        spans: &[Span<'_>],
    ) -> Result<Tensor> {
        let tokens = input.dim(0)?;
        let (heads, kv_heads, head_dim) = (
            self.shape.num_heads,
            self.shape.num_kv_heads,
            self.shape.head_dim(),
        );
        let turned = |weight: &Tensor, heads: usize| {
            rope_thd(
                &linear(input, weight)?.reshape((1, tokens, heads, head_dim))?,
                cosines,
                sines,
            )?
            .squeeze(0)
        };
        let queries = (turned(&layer.query, heads)? * (1.0 / (head_dim as f64).sqrt()))?;
        let keys = turned(&layer.key, kv_heads)?;
        let values = linear(input, &layer.value)?.reshape((tokens, kv_heads, head_dim))?;
        let mut start = 0;
        let mut attended = Vec::with_capacity(spans.len());
        for span in spans {
            let length = span.tokens.len();
            let new = Projected {
                queries: queries.narrow(0, start, length)?,
                keys: keys.narrow(0, start, length)?,
                values: values.narrow(0, start, length)?,
            };
            attended.push(attend(&self.shape, number, span.cache, &new)?);
            start += length;
        }
        linear(&Tensor::cat(&attended, 0)?, &layer.attention_output)
    }
}

/// The most likely token of each row of logits.
pub fn most_likely(logits: &Tensor) -> Result<Vec<u32>> {
    logits.argmax(D::Minus1)?.to_vec1()
}

fn linear(input: &Tensor, weight: &Tensor) -> Result<Tensor> {
    input.matmul(weight)
}

/// Positions and rows: a context is at most 2²⁰ tokens and a step holds few of them.
fn index(number: usize) -> u32 {
    u32::try_from(number).expect("the memory check refuses steps of 2³² tokens")
}

/// cos and sin of every position's angles: (context, head dim / 2).
fn rotary(shape: &Shape, dtype: DType) -> Result<(Tensor, Tensor)> {
    let half = shape.head_dim() / 2;
    let frequencies: Vec<f32> = (0..half)
        .map(|pair| ROPE_BASE.powf(-(pair as f64) / half as f64) as f32)
        .collect();
    let frequencies = Tensor::from_vec(frequencies, (1, half), &Device::Cpu)?;
    let positions =
        Tensor::arange(0, index(shape.context_length), &Device::Cpu)?.to_dtype(DType::F32)?;
    let angles = positions
        .reshape((shape.context_length, 1))?
        .matmul(&frequencies)?;
    Ok((
        angles.cos()?.to_dtype(dtype)?,
        angles.sin()?.to_dtype(dtype)?,
    ))
}

#[cfg(test)]
mod tests;
