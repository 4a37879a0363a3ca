//! Energy by what was done with it: every denominator is in the name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a window's energy is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denominators {
    /// Output tokens emitted inside.
    pub output_tokens: u64,
    /// Input tokens of the requests that finished inside.
    pub input_tokens: u64,
    /// Requests that finished inside.
    pub requests: u64,
}

/// Energy of a window by its work. A figure whose denominator is 0 is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnergyFigures {
    /// Raw joules by output tokens.
    pub joules_per_output_token: Option<f64>,
    /// Raw joules by input tokens.
    pub joules_per_input_token: Option<f64>,
    /// Raw joules by finished requests.
    pub joules_per_request: Option<f64>,
    /// Output tokens per second by mean watts: the reciprocal of joules per output token.
    pub output_tokens_per_second_per_watt: Option<f64>,
    /// Raw joules − resident power × seconds, in joules.
    pub joules_above_resident: Option<f64>,
    /// The same by output tokens.
    pub joules_per_output_token_above_resident: Option<f64>,
    /// The same by input tokens.
    pub joules_per_input_token_above_resident: Option<f64>,
    /// The same by finished requests.
    pub joules_per_request_above_resident: Option<f64>,
}

/// Divides a window's energy by its work. `resident_watts` is the summed resident power of the same GPUs.
#[must_use]
pub fn energy_figures(
    joules: Option<f64>,
    seconds: f64,
    resident_watts: Option<f64>,
    by: Denominators,
) -> EnergyFigures {
    let _ = (joules, seconds, resident_watts, by);
    unimplemented!()
}
