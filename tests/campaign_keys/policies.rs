//! Each policy key changes what the rule that it sets decides: the runner asks these rules and no others.

use lemctl::campaign::{Campaign, Cycles};
use lemctl::energy::{CampaignEvidence, CycleStatistics, CycleValue, RunEvidence, judge_campaign};
use lemctl::energy::{
    GapReading, Iteration, LeakVerdict, Occupied, PowerTrend, ReasonSample, Throttle,
    ThrottleCounters, ThrottleEvidence, judge_run,
};

use super::file;
use super::support::load_text;

const SECOND: u64 = 1_000_000_000;

/// What `decide` says under the defaults and with one key changed must differ.
fn differs(section: &str, key: &str, decide: impl Fn(&Campaign) -> String) {
    let [plain, changed] = ["", key].map(|keys| {
        let text = file(&format!("{section}: {{{keys}}}"));
        decide(&load_text(&text))
    });
    assert_ne!(plain, changed, "{section}: {key}");
}

fn gap(campaign: &Campaign, seconds: f64, celsius: f64, watts: f64) -> String {
    let reading = |temperature_celsius, watts| {
        Some(GapReading {
            temperature_celsius,
            watts,
        })
    };
    let rule = campaign
        .execution
        .gap
        .rule(campaign.execution.config_gap_seconds);
    format!(
        "{:?}",
        rule.judge(
            seconds,
            reading(celsius, watts),
            reading(40.0, 118.0),
            false
        )
    )
}

#[test]
fn gaps() {
    for (key, seconds, celsius, watts) in [
        ("gap: {until: fixed}", 20.0, 60.0, 118.0),
        ("gap: {temperature_celsius: 9}", 20.0, 45.0, 118.0),
        ("gap: {power_watts: 9}", 20.0, 40.0, 125.0),
        ("gap: {max_seconds: 15}", 20.0, 60.0, 118.0),
        ("config_gap_seconds: 30", 20.0, 40.0, 118.0),
    ] {
        differs("execution", key, |campaign| {
            gap(campaign, seconds, celsius, watts)
        });
    }
}

#[test]
fn cycles() {
    differs("execution", "cycles: auto", |campaign| {
        let execution = &campaign.execution;
        format!(
            "{} {}",
            execution.cycles.initial(),
            execution.cycles.most(&execution.auto_cycles)
        )
    });
    differs(
        "execution",
        "cycles: auto, auto_cycles: {max: 9}",
        |campaign| {
            let execution = &campaign.execution;
            // The plain file has no `auto`: compared is what both would come to.
            Cycles::Auto.most(&execution.auto_cycles).to_string()
        },
    );
    differs(
        "execution",
        "cycles: auto, auto_cycles: {target_half_width: 0.2}",
        |campaign| {
            let series = [100.0, 110.0, 90.0, 100.0, 110.0, 90.0, 100.0];
            let target = campaign.execution.auto_cycles.target_half_width;
            lemctl::energy::stop_auto(&series, target).to_string()
        },
    );
}

fn warm(campaign: &Campaign, rates: &[u64], power: &PowerTrend) -> String {
    let series: Vec<Iteration> = rates
        .iter()
        .map(|rate| Iteration {
            output_tokens: *rate,
            elapsed_ns: SECOND,
        })
        .collect();
    format!("{:?}", campaign.warmup.rule().judge(&series, Some(power)))
}

#[test]
fn warm_ups() {
    let settled = PowerTrend {
        relative: Some(0.0),
        temperature_span_celsius: Some(5.0),
    };
    let moving = PowerTrend {
        relative: Some(0.01),
        ..settled
    };
    let (steady, climbing, uneven) = (
        [100, 100, 100, 100, 100],
        [1000, 1010, 1020, 1030, 1040],
        [100, 115, 100, 115, 100],
    );
    for (key, rates, power) in [
        ("throughput_cv: 0.2", &uneven[..], &settled),
        ("throughput_trend: 0.1", &climbing, &settled),
        ("power_trend: 0.1", &steady, &moving),
        ("strict: true", &steady, &settled),
        ("min_iterations: 6", &steady, &settled),
        ("max_seconds: 5", &climbing, &settled),
    ] {
        differs("warmup", key, |campaign| warm(campaign, rates, power));
    }
    differs("warmup", "power_window_seconds: 9", |campaign| {
        let readings: Vec<(u64, f64)> = (0..=20).map(|tick| (tick * SECOND, 600.0)).collect();
        let window = campaign.warmup.power_window_seconds;
        format!("{:?}", PowerTrend::of(&readings, &[], window, 20 * SECOND))
    });
}

#[test]
fn readings() {
    differs("energy", "reading_seconds: 0.5", |campaign| {
        campaign.energy.reading_seconds.seconds(60.0).to_string()
    });
    let auto = load_text(&file("energy: {}")).energy.reading_seconds;
    assert_eq!((auto.seconds(299.0), auto.seconds(300.0)), (0.1, 1.0));
}

#[test]
fn leaks() {
    differs("leaks", "tolerance_mib: 9", |campaign| {
        let occupied = |mib: u64| Occupied {
            gpu: "GPU-0".to_owned(),
            used_bytes: Some(mib << 20),
            occupants: vec![],
        };
        let verdict = campaign
            .leaks
            .rule(&[])
            .judge(&occupied(500), &occupied(550));
        matches!(verdict, LeakVerdict::Clean { .. }).to_string()
    });
}

fn throttled(campaign: &Campaign) -> String {
    let counters = |at_ns, thermal| ThrottleCounters {
        at_ns,
        software_thermal_ns: Some(thermal),
        hardware_thermal_ns: Some(0),
        power_brake_ns: Some(0),
        ..ThrottleCounters::default()
    };
    let samples = [ReasonSample {
        at_ns: 5,
        reasons: 0,
    }];
    let throttle = Throttle::of(&ThrottleEvidence {
        gpu: "GPU-0",
        start_ns: 0,
        end_ns: 10 * SECOND,
        samples: &samples,
        counters: Some((counters(0, 0), counters(10 * SECOND, SECOND))),
    });
    let evidence = RunEvidence {
        throttles: std::slice::from_ref(&throttle),
        ..RunEvidence::default()
    };
    format!("{:?}", judge_run(&evidence, &campaign.rules))
}

#[test]
fn rules() {
    differs("rules", "thermal_share: 0.5", throttled);
    differs("rules", "source_agreement: 0.5", |campaign| {
        campaign.rules.energy_rules().source_agreement.to_string()
    });
    let runs = |values: [f64; 3]| -> Vec<CycleValue> {
        values
            .into_iter()
            .zip(1..)
            .map(|(value, cycle)| CycleValue {
                cycle,
                session: 1,
                load: u64::from(cycle),
                gpus: vec![],
                value,
            })
            .collect()
    };
    for (key, values) in [
        ("cycle_cv: 0.5", [100.0, 140.0, 100.0]),
        ("cycle_drift: 0.5", [100.0, 105.0, 110.0]),
    ] {
        differs("rules", key, |campaign| {
            let statistics = CycleStatistics::of(&runs(values), &campaign.rules);
            statistics.map_or_else(String::new, |statistics| statistics.flags.join(" "))
        });
    }
    differs("rules", "kind: quick", |campaign| {
        format!(
            "{:?}",
            judge_campaign(&CampaignEvidence::default(), &campaign.rules)
        )
    });
    let quick = |campaign: &Campaign| {
        let rules = lemctl::energy::VerdictRules {
            kind: lemctl::energy::RulesKind::Quick,
            ..campaign.rules
        };
        let evidence = CampaignEvidence {
            seconds: 60.0,
            ..CampaignEvidence::default()
        };
        format!("{:?}", judge_campaign(&evidence, &rules)[0].outcome)
    };
    differs("rules", "quick_seconds: 9", quick);
    differs("rules", "baseline_watts: 1", |campaign| {
        let evidence = CampaignEvidence {
            baselines: vec![lemctl::energy::BaselineRepeats {
                name: "GPU-0 bare".to_owned(),
                watts: vec![70.0, 74.0],
            }],
            ..CampaignEvidence::default()
        };
        format!(
            "{:?}",
            judge_campaign(&evidence, &campaign.rules)[5].outcome
        )
    });
}
