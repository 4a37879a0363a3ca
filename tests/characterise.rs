//! `lemctl gpu list` and `gpu characterise` on simulated GPUs, whose sensors are known: what is found must hold
//! the truth, whatever the truth is. The same code loads and reads a real GPU; only the load program's log and
//! the library stand for one.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/nvml_sim.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod nvml_sim;

mod characterise {
    pub mod bench;
    pub mod meter;
}

use characterise::bench::Bench;
use characterise::meter::Meter;
use lem_nvml_sim::scenario::{GpuSpec, MigSpec, Phantom, PowerSpec, Scenario, SensorSpec};
use serde_json::Value;

fn scenario(sensor: SensorSpec, power: PowerSpec) -> Scenario {
    let gpu = GpuSpec {
        sensor,
        power,
        ..GpuSpec::default()
    };
    Scenario {
        gpus: vec![gpu],
        ..Scenario::default()
    }
}

/// Asserts that an estimate is right and not wider than `widest`. A 95 % interval misses one time in twenty by
/// design (the estimators' own tests count that), and there are dozens here: twice the half-width must hold it.
fn holds(found: &Value, truth: f64, widest: f64) {
    let number = |key: &str| found[key].as_f64().unwrap_or(f64::NAN);
    let (value, half_width) = (number("value"), number("half_width"));
    assert!(
        (value - truth).abs() <= 2.0 * half_width,
        "{found} does not hold {truth}"
    );
    assert!(half_width <= widest, "{found} is wider than {widest}");
}

const MS: f64 = 1e6;

#[test]
fn a_sensor_like_an_h100s_is_found_and_its_meter_believed() {
    let sensor = SensorSpec {
        period_ms: [99.9, 99.9],
        gain: 0.954,
        offset_watts: -1.18,
        ..SensorSpec::default()
    };
    let power = PowerSpec {
        busy_watts: 450.0,
        ..PowerSpec::default()
    };
    let mut bench = Bench::new(scenario(sensor, power));
    let meter = Meter::start(bench.root(), power);
    let found = bench.characterise(&["--meter", meter.path().as_str()]);
    drop(meter);
    let file = &found["found"];
    for source in ["counter", "average", "instant"] {
        holds(&file[source]["update_period_ns"], 99.9 * MS, 3.0 * MS);
        // A call of the counter takes 4 ms, and nothing says when in it the value is taken.
        holds(&file[source]["latency_ns"], 12.0 * MS, 12.0 * MS);
    }
    holds(&file["instant"]["averaging_window_ns"], 25.0 * MS, 3.0 * MS);
    holds(
        &file["average"]["averaging_window_ns"],
        1000.0 * MS,
        30.0 * MS,
    );
    holds(
        &file["counter"]["averaging_window_ns"],
        99.9 * MS,
        15.0 * MS,
    );
    holds(&file["samples"]["averaging_window_ns"], 20.0 * MS, MS);
    holds(&file["samples"]["update_period_ns"], 20.0 * MS, MS);
    holds(&file["context_above_bare_watts"], 46.0 * 0.954, 5.0);
    let gain = &file["gain"];
    let number = |key: &str| gain[key].as_f64().unwrap();
    assert!(
        (number("factor") - 0.954).abs() <= number("factor_half_width").max(0.005),
        "{gain}"
    );
    assert!(number("factor_half_width") < 0.03, "{gain}");
    assert!(
        (number("offset_watts") + 1.18).abs() <= number("offset_half_width_watts").max(0.5),
        "{gain}"
    );
    assert_eq!(file["simulated"], true);
    assert_eq!(file["idle"].as_array().unwrap().len(), 3);
    assert_eq!(file["idle"][0]["sm_clock_mhz"], 345);
    assert_eq!(file["idle"][1]["sm_clock_mhz"], 1980);
    assert!(file["idle"][2]["held_bytes"].as_u64().unwrap() > 30 << 30);
    holds(&file["agreement"][0]["samples_above_counter"], 0.0, 0.1);

    // It is used with this driver, and with no other.
    let listed = bench.json(&["gpu", "list"]);
    assert_eq!(listed["gpus"][0]["sensor_file"], found["path"], "{listed}");
    assert!(bench.root().join(found["path"].as_str().unwrap()).is_file());
    bench.scenario.driver = "590.44.01-sim".to_owned();
    let listed = bench.json(&["gpu", "list"]);
    assert_eq!(listed["gpus"][0]["sensor_file"], Value::Null, "{listed}");
    let said = listed["gpus"][0]["sensor_remarks"][0].as_str().unwrap();
    assert!(
        said.starts_with("sensor_file_stale") && said.contains("590.44.01-sim"),
        "{said}"
    );
    assert!(
        !bench
            .root()
            .join(".lem/gpu-characterise/lem-load/outbox/gpu")
            .read_dir_utf8()
            .unwrap()
            .any(|_| true)
    );
}

#[test]
fn another_sensor_is_found_as_well() {
    let sensor = SensorSpec {
        period_ms: [50.0, 50.0],
        instant_ms: 10.0,
        average_ms: 500.0,
        sample_ms: 10.0,
        samples_kept: 300,
        latency_ms: 5.0,
        ..SensorSpec::default()
    };
    let power = PowerSpec {
        bare_watts: 40.0,
        context_watts: 60.0,
        busy_watts: 300.0,
        ..PowerSpec::default()
    };
    let bench = Bench::new(scenario(sensor, power));
    let found = bench.characterise(&[]);
    let file = &found["found"];
    for source in ["counter", "average", "instant"] {
        holds(&file[source]["update_period_ns"], 50.0 * MS, 3.0 * MS);
        holds(&file[source]["latency_ns"], 5.0 * MS, 12.0 * MS);
    }
    holds(&file["instant"]["averaging_window_ns"], 10.0 * MS, 3.0 * MS);
    holds(
        &file["average"]["averaging_window_ns"],
        500.0 * MS,
        30.0 * MS,
    );
    holds(&file["samples"]["averaging_window_ns"], 10.0 * MS, MS);
    holds(&file["context_above_bare_watts"], 20.0, 5.0);
    assert_eq!(file["gain"], Value::Null);
}

#[test]
fn what_is_not_there_is_said_with_exit_4() {
    let bench = Bench::new(Scenario::default());
    for (arguments, code, said) in [
        (
            &["gpu", "list", "--nvml-library", "/nowhere.so"][..],
            4,
            "--nvml-library",
        ),
        (
            &["gpu", "characterise", "--nvml-library", "/nowhere.so"],
            4,
            "/nowhere.so",
        ),
        (
            &["gpu", "characterise", "--gpu", "GPU-x"],
            4,
            "there is no GPU GPU-x",
        ),
        (
            &["gpu", "characterise", "--load-program", "/nowhere"],
            4,
            "/nowhere does not start",
        ),
        (
            &["gpu", "characterise", "--load-program", "/bin/true"],
            4,
            "/bin/true",
        ),
        (
            &["gpu", "characterise", "--seconds", "0"],
            2,
            "from 2 to 60",
        ),
        (
            &["gpu", "characterise", "--seconds", "NaN"],
            2,
            "from 2 to 60",
        ),
    ] {
        bench.fails(arguments, code, said);
    }
    assert!(!bench.root().join("sensors").exists());
}

#[test]
fn a_gpu_that_is_in_use_shared_or_unnamed_is_left_alone() {
    let mut bench = Bench::new(Scenario::default());
    bench.scenario.gpus[0].faults.processes = vec![Phantom {
        pid: 4242,
        mib: 1024,
        busy: 0.0,
        when: Default::default(),
    }];
    bench.fails(&["gpu", "characterise"], 4, "in use by pid 4242");
    let listed = bench.json(&["gpu", "list"]);
    assert_eq!(
        listed["gpus"][0]["processes"][0]["process"]["pid"], 4242,
        "{listed}"
    );

    bench.scenario.gpus = vec![GpuSpec::default(), GpuSpec::default()];
    bench.fails(&["gpu", "characterise"], 2, "000000000001");

    bench.scenario.gpus.truncate(1);
    bench.scenario.gpus[0].mig = vec![MigSpec {
        uuid: "MIG-00000000-0000-0000-0000-000000000001".to_owned(),
        memory_mib: 10_000,
    }];
    bench.fails(&["gpu", "characterise"], 4, "MIG");
}
