//! The keys and values that a sequence has seen.

use candle_core::{DType, Device, Result, Tensor};

use super::Shape;

/// One sequence's cache, with room for all tokens that it will ever hold: no step allocates.
pub struct Cache {
    layers: Vec<LayerCache>,
    length: usize,
}

/// One layer's part: (kv heads, room, head dim) each.
pub struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

impl Cache {
    /// An empty cache for `room` tokens.
    pub fn new(shape: &Shape, dtype: DType, room: usize) -> Result<Self> {
        let layers = (0..shape.num_layers).map(|_| {
            let size = (shape.num_kv_heads, room, shape.head_dim());
            Ok(LayerCache {
                keys: Tensor::zeros(size, dtype, &Device::Cpu)?,
                values: Tensor::zeros(size, dtype, &Device::Cpu)?,
            })
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            length: 0,
        })
    }

    /// Tokens that every layer holds.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Called once per step, after every layer has taken `tokens` in.
    pub fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }

    /// Takes in keys and values of (kv heads, new tokens, head dim) and gives back all of the layer's.
    pub fn extend(&self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let LayerCache {
            keys: all_keys,
            values: all_values,
        } = &self.layers[layer];
        all_keys.slice_set(keys, 1, self.length)?;
        all_values.slice_set(values, 1, self.length)?;
        let length = self.length + keys.dim(1)?;
        Ok((
            all_keys.narrow(1, 0, length)?,
            all_values.narrow(1, 0, length)?,
        ))
    }
}
