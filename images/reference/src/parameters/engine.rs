//! Engine-level parameters: what `load` fixes.

use candle_core::DType;
use lem_protocol::Parameters;
use serde_json::json;

use super::reader::{Reader, refused};
use crate::fault::Fault;
use crate::model::Shape;

/// What `load` fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Threads that compute.
    pub threads: usize,
    /// Type of weights, cache and arithmetic.
    pub dtype: DType,
    /// The model's sizes.
    pub shape: Shape,
}

impl Engine {
    /// Reads and checks engine-level parameters.
    pub fn read(parameters: &Parameters) -> Result<Self, Fault> {
        let mut reader = Reader::new(parameters);
        let threads = reader.size("threads", 1024)?;
        let dtype = reader.dtype("dtype")?;
        let shape = Shape {
            hidden_size: reader.size("hidden_size", 1 << 16)?,
            num_layers: reader.size("num_layers", 1024)?,
            num_heads: reader.size("num_heads", 1024)?,
            num_kv_heads: reader.size("num_kv_heads", 1024)?,
            intermediate_size: reader.size("intermediate_size", 1 << 18)?,
            vocab_size: reader.size("vocab_size", 1 << 20)?,
            context_length: reader.size("context_length", 1 << 20)?,
        };
        reader.finish()?;
        divides(
            "num_heads",
            shape.num_heads,
            "hidden_size",
            shape.hidden_size,
        )?;
        divides(
            "num_kv_heads",
            shape.num_kv_heads,
            "num_heads",
            shape.num_heads,
        )?;
        if !shape.head_dim().is_multiple_of(2) {
            return Err(refused(format!(
                "hidden_size / num_heads is {}, but rotary embedding needs an even head",
                shape.head_dim()
            )));
        }
        Ok(Self {
            threads,
            dtype,
            shape,
        })
    }

    /// By catalogue name, with the number of threads that really compute.
    pub fn effective(&self, threads: usize) -> Parameters {
        let shape = &self.shape;
        [
            ("threads", json!(threads)),
            ("dtype", json!(dtype_name(self.dtype))),
            ("hidden_size", json!(shape.hidden_size)),
            ("num_layers", json!(shape.num_layers)),
            ("num_heads", json!(shape.num_heads)),
            ("num_kv_heads", json!(shape.num_kv_heads)),
            ("intermediate_size", json!(shape.intermediate_size)),
            ("vocab_size", json!(shape.vocab_size)),
            ("context_length", json!(shape.context_length)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn divides(part_name: &str, part: usize, whole_name: &str, whole: usize) -> Result<(), Fault> {
    if whole.is_multiple_of(part) {
        return Ok(());
    }
    Err(refused(format!(
        "{part_name} {part} does not divide {whole_name} {whole}"
    )))
}

fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 => "float16",
        DType::BF16 => "bfloat16",
        _ => "float32",
    }
}
