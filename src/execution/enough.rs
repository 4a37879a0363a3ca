//! `cycles: auto`: whether the intervals over the cycles are as narrow as the campaign wants them.

use super::{RunStatus, State, Verdict};
use crate::campaign::Cycles;
use crate::energy::{Summary, stop_auto, student_t};

/// What the half-width is of: joules per output token, where most runs have energy.
const ENERGY: &str = "joules_per_output_token";
/// Otherwise.
const THROUGHPUT: &str = "output_tokens_per_second";

/// Why one more cycle is wanted: the first experiment whose interval is too wide, in one sentence. None if
/// every interval is narrow enough, or no further cycle may be added.
///
/// Asked when nothing is due. Experiments without an accepted run are left out: nothing says that more
/// cycles would give them one.
pub(super) fn wants_cycle(state: &State) -> Option<String> {
    let plan = state.plan();
    let execution = plan.execution();
    if execution.cycles != Cycles::Auto || plan.cycles() >= plan.most_cycles() {
        return None;
    }
    let target = execution.auto_cycles.target_half_width;
    let mut accepted: Vec<Vec<usize>> = vec![Vec::new(); plan.experiments.len()];
    for (index, run) in plan.runs.iter().enumerate() {
        if matches!(
            state.status(index),
            RunStatus::Ended {
                verdict: Verdict::Accepted,
                ..
            }
        ) {
            accepted[run.experiment].push(index);
        }
    }
    accepted
        .iter()
        .zip(&plan.experiments)
        .find_map(|(runs, experiment)| {
            too_wide(state, runs, target).map(|what| format!("{}: {what}", experiment.id))
        })
}

/// What is too wide over these accepted runs of one experiment.
fn too_wide(state: &State, runs: &[usize], target: f64) -> Option<String> {
    let simulated = |run: &usize| state.made(*run).is_some_and(|made| made.simulated);
    let mixed = runs.iter().any(simulated) && !runs.iter().all(simulated);
    if runs.is_empty() || mixed {
        return None;
    }
    let values = |name: &str| -> Vec<f64> {
        let of = |run: &usize| match state.status(*run) {
            RunStatus::Ended { figures, .. } => figures.get(name).copied(),
            RunStatus::Due | RunStatus::Running => None,
        };
        runs.iter().filter_map(of).collect()
    };
    let energy = values(ENERGY);
    let (name, sample) = if energy.len() * 2 >= runs.len() {
        (ENERGY, energy)
    } else {
        (THROUGHPUT, values(THROUGHPUT))
    };
    let n = sample.len();
    if stop_auto(&sample, target) {
        return None;
    }
    let relative = Summary::of(&sample)
        .zip(student_t(&sample))
        .map(|(summary, interval)| 100.0 * interval.half_width() / summary.mean.abs())
        .filter(|percent| percent.is_finite());
    Some(match relative {
        Some(percent) => format!(
            "the interval of {name} over {n} cycles is ±{percent:.2} %, the target ±{} %",
            100.0 * target
        ),
        None => format!("{n} values give no interval of {name}"),
    })
}
