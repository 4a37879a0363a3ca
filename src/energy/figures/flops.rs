//! An estimate of the floating-point operations of a window. It counts what a dense computation of the tokens takes,
//! and knows nothing of how an engine does it.

use lem_protocol::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WindowFigures;

/// The formula without attention.
const WEIGHTS: &str = "2·N_active·tokens";
/// The formula with it.
const WITH_ATTENTION: &str = "2·N_active·tokens + 4·layers·heads·head_dim·Σ context";

/// What attention's work follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Blocks.
    pub layers: u32,
    /// Heads of queries by the width of one.
    pub width: u64,
}

/// Floating-point operations of a window, estimated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlopsEstimate {
    /// How it was computed. `N_active`: weights that one token uses; `tokens`: those that went through the model,
    /// cached ones aside; `context`: of each of them, the tokens up to it. Multiplication and addition count as two.
    pub formula: String,
    /// `N_active`.
    pub active_parameters: u64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Operations in the window.
    pub flops: f64,
    /// The same a second.
    pub flops_per_second: f64,
}

/// Estimates the operations of a window. A prefill counts where its first token exists, each later token where it exists.
#[must_use]
pub fn flops_estimate(
    record: &Record,
    figures: &WindowFigures,
    active_parameters: u64,
    attention: Option<AttentionShape>,
) -> Option<FlopsEstimate> {
    if active_parameters == 0 {
        return None;
    }
    let inside = |at: u64| at > figures.start_ns && at <= figures.end_ns;
    let finished = record.requests.iter().map(|one| {
        let cached = one.cached_tokens.min(one.input_tokens);
        let first = Some(one.first_token_ns);
        (one.input_tokens, cached, first, &one.token_gaps_ns)
    });
    let unfinished = record
        .unfinished
        .iter()
        .map(|one| (one.input_tokens, 0, one.first_token_ns, &one.token_gaps_ns));
    let (mut tokens, mut context) = (0_u64, 0.0);
    for (input, cached, first, gaps) in finished.chain(unfinished) {
        let Some(mut at) = first else { continue };
        let (input, cached) = (u64::from(input), u64::from(cached));
        if inside(at) {
            tokens += input - cached;
            // 1 + 2 + … up to the input, less what was cached.
            context += triangle(input) - triangle(cached);
        }
        for (place, gap) in gaps.iter().enumerate() {
            at = at.saturating_add(*gap);
            if inside(at) {
                tokens += 1;
                context += (input + place as u64 + 1) as f64;
            }
        }
    }
    let weights = 2.0 * active_parameters as f64 * tokens as f64;
    let attended =
        attention.map(|shape| 4.0 * f64::from(shape.layers) * shape.width as f64 * context);
    let flops = weights + attended.unwrap_or(0.0);
    let formula = if attended.is_some() {
        WITH_ATTENTION
    } else {
        WEIGHTS
    };
    Some(FlopsEstimate {
        formula: formula.to_owned(),
        active_parameters,
        tokens,
        flops,
        flops_per_second: flops / figures.seconds,
    })
}

fn triangle(tokens: u64) -> f64 {
    tokens as f64 * (tokens as f64 + 1.0) / 2.0
}
