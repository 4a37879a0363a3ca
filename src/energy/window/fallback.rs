//! Energy by a source of power, where the counter has none: its waveform over the window, with the distribution
//! of the error.
//!
//! At an idle end the integral reaches beyond the end until nothing of the load is left in the source's average,
//! and the resident power of that flank is taken off, as with the counter's outer edge. At a steady end it is cut,
//! and what the average smears over the cut is in the interval.

use super::{End, WindowRequest};
use crate::energy::integrate::integrate;
use crate::energy::interval::{Mixture, NORMAL_95, Part, rectangular_nodes};
use crate::energy::sensor::SourceTraits;
use crate::energy::waveform::Point;

const LATENCIES: usize = 12;
/// A gap above this many periods is a gap and not a line.
pub(super) const GAP_PERIODS: f64 = 3.0;

/// A waveform and what is known of its source.
pub(super) struct Wave<'a> {
    /// Points in s from the window's start, each in the middle of what it averages.
    pub points: &'a [Point],
    /// Timing of the source.
    pub traits: &'a SourceTraits,
    /// The source sees only its averaging window of each update.
    pub partial: bool,
}

/// Energy by a waveform, or the code and words why not.
pub(super) fn wave_energy(request: &WindowRequest<'_>, wave: &Wave<'_>) -> Result<Mixture, String> {
    let length = request.seconds();
    let period = wave.traits.update_period_ns.value / 1e9;
    let average = wave.traits.averaging_window_ns.value / 1e9;
    let unsure = wave.traits.latency_ns.half_width.abs() / 1e9;
    let least = (request.rules.min_updates * period).max(request.rules.min_updates * average);
    if length < least {
        return Err(format!(
            "window_too_short_for_sensor: {length:.3} s, and this source needs {least:.3} s"
        ));
    }
    let reach = average / 2.0 + period + unsure;
    let beyond = |end: End| match end {
        End::Idle {
            watts,
            half_width_watts,
        } => (reach, watts, half_width_watts.abs() / NORMAL_95),
        End::Steady => (0.0, 0.0, 0.0),
    };
    let (before, after) = (beyond(request.ends.0), beyond(request.ends.1));
    let longest = GAP_PERIODS * period;
    let whole = integrate(wave.points, -before.0, length + after.0, longest);
    let whole = whole.ok_or("samples_missing: no readings in the window")?;
    if whole.whole().is_none() {
        return Err(format!(
            "readings_gap: {:.1} % of the window and its flanks are covered",
            100.0 * whole.covered
        ));
    }
    let inside =
        integrate(wave.points, 0.0, length, longest).ok_or("samples_missing: none inside")?;
    let swing = inside.max_watts - inside.min_watts;
    // A cut falls anywhere in an update, and what it averages was cut too: rectangular in both.
    let cut = swing * swing * (period * period + average * average / 4.0) / 12.0;
    let cuts = f64::from(u8::from(before.0 == 0.0) + u8::from(after.0 == 0.0)) * cut;
    let same = request.ends.0 == request.ends.1;
    let flank = if same {
        (before.2 * before.0 + after.2 * after.0).powi(2)
    } else {
        (before.2 * before.0).powi(2) + (after.2 * after.0).powi(2)
    };
    let unseen = if wave.partial {
        unseen_variance(wave, length, period, average)
    } else {
        0.0
    };
    // Interpolating the steps at idle ends: each update is off by a part of a period of the step, at each end.
    let steps = f64::from(u8::from(before.0 > 0.0) + u8::from(after.0 > 0.0));
    let ramps =
        steps * (swing * period).powi(2) / 12.0 * f64::from(u8::from(average < 1.5 * period));
    let parts = rectangular_nodes(-unsure, unsure, LATENCIES).filter_map(|shift| {
        let (low, high) = (shift - before.0, length + shift + after.0);
        // Past the end of the readings a shift cannot be told.
        let found = integrate(wave.points, low, high, longest)?
            .whole()
            .unwrap_or(whole.joules);
        Some(Part {
            weight: 1.0,
            mean: found - before.1 * before.0 - after.1 * after.0,
            variance: cuts + flank + unseen + ramps,
        })
    });
    let energy = Mixture::of(parts);
    if energy.is_empty() {
        return Err("samples_missing: no readings in the window".into());
    }
    Ok(energy)
}

/// Variance from the time that a source does not see: N updates, each standing for the rest of its period, whose
/// power differs from what was seen by the load's own spread.
fn unseen_variance(wave: &Wave<'_>, length: f64, period: f64, average: f64) -> f64 {
    let low = wave.points.partition_point(|point| point.at < 0.0);
    let high = wave.points.partition_point(|point| point.at <= length);
    let inside = wave.points.get(low..high).unwrap_or_default();
    let count = inside.len() as f64;
    if count < 2.0 {
        return 0.0;
    }
    // Differences of neighbours: a slow trend is followed and not unseen.
    let half_squares: f64 = inside
        .windows(2)
        .map(|pair| (pair[1].watts - pair[0].watts).powi(2) / 2.0)
        .sum();
    let spread = half_squares / (count - 1.0);
    let blind = (1.0 - average / period).clamp(0.0, 1.0);
    spread * blind * period * length
}
