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

/// Energy of a window by its work. A figure whose denominator is 0, or that needs an energy or a baseline that
/// does not exist, is null.
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
    let above = match (joules, resident_watts) {
        (Some(joules), Some(watts)) => Some(joules - watts * seconds),
        _ => None,
    };
    let per = |energy: Option<f64>, count: u64| {
        energy
            .filter(|_| count > 0)
            .map(|energy| energy / count as f64)
            .filter(|figure| figure.is_finite())
    };
    let efficiency = joules
        .filter(|joules| *joules > 0.0)
        .map(|joules| by.output_tokens as f64 / joules);
    EnergyFigures {
        joules_per_output_token: per(joules, by.output_tokens),
        joules_per_input_token: per(joules, by.input_tokens),
        joules_per_request: per(joules, by.requests),
        output_tokens_per_second_per_watt: efficiency,
        joules_above_resident: above,
        joules_per_output_token_above_resident: per(above, by.output_tokens),
        joules_per_input_token_above_resident: per(above, by.input_tokens),
        joules_per_request_above_resident: per(above, by.requests),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: Denominators = Denominators {
        output_tokens: 4000,
        input_tokens: 1000,
        requests: 10,
    };

    #[test]
    fn figures_keep_the_physical_identities() {
        let (joules, seconds) = (6000.0, 10.0);
        let figures = energy_figures(Some(joules), seconds, Some(118.0), BY);
        let per_token = figures.joules_per_output_token.expect("tokens");
        let rate = BY.output_tokens as f64 / seconds;
        // J/token × tokens/s = W.
        assert!((per_token * rate - joules / seconds).abs() < 1e-9);
        let efficiency = figures.output_tokens_per_second_per_watt.expect("energy");
        assert!((efficiency - rate / (joules / seconds)).abs() < 1e-12);
        assert!((efficiency * per_token - 1.0).abs() < 1e-12);
        assert_eq!(figures.joules_above_resident, Some(6000.0 - 1180.0));
        assert_eq!(figures.joules_per_request_above_resident, Some(482.0));
        assert_eq!(figures.joules_per_input_token, Some(6.0));
    }

    #[test]
    fn what_is_missing_stays_missing() {
        let none = energy_figures(None, 10.0, Some(118.0), BY);
        assert_eq!(none.joules_per_output_token, None);
        assert_eq!(none.output_tokens_per_second_per_watt, None);
        let no_baseline = energy_figures(Some(1.0), 10.0, None, BY);
        assert!(no_baseline.joules_per_request.is_some());
        assert_eq!(no_baseline.joules_per_request_above_resident, None);
        let idle = Denominators {
            output_tokens: 0,
            ..BY
        };
        assert_eq!(
            energy_figures(Some(1.0), 1.0, None, idle).joules_per_output_token,
            None
        );
    }
}
