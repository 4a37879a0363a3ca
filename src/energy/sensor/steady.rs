//! Mean power of a stretch of steady load in blocks, and whether the counter and the sample buffer agree on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Estimate;
use super::least_squares::t95;
use crate::energy::readings::{CounterEdge, GpuReadings, PowerReading};

/// Length of a block, ns: long against the memory of counter and sample buffer, so that blocks are nearly
/// independent. (The trailing mean, which stands in where both are missing, remembers twice as much.)
const BLOCK_NS: u64 = 500_000_000;
/// A counter's block may be this much shorter: a step's moment is blurred by the polls around it, ns.
const BLUR_NS: u64 = 20_000_000;
/// Lengths of blocks are rounded to whole update periods if those are known so well that it blurs a block by less
/// than this, ns.
const ROUNDED_NS: f64 = 10_000_000.0;

/// Unit of NVML's power readings, watts.
const UNIT_WATTS: f64 = 1e-3;

/// Mean watts from `start_ns` to `end_ns`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// CLOCK_MONOTONIC ns.
    pub start_ns: u64,
    /// CLOCK_MONOTONIC ns.
    pub end_ns: u64,
    /// Watts.
    pub watts: f64,
}

/// Which source a mean is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeanOf {
    /// The energy counter, between its own steps.
    Counter,
    /// The sample buffer.
    Samples,
    /// The trailing mean (field 185 or power usage).
    Average,
    /// The instantaneous field (186).
    Instant,
}

/// Mean of independent values and its 95 % interval (t); none of fewer than three.
#[must_use]
pub fn mean_of(values: &[f64]) -> Option<Estimate> {
    let n = values.len() as f64;
    if values.len() < 3 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (n - 1.0);
    Some(Estimate::new(mean, t95(n - 1.0) * (variance / n).sqrt()))
}

/// The second minus the first, their half-widths combined as those of independent means.
#[must_use]
pub fn difference(first: Estimate, second: Estimate) -> Estimate {
    Estimate::new(
        second.value - first.value,
        first.half_width.hypot(second.half_width),
    )
}

/// The period, if it is known so well that a block's length can be rounded by it.
fn known(period_ns: Option<Estimate>) -> Option<Estimate> {
    let blurs = |period: &Estimate| period.half_width / period.value * BLOCK_NS as f64;
    period_ns.filter(|period| period.value > 0.0 && blurs(period) < ROUNDED_NS)
}

/// Blocks of about half a second between steps of the counter, inside the time given. With its update period a
/// block's length is rounded to whole periods: the moment of a single step is blurred by the polls around it.
#[must_use]
pub fn counter_blocks(
    edges: &[CounterEdge],
    period_ns: Option<Estimate>,
    start_ns: u64,
    end_ns: u64,
) -> Vec<Block> {
    let rounded = |length_ns: u64| {
        let length_ns = length_ns as f64;
        known(period_ns).map_or(length_ns, |period| {
            (length_ns / period.value).round() * period.value
        })
    };
    let mut blocks = Vec::new();
    let mut first: Option<&CounterEdge> = None;
    let middle = |edge: &CounterEdge| edge.before_ns.midpoint(edge.after_ns);
    let inside = |edge: &&CounterEdge| edge.before_ns >= start_ns && edge.after_ns <= end_ns;
    for edge in edges.iter().filter(inside) {
        let Some(from) = first else {
            first = Some(edge);
            continue;
        };
        let length_ns = middle(edge).saturating_sub(middle(from));
        if length_ns < BLOCK_NS - BLUR_NS {
            continue;
        }
        first = Some(edge);
        // A counter that went backwards was reset: no block across it.
        if let Some(energy) = edge.millijoules.checked_sub(from.millijoules) {
            blocks.push(Block {
                start_ns: middle(from),
                end_ns: middle(edge),
                watts: energy as f64 * 1e6 / rounded(length_ns),
            });
        }
    }
    blocks
}

/// Mean of the readings inside; none without any.
fn mean_inside(readings: &[PowerReading], start_ns: u64, end_ns: u64) -> Option<f64> {
    let from = readings.partition_point(|reading| reading.at_ns < start_ns);
    let to = readings.partition_point(|reading| reading.at_ns < end_ns);
    let inside = readings.get(from..to).filter(|inside| !inside.is_empty())?;
    Some(inside.iter().map(|reading| reading.watts).sum::<f64>() / inside.len() as f64)
}

/// Blocks of half a second of evenly spaced readings, inside the time given.
#[must_use]
pub fn power_blocks(readings: &[PowerReading], start_ns: u64, end_ns: u64) -> Vec<Block> {
    let count = end_ns.saturating_sub(start_ns) / BLOCK_NS;
    let block = |index| {
        let start_ns = start_ns + index * BLOCK_NS;
        let end_ns = start_ns + BLOCK_NS;
        let watts = mean_inside(readings, start_ns, end_ns)?;
        Some(Block {
            start_ns,
            end_ns,
            watts,
        })
    };
    (0..count).filter_map(block).collect()
}

/// Mean power of a steady stretch by the best source that has it; the blocks that it is made of.
#[must_use]
pub fn steady(
    readings: &GpuReadings,
    period_ns: Option<Estimate>,
    start_ns: u64,
    end_ns: u64,
) -> Option<(MeanOf, Estimate, Vec<Block>)> {
    let sources = [
        (
            MeanOf::Counter,
            counter_blocks(&readings.counter, period_ns, start_ns, end_ns),
        ),
        (
            MeanOf::Samples,
            power_blocks(&readings.samples, start_ns, end_ns),
        ),
        (
            MeanOf::Average,
            power_blocks(&readings.average, start_ns, end_ns),
        ),
        (
            MeanOf::Instant,
            power_blocks(&readings.instant, start_ns, end_ns),
        ),
    ];
    sources.into_iter().find_map(|(source, blocks)| {
        let watts: Vec<f64> = blocks.iter().map(|block| block.watts).collect();
        let mean = mean_of(&watts)?;
        // What all blocks share does not show in their spread: the length of a period, the unit of a reading.
        let period = known(period_ns).filter(|_| source == MeanOf::Counter);
        let shared = period.map_or(0.0, |period| mean.value * period.half_width / period.value);
        let half_width = mean.half_width.hypot(shared).hypot(UNIT_WATTS);
        Some((source, Estimate::new(mean.value, half_width), blocks))
    })
}

/// By how much the sample buffer's mean differs from the counter's, relative to the counter's: over such
/// blocks. None if either is missing.
#[must_use]
pub fn agreement(
    readings: &GpuReadings,
    period_ns: Option<Estimate>,
    start_ns: u64,
    end_ns: u64,
) -> Option<Estimate> {
    let blocks = counter_blocks(&readings.counter, period_ns, start_ns, end_ns);
    let differences: Vec<f64> = blocks
        .iter()
        .filter(|block| block.watts > 0.0)
        .filter_map(|block| {
            let samples = mean_inside(&readings.samples, block.start_ns, block.end_ns)?;
            Some(samples / block.watts - 1.0)
        })
        .collect();
    let mean = mean_of(&differences)?;
    let shared = known(period_ns).map_or(0.0, |period| period.half_width / period.value);
    Some(Estimate::new(mean.value, mean.half_width.hypot(shared)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Ten seconds at `watts` with noise: counter steps every 100 ms seen within 8 ms, samples every 20 ms
    /// that read `apart` too much.
    fn recorded(watts: f64, apart: f64, seed: u64) -> GpuReadings {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut readings = GpuReadings::default();
        let mut energy = 5e6;
        for index in 0..500u64 {
            let noisy = watts * (1.0 + 0.01 * (random.random::<f64>() - 0.5));
            let at_ns = 1_000_000_000 + index * 20_000_000;
            readings.samples.push(PowerReading {
                at_ns,
                watts: noisy * (1.0 + apart),
            });
            energy += noisy * 20.0;
            if index % 5 == 4 {
                let late = (random.random::<f64>() * 8e6) as u64;
                readings.counter.push(CounterEdge {
                    before_ns: at_ns - late,
                    after_ns: at_ns - late + 8_000_000,
                    millijoules: energy as u64,
                });
            }
        }
        readings
    }

    #[test]
    fn means_and_their_difference_hold_the_truth() {
        let mut held = 0;
        for seed in 0..40 {
            let mean = |watts, seed| {
                let (source, mean, blocks) = steady(
                    &recorded(watts, 0.0, seed),
                    None,
                    1_000_000_000,
                    11_000_000_000,
                )
                .unwrap();
                assert_eq!((source, blocks.len()), (MeanOf::Counter, 19));
                mean
            };
            let found = difference(mean(72.0, seed), mean(118.0, seed + 100));
            held += u32::from(found.holds(46.0));
            assert!(found.half_width < 1.0, "{found:?}");
        }
        assert!(held >= 38, "{held} of 40");
    }

    #[test]
    fn with_its_period_the_blur_of_single_steps_is_gone() {
        let readings = recorded(100.0, 0.0, 3);
        let width = |period_ns| {
            let (_, mean, _) = steady(&readings, period_ns, 0, 11_000_000_000).unwrap();
            assert!(mean.holds(100.0), "{mean:?}");
            mean.half_width
        };
        let blurred = width(None);
        assert!(width(Some(Estimate::new(100e6, 1e4))) < blurred / 3.0);
        assert_eq!(width(Some(Estimate::new(100e6, 1e7))), blurred);
    }

    #[test]
    fn disagreement_is_found_and_agreement_is_not_taken_for_it() {
        for seed in 0..10 {
            let apart = agreement(&recorded(400.0, 0.05, seed), None, 0, 11_000_000_000).unwrap();
            assert!(
                (apart.value - 0.05).abs() < 0.01 && !apart.holds(0.0),
                "{apart:?}"
            );
            let same = agreement(&recorded(400.0, 0.0, seed), None, 0, 11_000_000_000).unwrap();
            assert!(same.value.abs() < 0.005, "{same:?}");
        }
    }

    #[test]
    fn without_a_counter_the_next_source_stands_in() {
        let mut readings = recorded(100.0, 0.0, 1);
        readings.counter.clear();
        let (source, mean, _) = steady(&readings, None, 1_000_000_000, 11_000_000_000).unwrap();
        assert_eq!(source, MeanOf::Samples);
        assert!((mean.value - 100.0).abs() < 0.5);
        assert!(agreement(&readings, None, 0, 11_000_000_000).is_none());
        readings.samples.clear();
        assert!(steady(&readings, None, 0, 11_000_000_000).is_none());
    }

    #[test]
    fn a_reset_counter_gives_no_block_across_it() {
        let edge = |seconds: u64, millijoules| CounterEdge {
            before_ns: seconds * 1_000_000_000,
            after_ns: seconds * 1_000_000_000,
            millijoules,
        };
        let edges = [edge(1, 1000), edge(2, 2000), edge(3, 10), edge(4, 1010)];
        let watts: Vec<f64> = counter_blocks(&edges, None, 0, u64::MAX)
            .iter()
            .map(|b| b.watts)
            .collect();
        assert_eq!(watts, [1.0, 1.0]);
    }
}
