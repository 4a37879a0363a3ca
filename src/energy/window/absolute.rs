//! From what the sensor reads to true energy: gain and offset, with their error, on top of the timing's.

use crate::energy::interval::{Interval, Mixture, NORMAL_95, Part, rectangular_nodes};
use crate::energy::sensor::{Gain, Spread};

/// Nodes of the gain's distribution.
const GAINS: usize = 40;

/// True energy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Absolute {
    /// Best value, in joules.
    pub joules: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Its standard deviation, in joules.
    pub sd_joules: f64,
}

/// True energy and the distribution of its error. The sensor reads `factor · power + offset`, so the true energy
/// is (reading − offset · seconds) / factor. Over the factor it is a mixture; given the factor, timing and offset are
/// normal. None if the gain makes no sense (factor not positive within its error, or not finite).
pub(super) fn absolute(timing: &Mixture, seconds: f64, gain: &Gain) -> Option<Absolute> {
    let (read, variance) = (timing.mean(), timing.variance());
    let (half, offset_half) = (
        gain.factor_half_width.abs(),
        gain.offset_half_width_watts.abs(),
    );
    let sds = match gain.spread {
        Spread::Rectangular => 3f64.sqrt(),
        Spread::Normal => NORMAL_95,
    };
    let (factor_sd, offset_sd) = (half / sds, offset_half / sds);
    let reach = match gain.spread {
        Spread::Rectangular => half,
        Spread::Normal => 4.0 * factor_sd,
    };
    let sane = [
        read,
        variance,
        gain.factor,
        gain.offset_watts,
        half,
        offset_half,
    ]
    .iter()
    .all(|value| value.is_finite());
    if !sane || gain.factor - reach <= 0.0 {
        return None;
    }
    let correlation = gain.correlation.clamp(-1.0, 1.0);
    let nodes = || rectangular_nodes(-reach, reach, GAINS);
    let weight = |off: f64| match gain.spread {
        Spread::Normal if factor_sd > 0.0 => (-0.5 * (off / factor_sd).powi(2)).exp(),
        _ => 1.0,
    };
    // The offset that goes with a factor: a fitted line's are opposed.
    let offset = |off: f64| {
        let slope = if factor_sd > 0.0 {
            correlation * offset_sd / factor_sd
        } else {
            0.0
        };
        gain.offset_watts + slope * off
    };
    let rest = (1.0 - correlation * correlation) * (offset_sd * seconds).powi(2);
    // Each node stands for a slice of factors: its width goes into its variance, so that the sum is smooth.
    let slice = (2.0 * reach / GAINS as f64).powi(2) / 12.0;
    let parts = nodes().map(|off| {
        let factor = gain.factor + off;
        let mean = (read - offset(off) * seconds) / factor;
        Part {
            weight: weight(off),
            mean,
            variance: (variance + rest + slice * mean * mean) / (factor * factor),
        }
    });
    let of_truth = Mixture::of(parts);
    let mut interval = of_truth.interval()?;
    let mut variance_all = of_truth.variance();
    let best = (read - gain.offset_watts * seconds) / gain.factor;
    if gain.spread == Spread::Rectangular {
        // "Within 6 %" does not say of which: of the truth (as above), or of the reading. The interval holds for both.
        let other = nodes().map(|off| Part {
            weight: 1.0,
            mean: best * (1.0 + off / gain.factor),
            variance: (variance + rest + slice * best * best) / (gain.factor * gain.factor),
        });
        let of_reading = Mixture::of(other);
        interval = interval.hull(of_reading.interval()?);
        variance_all = variance_all.max(of_reading.variance());
    }
    Some(Absolute {
        joules: best,
        interval,
        sd_joules: variance_all.sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::sensor::Origin;

    fn gain(factor_half_width: f64, spread: Spread) -> Gain {
        Gain {
            factor: 1.0,
            offset_watts: 0.0,
            factor_half_width,
            offset_half_width_watts: 0.0,
            correlation: 0.0,
            spread,
            origin: Origin::Assumed,
        }
    }

    fn timing(mean: f64, sd: f64) -> Mixture {
        Mixture::of([Part {
            weight: 1.0,
            mean,
            variance: sd * sd,
        }])
    }

    #[test]
    fn a_tolerance_dominates_and_holds_for_both_meanings() {
        let Absolute {
            joules: best,
            interval,
            ..
        } = absolute(&timing(1000.0, 0.1), 2.0, &gain(0.06, Spread::Rectangular)).expect("sane");
        assert_eq!(best, 1000.0);
        // 95 % of ±6 % is ±5.7 %: of the reading from 943, of the truth up to 1000/0.943.
        assert!((interval.low_joules - 943.0).abs() < 1.0, "{interval:?}");
        assert!(
            (interval.high_joules - 1000.0 / 0.943).abs() < 1.0,
            "{interval:?}"
        );
    }

    #[test]
    fn terms_combine_below_their_sum() {
        let Absolute { interval, .. } =
            absolute(&timing(1000.0, 20.0), 2.0, &gain(0.06, Spread::Normal)).expect("sane");
        let expected = (60f64.powi(2) + (1.96f64 * 20.0).powi(2)).sqrt();
        assert!(
            (interval.half_width_joules() / expected - 1.0).abs() < 0.02,
            "{interval:?}"
        );
    }

    #[test]
    fn a_metered_line_knows_more_than_its_factor_and_offset_apart() {
        let metered = |correlation| Gain {
            factor: 0.954,
            offset_watts: -1.18,
            factor_half_width: 0.01,
            offset_half_width_watts: 1.3,
            correlation,
            spread: Spread::Normal,
            origin: Origin::Assumed,
        };
        let width = |correlation| {
            let Absolute {
                joules: best,
                interval,
                ..
            } = absolute(&timing(1492.79, 0.5), 11.97, &metered(correlation)).expect("sane");
            assert!((best - 1579.58).abs() < 0.01, "{best}");
            interval.half_width_joules()
        };
        assert!(width(-0.95) < 0.5 * width(0.0));
    }

    #[test]
    fn a_senseless_gain_gives_none() {
        for odd in [
            gain(1.0, Spread::Rectangular),
            gain(f64::NAN, Spread::Normal),
        ] {
            assert_eq!(absolute(&timing(1.0, 1.0), 1.0, &odd), None);
        }
    }
}
