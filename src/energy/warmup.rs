//! When a warm-up has converged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Summary;

/// One warm-up iteration, as the worker reports it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Iteration {
    /// Tokens generated.
    pub output_tokens: u64,
    /// First request to last token.
    pub elapsed_ns: u64,
}

impl Iteration {
    /// Its throughput; 0 if it took no time.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        if self.elapsed_ns == 0 {
            0.0
        } else {
            self.output_tokens as f64 * 1e9 / self.elapsed_ns as f64
        }
    }
}

/// The rule of convergence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupRule {
    /// The latest iterations that must agree, and so the least number of them; at least 1.
    pub min_iterations: u32,
    /// Largest coefficient of variation of their throughput, dimensionless.
    pub throughput_cv: f64,
    /// Seconds of iterations after which it ends anyway.
    pub max_seconds: f64,
}

/// Where a warm-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Convergence {
    /// Go on.
    NotYet,
    /// The latest iterations agree.
    Converged,
    /// The time is up before they did.
    Capped,
}

impl WarmupRule {
    /// Judges a series.
    #[must_use]
    pub fn judge(&self, series: &[Iteration]) -> Convergence {
        let window = self.min_iterations.max(1) as usize;
        if let Some(start) = series.len().checked_sub(window) {
            let latest: Vec<f64> = series[start..]
                .iter()
                .map(Iteration::tokens_per_second)
                .collect();
            let spread = Summary::of(&latest)
                .and_then(|summary| summary.cv())
                .unwrap_or(0.0);
            if spread <= self.throughput_cv {
                return Convergence::Converged;
            }
        }
        let seconds: f64 = series
            .iter()
            .map(|iteration| iteration.elapsed_ns as f64 / 1e9)
            .sum();
        if seconds >= self.max_seconds {
            Convergence::Capped
        } else {
            Convergence::NotYet
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rates: &[u64]) -> Vec<Iteration> {
        rates
            .iter()
            .map(|rate| Iteration {
                output_tokens: *rate,
                elapsed_ns: 1_000_000_000,
            })
            .collect()
    }

    const RULE: WarmupRule = WarmupRule {
        min_iterations: 3,
        throughput_cv: 0.05,
        max_seconds: 6.0,
    };

    #[test]
    fn it_converges_on_the_latest_iterations_only() {
        assert_eq!(RULE.judge(&series(&[10, 60])), Convergence::NotYet);
        assert_eq!(RULE.judge(&series(&[10, 60, 100])), Convergence::NotYet);
        assert_eq!(
            RULE.judge(&series(&[10, 60, 100, 101, 99])),
            Convergence::Converged
        );
    }

    #[test]
    fn it_gives_up_at_the_cap() {
        assert_eq!(
            RULE.judge(&series(&[10, 60, 10, 60, 10, 60])),
            Convergence::Capped
        );
    }
}
