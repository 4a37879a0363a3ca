//! Hands parameters out by name, typed and bounded, and remembers which ones nobody asked for.

use candle_core::DType;
use lem_protocol::Parameters;
use serde_json::Value;

use crate::fault::{Code, Fault};

/// Hands parameters out by name and remembers which ones nobody asked for.
pub struct Reader<'a> {
    left: std::collections::BTreeMap<&'a str, &'a Value>,
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// Begins with all of them.
    pub fn new(parameters: &'a Parameters) -> Self {
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
    pub fn size(&mut self, name: &'static str, most: u64) -> Result<usize, Fault> {
        let value = self.required(name)?;
        whole(name, value, 1, most).map(|number| number as usize)
    }

    /// A whole number, or nothing where it is absent or null.
    pub fn optional(
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

    /// A number from 0 to `most`.
    pub fn number(&mut self, name: &'static str, most: f64) -> Result<f64, Fault> {
        let value = self.required(name)?;
        match value.as_f64() {
            Some(number) if (0.0..=most).contains(&number) => Ok(number),
            _ => Err(refused(format!(
                "{name} is {}, expected a number from 0 to {most}",
                shown(value)
            ))),
        }
    }

    /// The name of a type of numbers.
    pub fn dtype(&mut self, name: &'static str) -> Result<DType, Fault> {
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

    /// Refuses what nobody asked for.
    pub fn finish(self) -> Result<(), Fault> {
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

/// A value that came from outside, short enough for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        text
    } else {
        text.chars().take(79).chain(['…']).collect()
    }
}

/// A parameter's refusal.
pub fn refused(message: impl Into<String>) -> Fault {
    Fault::new(Code::BadParameter, message)
        .hint("see `lemctl params list reference` for the names, types and ranges")
}
