//! Statistics of an experiment over its cycles: what tables, manifest and verdicts say of repetitions.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Summary;
use super::drift::Drift;
use super::interval::{Interval95, student_t};
use crate::energy::verdict::VerdictRules;
use crate::energy::verdict::codes::{CYCLE_CV_HIGH, CYCLE_DRIFT_HIGH, WITHIN_LOAD};

/// Engine loads that an interval must span before it says anything of the setting, and not of one load.
pub const FEWEST_LOADS: usize = 3;

/// One accepted run's value of some figure, and what it was measured on.
#[derive(Debug, Clone, PartialEq)]
pub struct CycleValue {
    /// Its cycle.
    pub cycle: u32,
    /// Number of the session (one life of lemctl) that measured it.
    pub session: u32,
    /// Number of the engine load within the session.
    pub load: u64,
    /// UUIDs of its GPUs, ascending; none on a CPU.
    pub gpus: Vec<String>,
    /// The figure.
    pub value: f64,
}

/// A figure over the cycles of one experiment, in the figure's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CycleStatistics {
    /// Accepted runs.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); none for n < 2.
    pub sd: Option<f64>,
    /// Coefficient of variation sd / |mean|, dimensionless.
    pub cv: Option<f64>,
    /// 95 % interval of the mean by Student's t: repeatability, and nothing of the sensor's gain. None for n < 3.
    pub interval: Option<Interval95>,
    /// Drift in the order of the cycles; none for n < 3.
    pub drift: Option<Drift>,
    /// Engine loads that it spans.
    pub loads: usize,
    /// GPUs, or sets of GPUs that worked together, that it spans.
    pub gpu_sets: usize,
    /// It spans fewer than three loads: what differs from load to load is not in its interval, so settings of the
    /// engine cannot be compared by it.
    pub within_load: bool,
    /// Codes of docs/verdicts.md.
    pub flags: Vec<String>,
}

impl CycleStatistics {
    /// Over the accepted runs of one experiment, in any order; none without any, or where a value is not finite.
    #[must_use]
    pub fn of(runs: &[CycleValue], rules: &VerdictRules) -> Option<Self> {
        if runs.iter().any(|run| !run.value.is_finite()) {
            return None;
        }
        let mut ordered: Vec<&CycleValue> = runs.iter().collect();
        ordered.sort_by_key(|run| (run.session, run.cycle));
        let values: Vec<f64> = ordered.iter().map(|run| run.value).collect();
        let summary = Summary::of(&values)?;
        let drift = Drift::of(&values);
        let loads: BTreeSet<(u32, u64)> = runs.iter().map(|run| (run.session, run.load)).collect();
        let gpu_sets: BTreeSet<&[String]> = runs.iter().map(|run| run.gpus.as_slice()).collect();
        let within_load = loads.len() < FEWEST_LOADS;
        let flags = [
            (
                summary.cv().is_some_and(|cv| cv > rules.cycle_cv),
                CYCLE_CV_HIGH,
            ),
            (
                drift.is_some_and(|drift| drift.exceeds(rules.cycle_drift)),
                CYCLE_DRIFT_HIGH,
            ),
            (within_load, WITHIN_LOAD),
        ];
        Some(Self {
            n: summary.n,
            mean: summary.mean,
            sd: summary.sd,
            cv: summary.cv(),
            interval: student_t(&values),
            drift,
            loads: loads.len(),
            gpu_sets: gpu_sets.iter().filter(|set| !set.is_empty()).count(),
            within_load,
            flags: flags
                .into_iter()
                .filter(|(holds, _)| *holds)
                .map(|(_, code)| code.to_owned())
                .collect(),
        })
    }
}

/// The difference of two experiments, cycle by cycle: what moves both (the day, the room) cancels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairedDifference {
    /// Cycles that both have, each within one session.
    pub pairs: usize,
    /// Mean of second minus first, in the figure's unit.
    pub mean_difference: f64,
    /// The same, relative to the first's mean over these cycles; none where that is 0.
    pub relative: Option<f64>,
    /// 95 % interval of the mean difference by Student's t; none for fewer than three pairs.
    pub interval: Option<Interval95>,
    /// Fewer than three loads stand behind one of the two.
    pub within_load: bool,
}

impl PairedDifference {
    /// Pairs the cycles that two experiments share; none where they share none. A cycle that was broken off by
    /// the end of a session and finished in another is not paired.
    #[must_use]
    pub fn between(first: &[CycleValue], second: &[CycleValue]) -> Option<Self> {
        let pairs: Vec<(&CycleValue, &CycleValue)> = first
            .iter()
            .filter_map(|left| {
                let right = second
                    .iter()
                    .find(|right| (right.cycle, right.session) == (left.cycle, left.session))?;
                Some((left, right))
            })
            .collect();
        let differences: Vec<f64> = pairs
            .iter()
            .map(|(left, right)| right.value - left.value)
            .collect();
        let summary = Summary::of(&differences).filter(|summary| summary.mean.is_finite())?;
        let base = pairs.iter().map(|(left, _)| left.value).sum::<f64>() / pairs.len() as f64;
        let loads = |side: Vec<&CycleValue>| {
            let loads: BTreeSet<(u32, u64)> =
                side.iter().map(|run| (run.session, run.load)).collect();
            loads.len()
        };
        let (left, right): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Some(Self {
            pairs: summary.n,
            mean_difference: summary.mean,
            relative: (base != 0.0).then(|| summary.mean / base.abs()),
            interval: student_t(&differences),
            within_load: loads(left).min(loads(right)) < FEWEST_LOADS,
        })
    }
}
