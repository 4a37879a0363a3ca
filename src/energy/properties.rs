//! What holds for any input of the judges: they never panic, and their numbers stay where they must.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use proptest::prelude::*;

use super::*;

fn samples() -> impl Strategy<Value = Vec<ReasonSample>> {
    prop::collection::vec((any::<u64>(), any::<u64>()), 0..40).prop_map(|mut pairs| {
        pairs.sort_unstable();
        pairs
            .into_iter()
            .map(|(at_ns, reasons)| ReasonSample { at_ns, reasons })
            .collect()
    })
}

prop_compose! {
    fn counters()(at_ns in any::<u64>(), parts in prop::collection::vec(any::<Option<u64>>(), 8)) -> ThrottleCounters {
        ThrottleCounters {
            at_ns,
            power_cap_ns: parts[0],
            sync_boost_ns: parts[1],
            board_limit_ns: parts[2],
            reliability_ns: parts[3],
            software_thermal_ns: parts[4],
            hardware_thermal_ns: parts[5],
            power_brake_ns: parts[6],
            thermal_ns: parts[7],
        }
    }
}

proptest! {
    #[test]
    fn throttling_of_anything_has_shares_of_a_whole(
        start_ns in any::<u64>(),
        end_ns in any::<u64>(),
        samples in samples(),
        counters in prop::option::of((counters(), counters())),
    ) {
        let throttle = Throttle::of(&ThrottleEvidence { gpu: "", start_ns, end_ns, samples: &samples, counters });
        for time in [throttle.thermal, throttle.power_brake, throttle.power_cap].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&time.share), "{time:?}");
            prop_assert!(time.seconds >= 0.0);
        }
        let _ = throttle.judge(&VerdictRules::default());
    }

    #[test]
    fn an_interval_moves_and_scales_with_its_sample(
        sample in prop::collection::vec(-1e3..1e3_f64, 3..20),
        shift in -1e3..1e3_f64,
        scale in 0.1..10.0_f64,
    ) {
        let plain = student_t(&sample).unwrap();
        let moved: Vec<f64> = sample.iter().map(|value| value * scale + shift).collect();
        let other = student_t(&moved).unwrap();
        prop_assert!((other.low - (plain.low * scale + shift)).abs() < 1e-6);
        prop_assert!((other.high - (plain.high * scale + shift)).abs() < 1e-6);
    }

    #[test]
    fn drift_does_not_depend_on_the_unit_and_turns_with_the_order(
        sample in prop::collection::vec(1.0..1e3_f64, 3..20),
        scale in 0.1..10.0_f64,
    ) {
        let plain = Drift::of(&sample).unwrap().fitted;
        let scaled: Vec<f64> = sample.iter().map(|value| value * scale).collect();
        prop_assert!((Drift::of(&scaled).unwrap().fitted - plain).abs() < 1e-9);
        let turned: Vec<f64> = sample.iter().rev().copied().collect();
        prop_assert!((Drift::of(&turned).unwrap().fitted + plain).abs() < 1e-9);
    }

    #[test]
    fn a_gap_that_has_ended_stays_ended_while_nothing_changes(
        elapsed in 0.0..600.0_f64,
        later in 0.0..600.0_f64,
        celsius in 20.0..90.0_f64,
        watts in 50.0..700.0_f64,
    ) {
        let rule = GapRule {
            floor_seconds: 10.0,
            fixed: false,
            temperature_celsius: 3.0,
            power_watts: 5.0,
            max_seconds: 300.0,
        };
        let reading = |temperature_celsius, watts| Some(GapReading { temperature_celsius, watts });
        let at = |elapsed| rule.judge(elapsed, reading(celsius, watts), reading(40.0, 118.0), false);
        if at(elapsed) != GapState::Wait {
            prop_assert_eq!(at(elapsed + later), at(elapsed));
        }
        prop_assert_ne!(at(300.0 + later), GapState::Wait);
    }

    #[test]
    fn baselines_and_trends_of_anything_are_numbers_or_reasons(
        edges in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..20),
        average in prop::collection::vec((any::<u64>(), any::<f64>()), 0..20),
        start_ns in any::<u64>(),
        end_ns in any::<u64>(),
    ) {
        let readings = GpuReadings {
            counter: edges
                .iter()
                .map(|(before_ns, after_ns, millijoules)| CounterEdge {
                    before_ns: *before_ns,
                    after_ns: *after_ns,
                    millijoules: *millijoules,
                })
                .collect(),
            average: average.iter().map(|(at_ns, watts)| PowerReading { at_ns: *at_ns, watts: *watts }).collect(),
            ..GpuReadings::default()
        };
        let _ = Baseline::of(&BaselineRequest {
            state: IdleState::Bare,
            start_ns,
            end_ns,
            readings: &readings,
            temperature: &average,
            sm_clock: &[],
        });
        let steps: Vec<(u64, u64)> = edges.iter().map(|edge| (edge.0, edge.2)).collect();
        let _ = PowerTrend::of(&mean_watts(&steps), &average, 30.0, end_ns);
    }
}

proptest! {
    // Each case draws 4,000 resamples.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_bca_interval_lies_in_its_sample(
        mut sample in prop::collection::vec(0.0..1e3_f64, 20..60),
        p in 20.0..80.0_f64,
        seed in any::<u64>(),
    ) {
        sample.sort_unstable_by(f64::total_cmp);
        for statistic in [Statistic::Mean, Statistic::Percentile(p)] {
            let interval = request_interval(&sample, statistic, seed).unwrap();
            prop_assert!(sample[0] <= interval.low && interval.low <= interval.high);
            prop_assert!(interval.high <= sample[sample.len() - 1]);
        }
    }
}
