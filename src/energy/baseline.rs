//! The idle power of one GPU in one state, and whether it stayed what it was.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::statistics::student_t;
use super::{GpuReadings, PowerReading};

/// A state in which a GPU idles. Power depends on it far more than on the memory in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdleState {
    /// No context on the GPU.
    Bare,
    /// A context, and nothing loaded.
    Context,
    /// Model loaded, hot, no request.
    Resident,
}

/// What was read of one GPU while it idled.
#[derive(Debug, Clone, Copy)]
pub struct BaselineRequest<'a> {
    /// The state.
    pub state: IdleState,
    /// Start of the idle interval, CLOCK_MONOTONIC ns: after the settling time.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Power and energy.
    pub readings: &'a GpuReadings,
    /// (CLOCK_MONOTONIC ns, °C).
    pub temperature: &'a [(u64, f64)],
    /// (CLOCK_MONOTONIC ns, MHz).
    pub sm_clock: &'a [(u64, f64)],
}

/// The idle power of one GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// UUID of the GPU.
    pub gpu: String,
    /// The state.
    pub state: IdleState,
    /// Mean power, watts, on the sensor's own scale.
    pub watts: f64,
    /// Half-width of its 95 % interval from timing and from the spread of its seconds, watts.
    pub half_width_watts: f64,
    /// Seconds that the mean is over.
    pub seconds: f64,
    /// Mean temperature, °C; none if it was not read.
    pub temperature_celsius: Option<f64>,
    /// Mean SM clock, MHz; none if it was not read. Idle power at one clock is not the static part of the power at
    /// another.
    pub sm_clock_mhz: Option<f64>,
    /// Where the power comes from.
    pub source: BaselineSource,
}

/// Where a baseline's power comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselineSource {
    /// The energy counter, between its first and its last step inside the interval.
    Counter,
    /// The driver's average power.
    Average,
}

/// Blocks over which the spread is taken, in seconds: average power is a trailing mean of about a second, so values
/// closer together are not independent.
const BLOCK_SECONDS: f64 = 1.0;

impl Baseline {
    /// From readings.
    ///
    /// # Errors
    /// Why there is no baseline: neither source has two values inside the interval.
    pub fn of(request: &BaselineRequest<'_>) -> Result<Self, String> {
        let (watts, half_width_watts, seconds, source) = by_counter(request)
            .or_else(|| by_average(request))
            .ok_or_else(|| {
                format!(
                    "{}: neither the energy counter nor average power was read twice in the {:.1} s of the baseline",
                    request.readings.gpu,
                    request.end_ns.saturating_sub(request.start_ns) as f64 / 1e9
                )
            })?;
        Ok(Self {
            gpu: request.readings.gpu.clone(),
            state: request.state,
            watts,
            half_width_watts,
            seconds,
            temperature_celsius: mean_inside(request, request.temperature),
            sm_clock_mhz: mean_inside(request, request.sm_clock),
            source,
        })
    }

    /// Watts by which two takings of a baseline differ, if that is more than `limit_watts`.
    #[must_use]
    pub fn unstable(&self, again: &Self, limit_watts: f64) -> Option<f64> {
        let difference = (again.watts - self.watts).abs();
        (difference > limit_watts).then_some(difference)
    }

    /// The power to set against a window between two takings, in watts: their mean, and its half-width, which
    /// holds both where they differ by more than their own.
    #[must_use]
    pub fn between(&self, again: &Self) -> (f64, f64) {
        let own = self.half_width_watts.hypot(again.half_width_watts) / 2.0;
        let apart = (again.watts - self.watts).abs() / 2.0;
        ((self.watts + again.watts) / 2.0, own.max(apart))
    }
}

/// Watts, half-width, seconds.
type Taken = (f64, f64, f64, BaselineSource);

fn by_counter(request: &BaselineRequest<'_>) -> Option<Taken> {
    let edges: Vec<(f64, f64, f64)> = request
        .readings
        .counter
        .iter()
        .filter(|edge| edge.before_ns >= request.start_ns && edge.after_ns <= request.end_ns)
        .map(|edge| {
            // Within the two calls the step is anywhere: a rectangle of this half-width.
            let half = edge.after_ns.saturating_sub(edge.before_ns) as f64 / 2e9;
            let middle = (edge.before_ns - request.start_ns) as f64 / 1e9 + half;
            (middle, half, edge.millijoules as f64 / 1e3)
        })
        .collect();
    let edges = between_sharp_ends(&edges);
    let (first, last) = (edges.first()?, edges.last()?);
    let seconds = last.0 - first.0;
    let joules = last.2 - first.2;
    // A counter that went back (the driver was loaded anew) counts no energy across it.
    if seconds <= 0.0 || edges.windows(2).any(|pair| pair[1].2 < pair[0].2) {
        return None;
    }
    let watts = joules / seconds;
    // 1.96 standard deviations of the difference of two rectangles, sd = half / √3 each.
    let timing = 1.96 * watts * first.1.hypot(last.1) / 3.0_f64.sqrt() / seconds;
    let means: Vec<(f64, f64)> = edges
        .windows(2)
        .filter(|pair| pair[1].0 > pair[0].0)
        .map(|pair| {
            let width = pair[1].0 - pair[0].0;
            (pair[0].0 + width / 2.0, (pair[1].2 - pair[0].2) / width)
        })
        .collect();
    Some((
        watts,
        timing.hypot(spread(&means)),
        seconds,
        BaselineSource::Counter,
    ))
}

/// The steps without those at either end that were seen much less sharply than the others: a sampler that got no CPU
/// for a moment places one of them somewhere in a wide bracket, and a short baseline hangs on its two ends.
fn between_sharp_ends(edges: &[(f64, f64, f64)]) -> &[(f64, f64, f64)] {
    let mut halves: Vec<f64> = edges.iter().map(|edge| edge.1).collect();
    halves.sort_unstable_by(f64::total_cmp);
    let Some(median) = halves.get(halves.len() / 2) else {
        return edges;
    };
    let is_sharp = |edge: &(f64, f64, f64)| edge.1 <= 2.0 * median;
    // The median itself is sharp, so there is a first and a last one.
    let first = edges.iter().position(is_sharp).unwrap_or(0);
    let last = edges.iter().rposition(is_sharp).unwrap_or(0);
    if last > first {
        &edges[first..=last]
    } else {
        edges
    }
}

fn by_average(request: &BaselineRequest<'_>) -> Option<Taken> {
    let inside = |reading: &&PowerReading| {
        (request.start_ns..=request.end_ns).contains(&reading.at_ns) && reading.watts.is_finite()
    };
    let values: Vec<(f64, f64)> = request
        .readings
        .average
        .iter()
        .filter(inside)
        .map(|reading| {
            (
                (reading.at_ns - request.start_ns) as f64 / 1e9,
                reading.watts,
            )
        })
        .collect();
    let seconds = values.last()?.0 - values.first()?.0;
    if seconds <= 0.0 {
        return None;
    }
    let watts = values.iter().map(|value| value.1).sum::<f64>() / values.len() as f64;
    Some((watts, spread(&values), seconds, BaselineSource::Average))
}

/// Half-width of the mean's 95 % interval by t over blocks of a second; 0 for fewer than three blocks, which
/// cannot tell.
fn spread(values: &[(f64, f64)]) -> f64 {
    let Some((begin, _)) = values.first().copied() else {
        return 0.0;
    };
    let mut blocks: BTreeMap<u64, (f64, u32)> = BTreeMap::new();
    for (at, watts) in values {
        let block = blocks
            .entry(((at - begin) / BLOCK_SECONDS) as u64)
            .or_default();
        block.0 += watts;
        block.1 += 1;
    }
    let means: Vec<f64> = blocks
        .into_values()
        .map(|(sum, count)| sum / f64::from(count))
        .collect();
    student_t(&means).map_or(0.0, |interval| interval.half_width())
}

fn mean_inside(request: &BaselineRequest<'_>, series: &[(u64, f64)]) -> Option<f64> {
    let inside: Vec<f64> = series
        .iter()
        .filter(|(at, _)| (request.start_ns..=request.end_ns).contains(at))
        .map(|(_, value)| *value)
        .collect();
    (!inside.is_empty()).then(|| inside.iter().sum::<f64>() / inside.len() as f64)
}

#[cfg(test)]
mod tests;
