//! How often a source changes, from the moments at which it was seen to.

use super::Estimate;
use super::least_squares::t95;

/// Fewest changes that tell anything.
const FEWEST: usize = 20;
/// Resolution of the driver's stamps, ns: no interval is narrower.
const RESOLUTION_NS: f64 = 1e3;
/// Largest distance from a whole number of periods, in periods, of a difference that counts.
const LARGEST_OFF: f64 = 0.2;
/// Least share of differences that must count.
const LEAST_REGULAR: f64 = 0.8;

/// Update period in ns from the moments of change (ascending, ns; each the middle of the two polls around it).
///
/// An update that brings the same value again is not seen, so differences are multiples of the period: the
/// lower quartile is taken for one period, then the mean of all differences, each divided by its whole number,
/// until it stands. The half-width is that of the mean of such differences as if they were independent: the
/// error of one poll makes neighbours differ in opposite ways, so it is if anything too wide.
///
/// # Errors
/// If there are too few changes, or they do not come at multiples of one period: says so.
pub fn update_period(changes_ns: &[f64]) -> Result<Estimate, String> {
    let differences: Vec<f64> = changes_ns
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .filter(|difference| *difference > 0.0)
        .collect();
    if differences.len() < FEWEST {
        return Err(format!(
            "it changed {} times, and {FEWEST} are needed",
            differences.len()
        ));
    }
    let mut ascending = differences.clone();
    ascending.sort_unstable_by(f64::total_cmp);
    let mut period = ascending[ascending.len() / 4];
    let mut each = Vec::new();
    for _ in 0..20 {
        let (mut time, mut count) = (0.0, 0.0);
        each.clear();
        for difference in &differences {
            let times = (difference / period).round();
            if times >= 1.0 && (difference / period - times).abs() <= LARGEST_OFF {
                time += difference;
                count += times;
                each.push((difference - times * period) / times.sqrt());
            }
        }
        if count < FEWEST as f64 {
            return Err("its changes have no common period".to_owned());
        }
        let next = time / count;
        if (next - period).abs() < 1e-9 * period {
            break;
        }
        period = next;
    }
    if (each.len() as f64) < LEAST_REGULAR * differences.len() as f64 {
        return Err(format!(
            "only {} of {} changes lie a multiple of {:.1} ms after the one before",
            each.len(),
            differences.len(),
            period / 1e6
        ));
    }
    let n = each.len() as f64;
    let variance = each.iter().map(|off| off * off).sum::<f64>() / (n - 1.0);
    Ok(Estimate::new(
        period,
        (t95(n - 1.0) * (variance / n).sqrt()).hypot(RESOLUTION_NS),
    ))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Changes every `period` ms with jitter, seen by polls every `poll` ms; `hidden` of them bring the same value.
    fn seen(seed: u64, period: f64, jitter: f64, poll: f64, hidden: f64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut at = random.random::<f64>() * period;
        let mut seen = Vec::new();
        for _ in 0..300 {
            at += period + (random.random::<f64>() - 0.5) * jitter;
            if random.random::<f64>() >= hidden {
                let polled = (at / poll).ceil() * poll;
                seen.push((polled - poll / 2.0) * 1e6);
            }
        }
        seen
    }

    #[test]
    fn the_interval_holds_the_truth_for_many_sensors() {
        let (mut held, mut tries, mut widest) = (0, 0, 0.0f64);
        for (period, jitter, poll, hidden) in [
            (100.0, 0.0, 1.0, 0.0),
            (99.9, 0.2, 1.0, 0.4),
            (20.0, 0.5, 1.0, 0.3),
            (50.0, 5.0, 2.0, 0.6),
            (101.7, 1.0, 5.0, 0.5),
            (16.7, 0.1, 0.5, 0.0),
        ] {
            for seed in 0..50 {
                let estimate =
                    update_period(&seen(seed, period, jitter, poll, hidden)).expect("regular");
                held += u32::from(estimate.holds(period * 1e6));
                tries += 1;
                widest = widest.max(estimate.half_width / estimate.value);
            }
        }
        assert!(held * 100 >= tries * 94, "{held} of {tries}");
        assert!(widest < 0.02, "{widest}");
    }

    #[test]
    fn what_has_no_period_is_refused() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut at = 0.0;
        let irregular: Vec<f64> = (0..300)
            .map(|_| {
                at += 1e6 * (5.0 + 200.0 * random.random::<f64>());
                at
            })
            .collect();
        assert!(update_period(&irregular).is_err());
        assert!(update_period(&irregular[..10]).is_err());
        assert!(update_period(&[]).is_err());
        assert!(update_period(&[0.0; 100]).is_err());
    }
}
