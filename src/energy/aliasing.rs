//! Whether a periodic load beats with the sensor. A sensor that updates every U sees a load of period L at phases
//! that advance by U/L a turn; where h·U/L is near a whole number, its h-th harmonic keeps its phase for many
//! updates and looks constant or slow, so that its error does not average out over the window.
//!
//! Knows periods and values, not windows of energy. Every source of one GPU shares the sensor's beat: agreement
//! between them says nothing here (docs/measurement.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::readings::PowerReading;

/// How a periodic load and the sensor's update period meet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coherence {
    /// Period of the load, in ns.
    pub load_period_ns: f64,
    /// Update period of the sensor, in ns.
    pub update_period_ns: f64,
    /// Harmonic of the load that beats slowest with the sensor.
    pub harmonic: u32,
    /// How many times that harmonic's phase goes around over the window, dimensionless.
    pub phase_sweep: f64,
    /// Whether it goes around too slowly for the sensor's errors to average out.
    pub coherent: bool,
    /// Relative standard deviation that this adds to the energy, dimensionless; 0 if incoherent.
    pub term: f64,
}

/// How a source sees the time between two updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It accumulates (the counter, the buffer of samples, the trailing mean).
    Accumulating,
    /// It sees a part of it (instantaneous power).
    Partial,
}

impl Sight {
    /// Relative standard deviation on a load at the sensor's own period: bursts of 25 ms every 100 ms on an H100
    /// SXM, 3.6 % by the counter and 78 % by field 186 (docs/measurement.md). Other duty cycles err less.
    const fn coherent_sd(self) -> f64 {
        match self {
            Self::Accumulating => 0.036,
            Self::Partial => 0.78,
        }
    }
}

/// Harmonics that are looked at: of a burst they fall off as 1/h.
const HARMONICS: u32 = 3;
/// Slower than this share of a turn an update, a phase stays put for 20 updates and more.
const SLOW_TURN: f64 = 0.05;
/// Below this share of its full error a harmonic is averaged out.
const AVERAGED_OUT: f64 = 0.05;

/// Judges one load period against one update period over a window. All in ns and positive; None otherwise.
///
/// The mean of N samples of a wave whose phase turns by a share f a sample is its amplitude times
/// |sin(πNf)| / (N sin(πf)) at most (Dirichlet's kernel), bounded here by its envelope min(1, 1/(N sin πf)).
#[must_use]
pub fn coherence(
    load_period_ns: f64,
    update_period_ns: f64,
    window_ns: f64,
    sight: Sight,
) -> Option<Coherence> {
    let sane = |value: f64| value > 0.0 && value.is_finite();
    if ![load_period_ns, update_period_ns, window_ns]
        .into_iter()
        .all(sane)
    {
        return None;
    }
    let updates = (window_ns / update_period_ns).max(1.0);
    let of = |harmonic: u32| {
        let turn = f64::from(harmonic) * update_period_ns / load_period_ns;
        let whole = turn.round();
        // Near no turn at all is a slow load, which the sensor follows.
        let aside = if whole < 1.0 {
            0.5
        } else {
            (turn - whole).abs()
        };
        let kernel = (1.0 / (updates * (std::f64::consts::PI * aside).sin())).min(1.0);
        (harmonic, aside, kernel / f64::from(harmonic))
    };
    let (harmonic, aside, left) = (1..=HARMONICS).map(of).min_by(|a, b| {
        let worth = |(_, aside, left): &(u32, f64, f64)| {
            if *aside < SLOW_TURN { -left } else { *aside }
        };
        worth(a).total_cmp(&worth(b))
    })?;
    let coherent = aside < SLOW_TURN && left > AVERAGED_OUT;
    Some(Coherence {
        load_period_ns,
        update_period_ns,
        harmonic,
        phase_sweep: aside * updates,
        coherent,
        term: if coherent {
            left * sight.coherent_sd()
        } else {
            0.0
        },
    })
}

/// The period of a load in evenly spaced power, in units of `step`: the strongest line of its periodogram, if it
/// and its harmonics hold more than half of the variance and the swing is above 2 % of the mean.
#[must_use]
pub fn load_period(watts: &[f64], step: f64) -> Option<f64> {
    const MOST: usize = 256;
    // Shorter runs place a line too badly to call it coherent.
    const LEAST: f64 = 96.0;
    let watts = watts.get(..watts.len().min(MOST))?;
    let count = watts.len() as f64;
    if count < LEAST {
        return None;
    }
    let mean = watts.iter().sum::<f64>() / count;
    let variance = watts.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / count;
    if variance.is_nan() || variance.sqrt() <= 0.02 * mean.abs() {
        return None;
    }
    // Frequencies from 3 turns over the run to just below half a turn a step, four to a resolved line.
    let power = |turns: f64| line_power(watts, mean, turns / count);
    let (mut best, mut most) = (0.0, 0.0);
    let last = (count * 0.49 * 4.0) as usize;
    for quarter in 12..last {
        let turns = quarter as f64 / 4.0;
        let found = power(turns);
        if found > most {
            (best, most) = (turns, found);
        }
    }
    let fine = (-8..=8).map(|k| best + f64::from(k) / 32.0);
    let turns = fine.max_by(|a, b| power(*a).total_cmp(&power(*b)))?;
    let all: f64 = (1..=3)
        .map(|harmonic| turns * f64::from(harmonic))
        .filter(|turns| *turns < 0.5 * count)
        .map(power)
        .sum();
    (all > 0.5 * variance).then(|| count / turns * step)
}

/// Variance that a wave of `frequency` turns a value explains.
fn line_power(values: &[f64], mean: f64, frequency: f64) -> f64 {
    let (turn_cos, turn_sin) = {
        let angle = std::f64::consts::TAU * frequency;
        (angle.cos(), angle.sin())
    };
    let (mut cos, mut sin) = (1.0, 0.0);
    let (mut re, mut im) = (0.0, 0.0);
    for value in values {
        re += (value - mean) * cos;
        im += (value - mean) * sin;
        (cos, sin) = (
            cos * turn_cos - sin * turn_sin,
            sin * turn_cos + cos * turn_sin,
        );
    }
    let count = values.len() as f64;
    2.0 * (re * re + im * im) / (count * count)
}

/// The update period of a polled source, in ns: the beat that the moments of its changes fit best. None with
/// fewer than 12 changes.
#[must_use]
pub fn update_period_ns(readings: &[PowerReading]) -> Option<f64> {
    let changes = changes(readings);
    let first = changes.first()?.0;
    let at: Vec<f64> = changes.iter().map(|(ns, _)| (ns - first) as f64).collect();
    let mut gaps: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let median = *gaps.get(gaps.len() / 2).filter(|gap| **gap > 0.0)?;
    if at.len() < 12 {
        return None;
    }
    // How well the changes share one phase of a beat.
    let fit = |period: f64| {
        let (re, im) = at.iter().fold((0.0, 0.0), |(re, im), t| {
            let angle = std::f64::consts::TAU * (t / period);
            (re + angle.cos(), im + angle.sin())
        });
        re * re + im * im
    };
    let span = at.last()?;
    // A beat is resolved to period² / span.
    let step = (median * median / span / 6.0).max(median * 2e-4);
    let count = (0.3 * median / step) as usize;
    (0..=2 * count)
        .map(|k| median + (k as f64 - count as f64) * step)
        .max_by(|a, b| fit(*a).total_cmp(&fit(*b)))
}

/// Distinct values of a polled source and when each was first seen, in ns.
fn changes(readings: &[PowerReading]) -> Vec<(i128, f64)> {
    let mut found: Vec<(i128, f64)> = Vec::new();
    for reading in readings {
        let at = i128::from(reading.at_ns);
        let new = found
            .last()
            .is_none_or(|(last, watts)| at > *last && *watts != reading.watts);
        if new && reading.watts.is_finite() {
            found.push((at, reading.watts));
        }
    }
    found
}

/// Judges a log of one polled source by itself. For a source that sees only a part of each update (`Sight::Partial`)
/// and a window in ns. None if nothing looks aliased.
///
/// A load near the sensor's period shows as a slow wave that no fast load's edges are left in: the phase at which
/// the sensor looks creeps through the load's period. What gives it away is a regular wave of large swing that
/// takes many updates to rise and fall. A load that truly swings so slowly and smoothly looks the same: only marks
/// or a faster source tell them apart, so this is a warning and no proof.
#[must_use]
pub fn apparent_alias(readings: &[PowerReading], start_ns: u64, end_ns: u64) -> Option<Coherence> {
    let period = update_period_ns(readings)?;
    let values = on_beat(readings, start_ns, end_ns, period);
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let low = *sorted.get(count / 20)?;
    let high = *sorted.get(count - 1 - count / 20)?;
    if count < 24 || high - low < 0.1 * mean {
        return None;
    }
    let wave = slow_wave(&values, mean)?;
    // Values on the way between the levels: a switched load shows about one a switch, two a wave.
    let between =
        |value: &&f64| (**value - low) / (high - low) > 0.2 && (**value - low) / (high - low) < 0.8;
    let share = values.iter().filter(between).count() as f64 / count as f64;
    if share < (5.0 / wave).max(0.15) {
        return None;
    }
    // U/L = 1 ± 1/wave look the same; the nearer load period above is named.
    let load = period / (1.0 - 1.0 / wave);
    let found = coherence(load, period, (end_ns - start_ns) as f64, Sight::Partial)?;
    found.coherent.then_some(found)
}

/// The value that held at each beat in the window.
fn on_beat(readings: &[PowerReading], start_ns: u64, end_ns: u64, period: f64) -> Vec<f64> {
    let changes = changes(readings);
    let length = end_ns.saturating_sub(start_ns) as f64;
    let count = ((length / period) as usize).min(100_000);
    (0..count)
        .filter_map(|beat| {
            let at = i128::from(start_ns) + ((beat as f64 + 0.5) * period) as i128;
            let next = changes.partition_point(|(ns, _)| *ns <= at);
            Some(changes.get(next.checked_sub(1)?)?.1)
        })
        .collect()
}

/// Length in values of a regular wave: the first high peak of the autocorrelation beyond its first valley, seen at
/// least one and a half times.
fn slow_wave(values: &[f64], mean: f64) -> Option<f64> {
    let count = values.len();
    let correlation = |lag: usize| {
        let (mut product, mut a2, mut b2) = (0.0, 0.0, 0.0);
        for (a, b) in values.iter().zip(&values[lag..]) {
            product += (a - mean) * (b - mean);
            a2 += (a - mean).powi(2);
            b2 += (b - mean).powi(2);
        }
        product / (a2 * b2).sqrt()
    };
    let most = count * 2 / 3;
    // Neighbours alike: the wave is slow against the updates.
    if most < 3 || correlation(1) < 0.7 {
        return None;
    }
    let heights: Vec<f64> = (0..=most).map(correlation).collect();
    let valley = heights.iter().position(|height| *height < 0.0)?;
    let highest = heights[valley..].iter().copied().fold(0.0, f64::max);
    let peak = (valley.max(1)..most).find(|lag| {
        let (before, here, after) = (heights[lag - 1], heights[*lag], heights[lag + 1]);
        here >= before && here >= after && here > 0.7 * highest
    })?;
    (highest > 0.6).then_some(peak as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: f64 = 1e6;

    fn judged(load_ms: f64, update_ms: f64, seconds: f64) -> bool {
        coherence(
            load_ms * MS,
            update_ms * MS,
            seconds * 1e9,
            Sight::Accumulating,
        )
        .expect("sane")
        .coherent
    }

    #[test]
    fn loads_near_the_sensors_period_its_fractions_and_multiples_are_coherent() {
        for (load, update) in [
            (100.0, 99.8),
            (100.0, 100.0),
            (50.0, 99.9),
            (200.0, 99.9),
            (33.3, 100.0),
            (104.35, 101.3),
        ] {
            assert!(judged(load, update, 5.0), "{load} {update}");
        }
    }

    #[test]
    fn loads_whose_phase_sweeps_are_not() {
        for seconds in [1.0, 3.0, 5.0, 30.0] {
            assert!(!judged(137.0, 100.0, seconds), "{seconds}");
            assert!(!judged(73.0, 99.9, seconds));
            assert!(!judged(1370.0, 99.9, seconds));
        }
        // The same load and sensor: long enough, the phase goes around often enough.
        assert!(judged(104.35, 101.3, 8.0) && !judged(104.35, 101.3, 60.0));
    }

    #[test]
    fn the_term_shrinks_with_the_sweep_and_grows_with_blindness() {
        let term = |load: f64, sight| {
            coherence(load * MS, 100.0 * MS, 5e9, sight)
                .expect("sane")
                .term
        };
        assert_eq!(term(100.0, Sight::Accumulating), 0.036);
        assert_eq!(term(100.0, Sight::Partial), 0.78);
        assert!(term(103.0, Sight::Accumulating) < 0.02);
        assert_eq!(term(137.0, Sight::Partial), 0.0);
    }

    #[test]
    fn nonsense_has_no_coherence() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(coherence(bad, 1.0, 1.0, Sight::Partial), None);
            assert_eq!(coherence(1.0, bad, 1.0, Sight::Partial), None);
            assert_eq!(coherence(1.0, 1.0, bad, Sight::Partial), None);
        }
        assert_eq!(apparent_alias(&[], 5, 1), None);
        assert_eq!(load_period(&[f64::NAN; 40], 0.02), None);
    }

    #[test]
    fn a_periodic_load_is_found_in_samples_and_noise_is_not() {
        let bursts = |period: f64| -> Vec<f64> {
            (0..250)
                .map(|k| {
                    if (f64::from(k) * 20.0) % period < 0.3 * period {
                        650.0
                    } else {
                        200.0
                    }
                })
                .collect()
        };
        for period in [137.0, 100.0, 333.0] {
            let found = load_period(&bursts(period), 20.0).expect("periodic");
            assert!((found / period - 1.0).abs() < 0.01, "{found} {period}");
        }
        let mut state = 1u64;
        let noise: Vec<f64> = (0..250)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                300.0 + (state >> 40) as f64 / 1e5
            })
            .collect();
        assert_eq!(load_period(&noise, 20.0), None);
        assert_eq!(load_period(&[300.0; 250], 20.0), None);
    }

    /// A polled log of a source that sees the last 25 ms of each 100 ms, of a load that is on in the first half of
    /// each of its periods.
    fn log(load_ms: f64) -> Vec<PowerReading> {
        let seen = |at: f64| -> f64 {
            let sum: f64 = (0..25)
                .map(|k| {
                    if (at - f64::from(k)) % load_ms < load_ms / 2.0 {
                        200.0
                    } else {
                        60.0
                    }
                })
                .sum();
            sum / 25.0 + (at * 7.3).sin() * 0.2
        };
        (0..800)
            .map(|poll| {
                let at = 1000.0 + f64::from(poll) * 14.0;
                PowerReading {
                    at_ns: (at * MS) as u64,
                    watts: seen((at / 100.0).floor() * 100.0),
                }
            })
            .collect()
    }

    #[test]
    fn a_creeping_phase_shows_in_the_log_alone() {
        let flagged = |load: f64| apparent_alias(&log(load), 1_500_000_000, 11_500_000_000);
        for load in [103.0, 97.0, 102.0] {
            let found = flagged(load).expect("a slow wave");
            assert!((found.update_period_ns / MS - 100.0).abs() < 0.5);
        }
        // Switched slowly: the same swing, yet each switch is over within an update or two.
        assert_eq!(flagged(3000.0), None);
        assert_eq!(flagged(6000.0), None);
        // Not coherent: the values jump.
        assert_eq!(flagged(137.0), None);
    }
}
