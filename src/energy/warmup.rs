//! When a warm-up has converged: throughput steady and without trend, power without trend, and in a strict
//! campaign temperature too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Summary;
use super::statistics::{Drift, Line};

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

/// Seconds over which a strict warm-up looks at the temperature (docs/measurement.md).
pub const STRICT_TEMPERATURE_SECONDS: f64 = 120.0;
/// Degrees by which the temperature may move over them; readings are whole degrees.
pub const STRICT_TEMPERATURE_CELSIUS: f64 = 1.0;
/// A series of readings covers a span if it reaches from its start to its end but for this share: readings come
/// every so often, and not at its ends.
const COVERED: f64 = 0.95;

/// How the power of the GPUs moved while a warm-up ran, and how warm they got. Several GPUs: of the one that moved
/// most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerTrend {
    /// Change along the fitted line over the last `power_window_seconds`, relative to the mean power; none while
    /// readings cover less.
    pub relative: Option<f64>,
    /// Largest minus smallest temperature of the last 120 s, °C; none while readings cover less.
    pub temperature_span_celsius: Option<f64>,
}

impl PowerTrend {
    /// From the series of one GPU under load: `power` as (CLOCK_MONOTONIC ns, watts), best the means between the
    /// counter's steps ([`mean_watts`]), and `temperature` as (ns, °C), both ascending and from the start of the
    /// warm-up on.
    #[must_use]
    pub fn of(
        power: &[(u64, f64)],
        temperature: &[(u64, f64)],
        window_seconds: f64,
        now_ns: u64,
    ) -> Self {
        let relative = latest(power, window_seconds, now_ns).and_then(|points| {
            let line = Line::through(&points)?;
            (line.mean > 0.0).then(|| line.slope * window_seconds / line.mean)
        });
        let temperature_span_celsius =
            latest(temperature, STRICT_TEMPERATURE_SECONDS, now_ns).map(|points| {
                let values = || points.iter().map(|point| point.1);
                values().fold(f64::MIN, f64::max) - values().fold(f64::MAX, f64::min)
            });
        Self {
            relative,
            temperature_span_celsius,
        }
    }

    /// Of several GPUs the worst in each respect; what one does not know, none knows.
    #[must_use]
    pub fn worst(trends: &[Self]) -> Option<Self> {
        let largest = |pick: fn(&Self) -> Option<f64>| {
            trends.iter().map(pick).try_fold(0.0_f64, |worst, value| {
                value.map(|value| {
                    if value.abs() > worst.abs() {
                        value
                    } else {
                        worst
                    }
                })
            })
        };
        (!trends.is_empty()).then(|| Self {
            relative: largest(|trend| trend.relative),
            temperature_span_celsius: largest(|trend| trend.temperature_span_celsius),
        })
    }
}

/// The points of the last `seconds` before `now_ns`, in seconds from their start; none while they cover less.
fn latest(series: &[(u64, f64)], seconds: f64, now_ns: u64) -> Option<Vec<(f64, f64)>> {
    let start = now_ns.checked_sub((seconds * 1e9) as u64)?;
    let points: Vec<(f64, f64)> = series
        .iter()
        .filter(|(at, _)| (start..=now_ns).contains(at))
        .map(|(at, value)| ((at - start) as f64 / 1e9, *value))
        .collect();
    let covered = points.last()?.0 - points.first()?.0;
    (points.len() >= 3 && covered >= COVERED * seconds - 2.0 * longest(&points)).then_some(points)
}

/// The longest time between two points: readings once a second need not fall on a span's ends.
fn longest(points: &[(f64, f64)]) -> f64 {
    points
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .fold(0.0, f64::max)
        .min(1.5)
}

/// The mean power between consecutive steps of an energy counter, at the middle of each: `steps` are
/// (CLOCK_MONOTONIC ns, millijoules), ascending. Steps that do not ascend are left out.
#[must_use]
pub fn mean_watts(steps: &[(u64, u64)]) -> Vec<(u64, f64)> {
    steps
        .windows(2)
        .filter_map(|pair| {
            let [(from, low), (to, high)] = [pair[0], pair[1]];
            let seconds = to.checked_sub(from).filter(|ns| *ns > 0)? as f64 / 1e9;
            let joules = high.checked_sub(low)? as f64 / 1e3;
            Some((from + (to - from) / 2, joules / seconds))
        })
        .collect()
}

/// The rule of convergence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupRule {
    /// The latest iterations that must agree, and so the least number of them; at least 1.
    pub min_iterations: u32,
    /// Largest coefficient of variation of their throughput, dimensionless.
    pub throughput_cv: f64,
    /// Largest fitted trend of their throughput across them, relative to its mean; judged from three up.
    pub throughput_trend: f64,
    /// Largest trend of the power, relative to its mean.
    pub power_trend: f64,
    /// Temperature must have settled too.
    pub strict: bool,
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

/// One condition of convergence, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmupCriterion {
    /// `throughput_cv`, `throughput_trend`, `power_trend` or `temperature_span_celsius`.
    pub criterion: String,
    /// The value seen; none while there are too few iterations or readings for one.
    pub value: Option<f64>,
    /// Its size may be at most this.
    pub limit: f64,
    /// Whether it holds.
    pub met: bool,
}

impl WarmupRule {
    /// The conditions that apply, each with what is seen of it. `power` is none where there is no GPU, or none
    /// whose power can be read: then neither power nor temperature is asked.
    #[must_use]
    pub fn criteria(
        &self,
        series: &[Iteration],
        power: Option<&PowerTrend>,
    ) -> Vec<WarmupCriterion> {
        let window = self.min_iterations.max(1) as usize;
        let latest: Option<Vec<f64>> = series.len().checked_sub(window).map(|start| {
            series[start..]
                .iter()
                .map(Iteration::tokens_per_second)
                .collect()
        });
        // One iteration has no spread, and iterations without any token agree.
        let still = |latest: &Vec<f64>| latest.len() < 2 || latest.iter().all(|rate| *rate == 0.0);
        let cv = latest.as_ref().and_then(|latest| {
            if still(latest) {
                return Some(0.0);
            }
            Summary::of(latest)?.cv()
        });
        let criterion = |name: &str, value: Option<f64>, limit: f64| WarmupCriterion {
            criterion: name.to_owned(),
            value,
            limit,
            met: value.is_some_and(|value| value.abs() <= limit),
        };
        let mut criteria = vec![criterion("throughput_cv", cv, self.throughput_cv)];
        if window >= 3 {
            let trend = latest.as_ref().and_then(|latest| {
                if still(latest) {
                    return Some(0.0);
                }
                Drift::of(latest).map(|drift| drift.fitted)
            });
            criteria.push(criterion("throughput_trend", trend, self.throughput_trend));
        }
        if let Some(power) = power {
            criteria.push(criterion("power_trend", power.relative, self.power_trend));
            if self.strict {
                criteria.push(criterion(
                    "temperature_span_celsius",
                    power.temperature_span_celsius,
                    STRICT_TEMPERATURE_CELSIUS,
                ));
            }
        }
        criteria
    }

    /// Judges a series; `power` as in [`WarmupRule::criteria`].
    #[must_use]
    pub fn judge(&self, series: &[Iteration], power: Option<&PowerTrend>) -> Convergence {
        if self
            .criteria(series, power)
            .iter()
            .all(|criterion| criterion.met)
        {
            return Convergence::Converged;
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
mod tests;
