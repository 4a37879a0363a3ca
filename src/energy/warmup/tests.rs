//! Warm-ups that converge, that do not, and why.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::*;

fn series(rates: &[u64]) -> Vec<Iteration> {
    rates
        .iter()
        .map(|rate| Iteration {
            output_tokens: *rate,
            elapsed_ns: 1_000_000_000,
        })
        .collect()
}

const RULE: WarmupRule = WarmupRule {
    min_iterations: 3,
    throughput_cv: 0.05,
    throughput_trend: 0.02,
    power_trend: 0.005,
    strict: false,
    max_seconds: 6.0,
};

#[test]
fn it_converges_on_the_latest_iterations_only() {
    assert_eq!(RULE.judge(&series(&[10, 60]), None), Convergence::NotYet);
    assert_eq!(
        RULE.judge(&series(&[10, 60, 100]), None),
        Convergence::NotYet
    );
    assert_eq!(
        RULE.judge(&series(&[10, 60, 100, 102, 100]), None),
        Convergence::Converged
    );
}

#[test]
fn it_gives_up_at_the_cap() {
    assert_eq!(
        RULE.judge(&series(&[10, 60, 10, 60, 10, 60]), None),
        Convergence::Capped
    );
}

#[test]
fn a_steady_climb_is_no_convergence_though_its_spread_is_small() {
    // CV 1.6 %, and 5 % across the five.
    let climb = series(&[1000, 1010, 1020, 1030, 1040]);
    let rule = WarmupRule {
        min_iterations: 5,
        ..RULE
    };
    assert_eq!(rule.judge(&climb, None), Convergence::NotYet);
    let criteria = rule.criteria(&climb, None);
    assert_eq!(
        criteria
            .iter()
            .map(|criterion| (criterion.criterion.as_str(), criterion.met))
            .collect::<Vec<_>>(),
        [("throughput_cv", true), ("throughput_trend", false)]
    );
    let trend = criteria[1].value.unwrap();
    assert!((trend - 50.0 / 1020.0).abs() < 1e-12, "{trend}");
    let loose = WarmupRule {
        throughput_trend: 0.06,
        ..rule
    };
    assert_eq!(loose.judge(&climb, None), Convergence::Converged);
    // A line through two is their difference: the spread says it already.
    let two = WarmupRule {
        min_iterations: 2,
        ..RULE
    };
    assert_eq!(
        two.judge(&series(&[1000, 1040]), None),
        Convergence::Converged
    );
}

#[test]
fn iterations_without_tokens_agree() {
    assert_eq!(
        RULE.judge(&series(&[0, 0, 0]), None),
        Convergence::Converged
    );
}

#[test]
fn power_and_in_strict_campaigns_temperature_must_have_settled() {
    let steady = series(&[100, 101, 100]);
    let trend = |relative, span| PowerTrend {
        relative,
        temperature_span_celsius: span,
    };
    let strict = WarmupRule {
        strict: true,
        ..RULE
    };
    for (rule, power, want) in [
        (RULE, trend(Some(0.004), None), Convergence::Converged),
        (RULE, trend(Some(-0.004), None), Convergence::Converged),
        (RULE, trend(Some(0.006), None), Convergence::NotYet),
        (RULE, trend(Some(-0.006), None), Convergence::NotYet),
        (RULE, trend(None, None), Convergence::NotYet),
        (strict, trend(Some(0.0), Some(1.0)), Convergence::Converged),
        (strict, trend(Some(0.0), Some(2.0)), Convergence::NotYet),
        (strict, trend(Some(0.0), None), Convergence::NotYet),
    ] {
        assert_eq!(rule.judge(&steady, Some(&power)), want, "{power:?}");
    }
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn the_trend_of_power_is_fitted_over_the_last_seconds_and_waits_for_them() {
    // 2 W a second on 600 W at the end of a minute: 60 W of 570 W over 30 s.
    let power: Vec<(u64, f64)> = (0..600)
        .map(|tick| (tick * SECOND / 10, 480.0 + tick as f64 * 0.2))
        .collect();
    let trend = PowerTrend::of(&power, &[], 30.0, 60 * SECOND);
    let relative = trend.relative.unwrap();
    assert!((relative - 60.0 / 570.0).abs() < 1e-3, "{relative}");
    assert_eq!(trend.temperature_span_celsius, None);
    let early = PowerTrend::of(&power[..250], &[], 30.0, 25 * SECOND);
    assert_eq!(early.relative, None, "25 s are not 30 s");
    let stale = PowerTrend::of(&power[..400], &[], 30.0, 60 * SECOND);
    assert_eq!(stale.relative, None, "readings ended 20 s ago");
    let slow: Vec<(u64, f64)> = (0..60).map(|tick| (tick * SECOND, 500.0)).collect();
    assert_eq!(
        PowerTrend::of(&slow, &[], 30.0, 59 * SECOND + SECOND / 2).relative,
        Some(0.0),
        "one reading a second does"
    );
}

#[test]
fn the_temperature_looks_back_two_minutes() {
    let temperature: Vec<(u64, f64)> = (0..200)
        .map(|tick| {
            (
                tick * SECOND,
                if tick < 60 {
                    40.0
                } else {
                    61.0 + (tick % 2) as f64
                },
            )
        })
        .collect();
    let span = |now: u64| {
        PowerTrend::of(&[], &temperature[..=now as usize], 30.0, now * SECOND)
            .temperature_span_celsius
    };
    assert_eq!(span(100), None, "100 s are not 120 s");
    assert_eq!(span(150), Some(22.0));
    assert_eq!(span(199), Some(1.0));
}

#[test]
fn of_several_gpus_the_worst_counts() {
    let trend = |relative, span| PowerTrend {
        relative,
        temperature_span_celsius: span,
    };
    assert_eq!(PowerTrend::worst(&[]), None);
    assert_eq!(
        PowerTrend::worst(&[trend(Some(0.001), Some(1.0)), trend(Some(-0.02), Some(0.0))]),
        Some(trend(Some(-0.02), Some(1.0)))
    );
    assert_eq!(
        PowerTrend::worst(&[trend(Some(0.001), None), trend(None, Some(0.0))]),
        Some(trend(None, None))
    );
}

#[test]
fn the_mean_power_between_steps_of_the_counter() {
    let steps = [
        (0, 1_000),
        (100_000_000, 61_000),
        (200_000_000, 121_000),
        (200_000_000, 0),
    ];
    assert_eq!(
        mean_watts(&steps),
        [(50_000_000, 600.0), (150_000_000, 600.0)]
    );
}
