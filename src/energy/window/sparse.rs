//! Energy by a counter that was read only now and then, so that its edges were not seen.
//!
//! A value read at t is W up to the last update before t: anywhere in the period before. Both ends together give a
//! standard deviation of P·U/√6, or U/(√6·L) of the energy of a window of length L.

use super::edges::{Edge, Edges};
use super::{End, WindowRequest};
use crate::energy::interval::{Mixture, NORMAL_95, Part};

/// Farthest that a reading may lie from a steady end, in periods.
const NEAR: f64 = 3.0;

/// Energy of the window, or the code and words why not.
pub(super) fn sparse_energy(
    request: &WindowRequest<'_>,
    edges: &Edges,
    latency: (f64, f64),
) -> Result<Mixture, String> {
    let length = request.seconds();
    let period = request.sensor.counter.update_period_ns.value / 1e9;
    // The value stands for the middle of what it may stand for.
    let delay = 0.5 * period + 0.5 * (latency.0 + latency.1);
    let stands = |edge: &Edge| edge.after - delay;
    let missing = || String::from("counter_edges_missing: no reading of the counter beyond an end");
    let before = edges
        .edges
        .iter()
        .rfind(|edge| edge.after <= 0.0)
        .ok_or_else(missing)?;
    let after = edges
        .edges
        .iter()
        .find(|edge| edge.after >= length + period + latency.1)
        .ok_or_else(missing)?;
    let (early, late) = (-stands(before), stands(after) - length);
    let power = (after.joules - before.joules) / (stands(after) - stands(before));
    let flank = |end: End, time: f64| match end {
        End::Idle {
            watts,
            half_width_watts,
        } => Ok((watts, (half_width_watts.abs() / NORMAL_95 * time).powi(2))),
        End::Steady if time.abs() <= NEAR * period => Ok((power, 0.0)),
        End::Steady => Err(format!(
            "counter_read_too_seldom: {time:.3} s between a steady end and the counter's reading"
        )),
    };
    let (first, first_variance) = flank(request.ends.0, early)?;
    let (last, last_variance) = flank(request.ends.1, late)?;
    let mean = after.joules - before.joules - first * early - last * late;
    // Each reading is rectangular over one period; what counts is the power there.
    let spread =
        (first * first + last * last) * (period * period + (latency.1 - latency.0).powi(2)) / 12.0;
    Ok(Mixture::of([Part {
        weight: 1.0,
        mean,
        variance: spread + first_variance + last_variance,
    }]))
}
