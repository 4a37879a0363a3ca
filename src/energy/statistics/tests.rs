//! Statistics against closed forms, tables, and the truth of samples that were drawn.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

use super::interval::t_quantile;
use super::*;
use crate::energy::VerdictRules;
use crate::energy::codes::{CYCLE_CV_HIGH, CYCLE_DRIFT_HIGH, WITHIN_LOAD};

#[test]
fn a_summary_equals_its_definition() {
    let summary = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).expect("not empty");
    assert_eq!((summary.n, summary.mean), (8, 5.0));
    assert!((summary.sd.expect("n >= 2") - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
    assert!((summary.cv().expect("mean is not 0") - (32.0f64 / 7.0).sqrt() / 5.0).abs() < 1e-12);
    assert_eq!(Summary::of(&[3.0]).expect("not empty").sd, None);
    assert_eq!(Summary::of(&[]), None);
}

#[test]
fn percentiles_interpolate() {
    let sample = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(percentile(&sample, 0.0), Some(1.0));
    assert_eq!(percentile(&sample, 50.0), Some(2.5));
    assert_eq!(percentile(&sample, 100.0), Some(4.0));
    assert_eq!(percentile(&[], 50.0), None);
}

#[test]
fn quantiles_of_t_are_those_of_the_tables() {
    for (degrees, table) in [
        (1, 12.706_204_7),
        (2, 4.302_652_7),
        (6, 2.446_911_9),
        (17, 2.109_815_6),
        (1000, 1.962_339_1),
    ] {
        assert!(
            (t_quantile(degrees) - table).abs() < 1e-6,
            "{degrees}: {}",
            t_quantile(degrees)
        );
    }
}

#[test]
fn an_interval_by_t_is_mean_and_half_width() {
    let interval = student_t(&[1.0, 2.0, 3.0]).unwrap();
    assert!((interval.half_width() - 4.302_652_7 / 3.0_f64.sqrt()).abs() < 1e-6);
    assert!((interval.low + interval.high - 4.0).abs() < 1e-12);
    assert_eq!(student_t(&[1.0, 2.0]), None, "two values have no interval");
    assert_eq!(student_t(&[1.0, f64::NAN, 2.0]), None);
}

fn normals(draws: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n)
        .map(|_| StandardNormal.sample(draws))
        .map(|z: f64| 100.0 + 5.0 * z)
        .collect()
}

#[test]
fn intervals_by_t_hold_the_truth_in_95_of_100() {
    let mut draws = ChaCha8Rng::seed_from_u64(1);
    for n in [3, 5, 7, 18] {
        let trials = 8000;
        let held = (0..trials)
            .filter(|_| student_t(&normals(&mut draws, n)).unwrap().holds(100.0))
            .count();
        let share = f64::from(u32::try_from(held).unwrap()) / f64::from(trials);
        // The standard error of a share of 0.95 over 8,000 is 0.0024.
        assert!((share - 0.95).abs() < 0.01, "n = {n}: {share}");
    }
}

#[test]
fn as_many_cycles_as_the_page_on_measurement_says() {
    assert_eq!(required_n(0.5, 1.0), Some(4));
    assert_eq!(required_n(0.05, 0.05), Some(7));
    assert_eq!(required_n(0.10, 0.05), Some(18));
    assert_eq!(required_n(0.0, 0.05), None);
    assert_eq!(required_n(0.1, f64::NAN), None);
    assert_eq!(required_n(1e9, 0.05), None);
    assert_eq!(required_n(1e-9, 0.05), Some(3));
}

#[test]
fn the_half_width_is_met_about_two_times_in_three_at_the_required_n() {
    let mut draws = ChaCha8Rng::seed_from_u64(2);
    for (ratio, n) in [(1.0, 7), (2.0, 18)] {
        let target = 0.05 / ratio;
        let trials = 4000;
        let met = (0..trials)
            .filter(|_| stop_auto(&normals(&mut draws, n), target))
            .count();
        let share = f64::from(u32::try_from(met).unwrap()) / f64::from(trials);
        assert!((0.5..0.75).contains(&share), "n = {n}: {share}");
    }
}

#[test]
fn auto_stops_on_the_interval_seen() {
    assert!(stop_auto(
        &[100.0, 101.0, 99.0, 100.0, 100.0, 101.0, 99.0],
        0.05
    ));
    assert!(!stop_auto(
        &[100.0, 140.0, 60.0, 100.0, 120.0, 80.0, 100.0],
        0.05
    ));
    assert!(!stop_auto(&[100.0, 100.0], 0.05), "no interval, no stop");
    assert!(
        !stop_auto(&[1.0, -1.0, 0.0], 0.05),
        "nothing is relative to 0"
    );
}

#[test]
fn bca_holds_a_skewed_mean_and_median() {
    let mut draws = ChaCha8Rng::seed_from_u64(3);
    let truths = [
        (Statistic::Mean, 1.0),
        (Statistic::Percentile(50.0), 2.0_f64.ln()),
    ];
    for (statistic, truth) in truths {
        let trials = 250_u32;
        let held = (0..trials)
            .filter(|trial| {
                let mut sample: Vec<f64> = (0..40).map(|_| Exp1.sample(&mut draws)).collect();
                sample.sort_unstable_by(f64::total_cmp);
                let interval = request_interval(&sample, statistic, u64::from(*trial)).unwrap();
                assert_eq!(interval.method, IntervalMethod::Bca);
                interval.holds(truth)
            })
            .count();
        let share = f64::from(u32::try_from(held).unwrap()) / f64::from(trials);
        assert!((0.88..=0.99).contains(&share), "{statistic:?}: {share}");
    }
}

#[test]
fn bca_moves_towards_the_long_tail_and_is_deterministic() {
    let mut draws = ChaCha8Rng::seed_from_u64(4);
    let mut sample: Vec<f64> = (0..60).map(|_| Exp1.sample(&mut draws)).collect();
    sample.sort_unstable_by(f64::total_cmp);
    let interval = request_interval(&sample, Statistic::Mean, 9).unwrap();
    let mean = sample.iter().sum::<f64>() / 60.0;
    assert!(
        interval.high - mean > mean - interval.low,
        "{interval:?} around {mean}"
    );
    assert_eq!(
        request_interval(&sample, Statistic::Mean, 9),
        Some(interval)
    );
    assert_ne!(
        request_interval(&sample, Statistic::Mean, 10),
        Some(interval)
    );
    assert_eq!(
        request_interval(&sample[..19], Statistic::Mean, 9),
        None,
        "too few"
    );
    assert_eq!(
        request_interval(&sample, Statistic::Percentile(99.0), 9),
        None,
        "not bounded"
    );
    let equal = request_interval(&[3.0; 20], Statistic::Percentile(50.0), 9).unwrap();
    assert_eq!((equal.low, equal.high), (3.0, 3.0));
}

#[test]
fn many_values_need_no_resampling() {
    let mut draws = ChaCha8Rng::seed_from_u64(5);
    let mut held = 0;
    for _ in 0..200 {
        let mut sample: Vec<f64> = (0..10_001).map(|_| draws.random::<f64>()).collect();
        sample.sort_unstable_by(f64::total_cmp);
        let interval = request_interval(&sample, Statistic::Percentile(99.0), 0).unwrap();
        assert_eq!(interval.method, IntervalMethod::OrderStatistics);
        held += u32::from(interval.holds(0.99));
        let mean = request_interval(&sample, Statistic::Mean, 0).unwrap();
        assert_eq!(mean.method, IntervalMethod::StudentT);
    }
    assert!((180..=199).contains(&held), "{held} of 200");
}

#[test]
fn drift_is_slope_times_length_over_the_mean() {
    let drift = Drift::of(&[98.0, 99.0, 100.0, 101.0, 102.0]).unwrap();
    assert!((drift.fitted - 0.05).abs() < 1e-12 && (drift.first_to_last - 0.04).abs() < 1e-12);
    assert!(drift.fitted_half_width.unwrap() < 1e-9);
    assert!(drift.exceeds(0.049) && !drift.exceeds(0.051));
    assert!(
        Drift::of(&[102.0, 101.0, 100.0, 99.0, 98.0])
            .unwrap()
            .exceeds(0.049),
        "downwards too"
    );
    assert_eq!(Drift::of(&[1.0, 2.0]), None);
    assert_eq!(Drift::of(&[-1.0, 0.0, 1.0]), None);
    assert_eq!(Drift::of(&[1.0, f64::INFINITY, 1.0]), None);
}

#[test]
fn the_drift_of_noise_is_within_its_own_half_width_in_95_of_100() {
    let mut draws = ChaCha8Rng::seed_from_u64(6);
    let trials = 4000;
    let within = (0..trials)
        .filter(|_| {
            let drift = Drift::of(&normals(&mut draws, 7)).unwrap();
            drift.fitted.abs() <= drift.fitted_half_width.unwrap()
        })
        .count();
    let share = f64::from(u32::try_from(within).unwrap()) / f64::from(trials);
    assert!((share - 0.95).abs() < 0.015, "{share}");
}

fn run(cycle: u32, session: u32, load: u64, value: f64) -> CycleValue {
    CycleValue {
        cycle,
        session,
        load,
        gpus: vec!["GPU-a".to_owned()],
        value,
    }
}

#[test]
fn cycles_on_few_loads_say_so() {
    let rules = VerdictRules::default();
    let one_load: Vec<CycleValue> = (1..=5)
        .map(|cycle| run(cycle, 1, 0, 100.0 + f64::from(cycle % 2)))
        .collect();
    let within = CycleStatistics::of(&one_load, &rules).unwrap();
    assert_eq!(
        (within.loads, within.gpu_sets, within.within_load),
        (1, 1, true)
    );
    assert_eq!(within.flags, [WITHIN_LOAD]);
    let loads: Vec<CycleValue> = one_load
        .iter()
        .map(|value| CycleValue {
            load: u64::from(value.cycle),
            ..value.clone()
        })
        .collect();
    let across = CycleStatistics::of(&loads, &rules).unwrap();
    assert!(!across.within_load && across.flags.is_empty() && across.interval.is_some());
    // The first load of another session is another load.
    let sessions = [run(1, 1, 0, 1.0), run(2, 2, 0, 1.0), run(3, 3, 0, 1.0)];
    assert_eq!(CycleStatistics::of(&sessions, &rules).unwrap().loads, 3);
    assert_eq!(CycleStatistics::of(&[], &rules), None);
}

#[test]
fn spread_and_drift_over_cycles_are_flagged_above_their_limits() {
    let rules = VerdictRules::default();
    let of = |values: &[f64]| {
        let runs: Vec<CycleValue> = values
            .iter()
            .zip(1..)
            .map(|(value, cycle)| run(cycle, 1, u64::from(cycle), *value))
            .collect();
        CycleStatistics::of(&runs, &rules).unwrap().flags
    };
    assert_eq!(of(&[100.0, 125.0, 100.0]), [CYCLE_CV_HIGH]);
    assert_eq!(of(&[100.0, 102.0, 104.0, 106.0]), [CYCLE_DRIFT_HIGH]);
    assert!(of(&[100.0, 103.0, 100.0]).is_empty());
    // Cycles come in any order and are judged in theirs.
    let shuffled = [
        run(3, 1, 3, 104.0),
        run(1, 1, 1, 100.0),
        run(4, 1, 4, 106.0),
        run(2, 1, 2, 102.0),
    ];
    let drift = CycleStatistics::of(&shuffled, &rules)
        .unwrap()
        .drift
        .unwrap();
    assert!(drift.first_to_last > 0.05);
}

#[test]
fn paired_differences_cancel_what_moves_both() {
    let mut draws = ChaCha8Rng::seed_from_u64(7);
    let day: Vec<f64> = (0..6).map(|_| 40.0 * draws.random::<f64>()).collect();
    let side = |plus: f64, load: u64| -> Vec<CycleValue> {
        day.iter()
            .zip(1..)
            .map(|(day, cycle)| run(cycle, 1, load + u64::from(cycle), 100.0 + day + plus))
            .collect()
    };
    let paired = PairedDifference::between(&side(0.0, 0), &side(2.0, 10)).unwrap();
    assert_eq!((paired.pairs, paired.within_load), (6, false));
    assert!((paired.mean_difference - 2.0).abs() < 1e-9);
    assert!(paired.interval.unwrap().half_width() < 1e-9);
    // A cycle that another session finished is no pair.
    let mut second = side(2.0, 10);
    second[0].session = 2;
    assert_eq!(
        PairedDifference::between(&side(0.0, 0), &second)
            .unwrap()
            .pairs,
        5
    );
    assert_eq!(PairedDifference::between(&side(0.0, 0), &[]), None);
}

/// To second order a BCa interval of a mean is shifted by (2 z² + 1) times the acceleration γ / (6 √n), in standard
/// errors (Hall, Ann. Stat. 16 (1988) 927); without the acceleration it would be about half of that.
#[test]
fn bca_is_accelerated_as_the_theory_says() {
    let mut draws = ChaCha8Rng::seed_from_u64(8);
    let (n, trials) = (60_u32, 60_u32);
    let mut shifts = 0.0;
    for trial in 0..trials {
        let mut sample: Vec<f64> = (0..n).map(|_| Exp1.sample(&mut draws)).collect();
        sample.sort_unstable_by(f64::total_cmp);
        let mean = sample.iter().sum::<f64>() / f64::from(n);
        let moment = |power: i32| {
            sample
                .iter()
                .map(|value| (value - mean).powi(power))
                .sum::<f64>()
                / f64::from(n)
        };
        let acceleration = moment(3) / moment(2).powf(1.5) / (6.0 * f64::from(n).sqrt());
        let error = (moment(2) / f64::from(n)).sqrt();
        let interval = request_interval(&sample, Statistic::Mean, u64::from(trial)).unwrap();
        let middle = (interval.low + interval.high) / 2.0;
        shifts += (middle - mean) / error / acceleration;
    }
    let shift = shifts / f64::from(trials);
    assert!(
        (shift - (2.0 * 1.96_f64.powi(2) + 1.0)).abs() < 1.5,
        "{shift}"
    );
}
