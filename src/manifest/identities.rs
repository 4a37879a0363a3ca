//! The physical identities of a result: which of its figures they are of. Judged when a run ends and again by
//! `results validate`; what holds is decided in `energy`.

use super::{BaselineNote, EnergyNote};
use crate::energy::{GpuEnergy, GpuLoad, Identities, WindowFigures};

/// The figures that the identities are of, as far as the result has them.
#[must_use]
pub fn identities(
    figures: &WindowFigures,
    energy: &EnergyNote,
    baseline: &BaselineNote,
) -> Identities {
    let window = energy.window.as_ref();
    let by = energy.figures.as_ref();
    let load = |part: &GpuEnergy| {
        let note = energy.gpus.iter().find(|note| note.gpu == part.gpu);
        Some(GpuLoad {
            gpu: part.gpu.clone(),
            watts: part.mean_watts?,
            half_width_watts: part
                .timing
                .map_or(0.0, |timing| timing.half_width_joules() / part.seconds),
            limit_watts: note.and_then(|note| note.power_limit_watts),
        })
    };
    Identities {
        seconds: Some(figures.seconds),
        joules: window.and_then(|window| window.joules),
        watts: window.and_then(|window| window.mean_watts),
        joules_per_output_token: by.and_then(|by| by.joules_per_output_token),
        output_tokens_per_second: Some(figures.output_tokens_per_second),
        resident_watts: baseline.resident_watts,
        joules_above_resident: by.and_then(|by| by.joules_above_resident),
        gpus: window
            .map(|window| window.gpus.iter().filter_map(load).collect())
            .unwrap_or_default(),
    }
}
