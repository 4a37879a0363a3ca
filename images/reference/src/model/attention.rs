//! Grouped-query attention of one sequence over its cache.

use candle_core::{Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::Shape;
use super::cache::Cache;

/// Queries, keys and values of a sequence's new tokens.
pub struct Projected {
    /// (tokens, heads, head dim), turned, and scaled by 1/√(head dim).
    pub queries: Tensor,
    /// (tokens, kv heads, head dim), turned.
    pub keys: Tensor,
    /// (tokens, kv heads, head dim).
    pub values: Tensor,
}

/// Returns (tokens, hidden size). Every token sees the cache and the new tokens up to itself.
pub fn attend(shape: &Shape, layer: usize, cache: &Cache, new: &Projected) -> Result<Tensor> {
    let tokens = new.queries.dim(0)?;
    let (kv_heads, head_dim) = (shape.num_kv_heads, shape.head_dim());
    let group = shape.num_heads / kv_heads;
    let by_head = |tensor: &Tensor| tensor.transpose(0, 1)?.contiguous();
    let (keys, values) = cache.extend(layer, &by_head(&new.keys)?, &by_head(&new.values)?)?;
    let length = keys.dim(1)?;
    // All queries of a group meet the same keys: one product per kv head.
    let queries = new
        .queries
        .reshape((tokens, kv_heads, group, head_dim))?
        .permute((1, 2, 0, 3))?
        .reshape((kv_heads, group * tokens, head_dim))?;
    let mut scores = queries.matmul(&keys.transpose(1, 2)?)?;
    if tokens > 1 {
        let mask = causal_mask(tokens, length)?.to_dtype(scores.dtype())?;
        scores = scores
            .reshape((kv_heads, group, tokens, length))?
            .broadcast_add(&mask)?
            .reshape((kv_heads, group * tokens, length))?;
    }
    softmax_last_dim(&scores)?
        .matmul(&values)?
        .reshape((kv_heads, group, tokens, head_dim))?
        .permute((2, 0, 1, 3))?
        .reshape((tokens, shape.hidden_size))
}

/// 0 where a new token may look and −∞ where it would look ahead: (tokens, length).
fn causal_mask(tokens: usize, length: usize) -> Result<Tensor> {
    let before = length - tokens;
    let mask: Vec<f32> = (0..tokens)
        .flat_map(|query| {
            (0..length).map(move |key| {
                if key <= before + query {
                    0.0
                } else {
                    f32::NEG_INFINITY
                }
            })
        })
        .collect();
    Tensor::from_vec(mask, (tokens, length), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tokens_see_the_past_and_each_other_up_to_themselves() {
        let mask = causal_mask(2, 4).unwrap().to_vec2::<f32>().unwrap();
        let hidden = f32::NEG_INFINITY;
        assert_eq!(mask, [[0.0, 0.0, 0.0, hidden], [0.0, 0.0, 0.0, 0.0]]);
    }
}
