//! Gain and offset of a GPU's sensor against a physical meter that was read beside it.

use super::least_squares::{robust_covariance, solve, t95};
use super::{Block, Gain, Origin, Spread};
use crate::energy::readings::PowerReading;

/// Fewest blocks of load that a line is fitted to.
const FEWEST: usize = 10;
/// Least ratio of the highest to the lowest power among them: below, gain and offset cannot be told apart.
const LEAST_RATIO: f64 = 1.5;

/// Mean of the meter between two moments: trapezoids, both ends interpolated; none where the meter has a gap
/// there (more than a tenth of the time between two readings) or does not reach.
#[must_use]
pub fn meter_mean(meter: &[PowerReading], start_ns: u64, end_ns: u64) -> Option<f64> {
    let length = end_ns.checked_sub(start_ns).filter(|length| *length > 0)? as f64;
    let from = meter
        .partition_point(|reading| reading.at_ns <= start_ns)
        .checked_sub(1)?;
    let to = meter.partition_point(|reading| reading.at_ns < end_ns);
    let around = meter.get(from..=to)?;
    let mut energy = 0.0;
    for pair in around.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let width = b.at_ns.checked_sub(a.at_ns)? as f64;
        if width > length / 10.0 {
            return None;
        }
        let at = |ns: u64| a.watts + (b.watts - a.watts) * (ns - a.at_ns) as f64 / width.max(1.0);
        let (left, right) = (start_ns.max(a.at_ns), end_ns.min(b.at_ns));
        energy += (at(left) + at(right)) / 2.0 * right.saturating_sub(left) as f64;
    }
    Some(energy / length)
}

/// Fits reading = factor × meter + offset over blocks of steady load of several levels, by least squares of
/// relative errors; the covariance lets each residual stand for its own variance.
///
/// # Errors
/// If the meter was not read beside enough of the blocks, or their power differs too little: says so.
pub fn calibrate(blocks: &[Block], meter: &[PowerReading], file: &str) -> Result<Gain, String> {
    let pairs: Vec<(f64, f64)> = blocks
        .iter()
        .filter_map(|block| {
            Some((
                meter_mean(meter, block.start_ns, block.end_ns)?,
                block.watts,
            ))
        })
        .filter(|(meter, read)| meter.is_finite() && read.is_finite() && *meter > 0.0)
        .collect();
    if pairs.len() < FEWEST {
        return Err(format!(
            "the meter was read beside {} of {} seconds of steady load, and {FEWEST} are needed: do its times \
             belong to this run?",
            pairs.len(),
            blocks.len()
        ));
    }
    let levels = pairs.iter().map(|(meter, _)| *meter);
    let (low, high) = levels.fold((f64::MAX, 0.0f64), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    if high < LEAST_RATIO * low {
        return Err(format!(
            "the meter reads from {low:.1} W to {high:.1} W: too alike to tell gain from offset"
        ));
    }
    // Errors of meters and sensors grow with power: each block is weighed by its own.
    let rows: Vec<[f64; 2]> = pairs
        .iter()
        .map(|(meter, _)| [1.0, meter.recip()])
        .collect();
    let read: Vec<f64> = pairs.iter().map(|(meter, read)| read / meter).collect();
    let unsolved = || "the line through meter and sensor has no solution".to_owned();
    let ([factor, offset_watts], _) = solve(&rows, &read).ok_or_else(unsolved)?;
    let residuals: Vec<f64> = rows
        .iter()
        .zip(&read)
        .map(|(row, read)| read - factor * row[0] - offset_watts * row[1])
        .collect();
    let [[factor_variance, shared], [_, offset_variance]] =
        robust_covariance(&rows, &residuals).ok_or_else(unsolved)?;
    if factor.is_nan() || factor <= 0.0 {
        return Err(format!(
            "the sensor falls as the meter rises: factor {factor:.3}"
        ));
    }
    let t = t95(pairs.len() as f64 - 2.0);
    let spread = (factor_variance * offset_variance).sqrt();
    Ok(Gain {
        factor,
        offset_watts,
        factor_half_width: t * factor_variance.sqrt(),
        offset_half_width_watts: t * offset_variance.sqrt(),
        correlation: if spread > 0.0 {
            (shared / spread).clamp(-1.0, 1.0)
        } else {
            0.0
        },
        spread: Spread::Normal,
        origin: Origin::Metered {
            file: file.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A meter at 50 Hz with noise over levels of five seconds, and what a sensor makes of it in blocks of a second.
    fn run(factor: f64, offset: f64, levels: &[f64], seed: u64) -> (Vec<Block>, Vec<PowerReading>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut blocks, mut meter) = (Vec::new(), Vec::new());
        for (index, level) in levels.iter().enumerate() {
            let start = SECOND * 5 * index as u64;
            for tick in 0..251u64 {
                let watts = level + 4.0 * (random.random::<f64>() - 0.5);
                meter.push(PowerReading {
                    at_ns: start + tick * 20_000_000,
                    watts,
                });
            }
            for second in 0..5u64 {
                let watts = factor * level + offset + (random.random::<f64>() - 0.5) * 0.01 * level;
                let start_ns = start + second * SECOND;
                blocks.push(Block {
                    start_ns,
                    end_ns: start_ns + SECOND,
                    watts,
                });
            }
        }
        (blocks, meter)
    }

    #[test]
    fn gain_and_offset_come_back_within_their_intervals() {
        let (mut held, mut tries) = (0, 0);
        for (factor, offset) in [(0.954, -1.18), (1.0, 0.0), (1.05, 3.0)] {
            for seed in 0..30 {
                let (blocks, meter) = run(
                    factor,
                    offset,
                    &[72.0, 118.0, 280.0, 450.0, 118.0, 690.0],
                    seed,
                );
                let gain = calibrate(&blocks, &meter, "sensors/x.json").unwrap();
                held += u32::from((gain.factor - factor).abs() <= gain.factor_half_width);
                held +=
                    u32::from((gain.offset_watts - offset).abs() <= gain.offset_half_width_watts);
                tries += 2;
                assert!(
                    gain.factor_half_width < 0.01 && gain.correlation < 0.0,
                    "{gain:?}"
                );
            }
        }
        assert!(held * 100 >= tries * 92, "{held} of {tries}");
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let (blocks, meter) = run(1.0, 0.0, &[100.0; 6], 1);
        assert!(
            calibrate(&blocks, &meter, "f")
                .unwrap_err()
                .contains("too alike")
        );
        let (blocks, _) = run(1.0, 0.0, &[100.0, 500.0, 100.0, 500.0], 1);
        assert!(
            calibrate(&blocks, &[], "f")
                .unwrap_err()
                .contains("do its times")
        );
        let (blocks, meter) = run(-1.0, 900.0, &[100.0, 500.0, 100.0, 500.0], 1);
        assert!(
            calibrate(&blocks, &meter, "f")
                .unwrap_err()
                .contains("falls as")
        );
    }

    #[test]
    fn a_gap_of_the_meter_is_no_line() {
        let reading = |at_ns, watts| PowerReading { at_ns, watts };
        let ramp: Vec<PowerReading> = (0..=20).map(|i| reading(i * 100, i as f64)).collect();
        assert!((meter_mean(&ramp, 50, 1950).unwrap() - 10.0).abs() < 1e-12);
        assert_eq!(meter_mean(&ramp, 0, 2001), None);
        assert_eq!(meter_mean(&ramp[..2], 0, 100), None);
        assert_eq!(meter_mean(&[], 0, 1), None);
        assert_eq!(meter_mean(&ramp, 5, 5), None);
    }
}
