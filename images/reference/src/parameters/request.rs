//! Request-level parameters: what each piece of work fixes.

use lem_protocol::Parameters;
use serde_json::{Value, json};

use super::reader::{Reader, refused};
use crate::fault::Fault;

/// Largest whole number that JSON carries exactly everywhere.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// What each piece of work fixes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// Sequences that run together at most.
    pub batch_size: usize,
    /// How the next token is chosen.
    pub sampling: Sampling,
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The most likely one: temperature 0.
    Greedy,
    /// Drawn.
    Random {
        /// Divides the logits; above 0.
        temperature: f64,
        /// Only so many of the most likely tokens can be drawn.
        top_k: Option<usize>,
        /// Seed of the draws.
        seed: u64,
    },
}

impl Request {
    /// Reads and checks request-level parameters for a vocabulary. `top_k` and `sampling_seed` may be
    /// absent or null: the first then means no limit, the second is needed only above temperature 0.
    pub fn read(parameters: &Parameters, vocab_size: usize) -> Result<Self, Fault> {
        let mut reader = Reader::new(parameters);
        let batch_size = reader.size("batch_size", 4096)?;
        let temperature = reader.number("temperature", 100.0)?;
        let top_k = reader.optional("top_k", 1, vocab_size as u64)?;
        let seed = reader.optional("sampling_seed", 0, MAX_EXACT)?;
        reader.finish()?;
        let sampling = if temperature == 0.0 {
            Sampling::Greedy
        } else {
            let seed = seed.ok_or_else(|| {
                refused("sampling_seed is missing, and temperature is above 0: the tokens would not repeat")
            })?;
            Sampling::Random {
                temperature,
                top_k: top_k.map(|limit| limit as usize),
                seed,
            }
        };
        Ok(Self {
            batch_size,
            sampling,
        })
    }

    /// By catalogue name. Greedy choice uses neither `top_k` nor `sampling_seed`: they are null.
    pub fn effective(&self) -> Parameters {
        let (temperature, top_k, seed) = match self.sampling {
            Sampling::Greedy => (json!(0), Value::Null, Value::Null),
            Sampling::Random {
                temperature,
                top_k,
                seed,
            } => (json!(temperature), json!(top_k), json!(seed)),
        };
        [
            ("batch_size", json!(self.batch_size)),
            ("temperature", temperature),
            ("top_k", top_k),
            ("sampling_seed", seed),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}
