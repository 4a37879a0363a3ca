//! Parameters as they come in a request: read once, refused unless every one is known, present, of the
//! right type and in its range. Defaults live in the catalogue, not here.

use candle_core::DType;
use lem_protocol::Parameters;
use serde_json::{Value, json};

use crate::fault::{Code, Fault};
use crate::model::Shape;

/// Largest whole number that JSON carries exactly everywhere.
const MAX_EXACT: u64 = (1 << 53) - 1;

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
        if shape.head_dim() % 2 != 0 {
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

/// Hands parameters out by name and remembers which ones nobody asked for.
struct Reader<'a> {
    left: std::collections::BTreeMap<&'a str, &'a Value>,
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        let left = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        Self {
            left,
            known: Vec::new(),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.left.remove(name)
    }

    fn required(&mut self, name: &'static str) -> Result<&'a Value, Fault> {
        self.take(name)
            .ok_or_else(|| refused(format!("{name} is missing")))
    }

    /// A whole number from 1 to `most`.
    fn size(&mut self, name: &'static str, most: u64) -> Result<usize, Fault> {
        let value = self.required(name)?;
        whole(name, value, 1, most).map(|number| number as usize)
    }

    fn optional(
        &mut self,
        name: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, Fault> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => whole(name, value, least, most).map(Some),
        }
    }

    fn number(&mut self, name: &'static str, most: f64) -> Result<f64, Fault> {
        let value = self.required(name)?;
        match value.as_f64() {
            Some(number) if (0.0..=most).contains(&number) => Ok(number),
            _ => Err(refused(format!(
                "{name} is {}, expected a number from 0 to {most}",
                shown(value)
            ))),
        }
    }

    fn dtype(&mut self, name: &'static str) -> Result<DType, Fault> {
        let value = self.required(name)?;
        match value.as_str() {
            Some("float32") => Ok(DType::F32),
            Some("float16") => Ok(DType::F16),
            Some("bfloat16") => Ok(DType::BF16),
            _ => Err(refused(format!(
                "{name} is {}, expected float32, float16 or bfloat16",
                shown(value)
            ))),
        }
    }

    fn finish(self) -> Result<(), Fault> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(refused(format!(
                "{} is not a parameter here; known are {}",
                shown(&Value::from(*name)),
                self.known.join(", ")
            ))),
        }
    }
}

fn whole(name: &str, value: &Value, least: u64, most: u64) -> Result<u64, Fault> {
    match value.as_u64() {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(refused(format!(
            "{name} is {}, expected a whole number from {least} to {most}",
            shown(value)
        ))),
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

/// A value that came from outside, short enough for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        text
    } else {
        text.chars().take(79).chain(['…']).collect()
    }
}

fn refused(message: impl Into<String>) -> Fault {
    Fault::new(Code::BadParameter, message)
        .hint("see `lemctl params list reference` for the names, types and ranges")
}

fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F16 => "float16",
        DType::BF16 => "bfloat16",
        _ => "float32",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Parameters {
        let json = json!({"threads": 2, "dtype": "float32", "hidden_size": 32, "num_layers": 2, "num_heads": 4,
            "num_kv_heads": 2, "intermediate_size": 48, "vocab_size": 97, "context_length": 64});
        serde_json::from_value(json).unwrap()
    }

    fn request() -> Parameters {
        serde_json::from_value(
            json!({"batch_size": 3, "temperature": 0.5, "top_k": 4, "sampling_seed": 1}),
        )
        .unwrap()
    }

    fn changed(mut parameters: Parameters, name: &str, value: Value) -> Parameters {
        parameters.insert(name.to_owned(), value);
        parameters
    }

    #[test]
    fn what_was_asked_is_what_is_effective() {
        let read = Engine::read(&engine()).unwrap();
        assert_eq!(read.effective(2), engine());
        assert_eq!(
            Request::read(&request(), 97).unwrap().effective(),
            request()
        );
    }

    #[test]
    fn every_engine_parameter_is_required_and_no_other_is_taken() {
        for name in engine().keys() {
            let mut fewer = engine();
            fewer.remove(name);
            let fault = Engine::read(&fewer).unwrap_err();
            assert!(
                fault.code == Code::BadParameter && fault.message.contains(name),
                "{fault:?}"
            );
        }
        let fault = Engine::read(&changed(engine(), "thread", json!(1))).unwrap_err();
        assert!(
            fault.message.starts_with("\"thread\" is not a parameter"),
            "{fault:?}"
        );
    }

    #[test]
    fn wrong_types_and_ranges_are_refused() {
        for (name, value) in [
            ("threads", json!(0)),
            ("threads", json!(-1)),
            ("threads", json!(1.5)),
            ("threads", json!("2")),
            ("threads", json!(null)),
            ("threads", json!(u64::MAX)),
            ("dtype", json!("int8")),
            ("dtype", json!(32)),
            ("hidden_size", json!(34)),
            ("num_heads", json!(32)),
            ("num_kv_heads", json!(3)),
            ("vocab_size", json!(1 << 21)),
        ] {
            let fault = Engine::read(&changed(engine(), name, value.clone())).unwrap_err();
            assert_eq!(fault.code, Code::BadParameter, "{name} {value}");
        }
        for (name, value) in [
            ("batch_size", json!(0)),
            ("temperature", json!(-0.1)),
            ("temperature", json!("0")),
            ("top_k", json!(0)),
            ("top_k", json!(98)),
            ("sampling_seed", json!(1u64 << 53)),
            ("sampling_seed", json!(null)),
            ("top_p", json!(1)),
        ] {
            let fault = Request::read(&changed(request(), name, value.clone()), 97).unwrap_err();
            assert_eq!(fault.code, Code::BadParameter, "{name} {value}");
        }
    }

    #[test]
    fn greedy_needs_no_seed_and_says_what_it_ignores() {
        let parameters =
            serde_json::from_value(json!({"batch_size": 1, "temperature": 0.0, "top_k": 5}))
                .unwrap();
        let read = Request::read(&parameters, 97).unwrap();
        assert_eq!(read.sampling, Sampling::Greedy);
        assert_eq!(read.effective()["top_k"], Value::Null);
    }

    #[test]
    fn a_huge_value_does_not_make_a_huge_message() {
        let fault =
            Engine::read(&changed(engine(), "dtype", json!("x".repeat(100_000)))).unwrap_err();
        assert!(fault.message.len() < 200);
    }
}
