//! Windows on a real GPU: whether sub-windows of one steady load spread as their intervals say, and what the sources
//! say of a load that is coherent with the sensor.
//!
//! Needs `LEM_GPU_LOAD`, a command that takes ON_MS PERIOD_MS SECONDS, prints `ready` and loads the GPU so
//! (`python3 tests/gpu-host/wave.py`); skipped, and said so, without it. `LEM_NVML_LIBRARY` may name the library.
//! Each test prints one line of JSON with what it saw.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::Utf8PathBuf;
use lemctl::energy::sensor::Sensor;
use lemctl::energy::window::Source;
use lemctl::energy::{End, EnergyRules, GpuEnergy, GpuReadings, WindowRequest, window_energy};
use lemctl::telemetry::{GpuTelemetry, NvmlTelemetry, Recording, Sampler, SamplerSettings};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// One GPU: one load at a time.
static TURN: Mutex<()> = Mutex::new(());

struct Load {
    child: Child,
    _turn: MutexGuard<'static, ()>,
}

impl Load {
    fn start(on_ms: f64, period_ms: f64, seconds: f64) -> Option<Self> {
        let Ok(command) = std::env::var("LEM_GPU_LOAD") else {
            eprintln!("SKIPPED: LEM_GPU_LOAD is not set. Nothing was tested on a real GPU.");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut words = command.split(' ');
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args([on_ms, period_ms, seconds].map(|number| number.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Some(Self { child, _turn: turn })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Records the first GPU for `seconds`.
fn record(seconds: f64) -> (Recording, Sensor) {
    let library = std::env::var("LEM_NVML_LIBRARY")
        .ok()
        .map(Utf8PathBuf::from);
    let telemetry = NvmlTelemetry::open(library.as_deref()).unwrap();
    let gpu = telemetry.gpus().value.remove(0);
    let settings = SamplerSettings {
        reading_interval_ns: 10_000_000,
        ..SamplerSettings::default()
    };
    let sampler = Sampler::start(Arc::new(telemetry), &[gpu.uuid], settings).unwrap();
    std::thread::sleep(Duration::from_secs_f64(seconds));
    (sampler.stop(), Sensor::assumed(&gpu.name))
}

fn window(
    readings: &GpuReadings,
    sensor: &Sensor,
    from: f64,
    seconds: f64,
    periods: &[f64],
) -> GpuEnergy {
    let first = readings.counter[0].after_ns;
    let start_ns = first + (from * 1e9) as u64;
    window_energy(&WindowRequest {
        readings,
        start_ns,
        end_ns: start_ns + (seconds * 1e9) as u64,
        ends: (End::Steady, End::Steady),
        sensor: &sensor.traits,
        gain: &sensor.gain,
        load_periods_ns: periods,
        rules: &EnergyRules::default(),
    })
}

/// Sub-windows of `seconds` of one steady load: their spread against their own standard deviations.
fn spread(
    readings: &GpuReadings,
    sensor: &Sensor,
    count: usize,
    seconds: f64,
) -> (f64, f64, f64, f64) {
    // A length that is no multiple of the update period, so that ends fall everywhere in it.
    let step = seconds + 0.0137;
    let parts: Vec<GpuEnergy> = (0..count)
        .map(|index| window(readings, sensor, 1.0 + index as f64 * step, seconds, &[]))
        .collect();
    let joules: Vec<f64> = parts.iter().map(|part| part.joules.unwrap()).collect();
    let mean = joules.iter().sum::<f64>() / count as f64;
    // A GPU warms up under load and its power creeps: a fitted line is taken off, and with it a degree of freedom.
    let middle = (count - 1) as f64 / 2.0;
    let at = |index: usize| index as f64 - middle;
    let slope = joules
        .iter()
        .enumerate()
        .map(|(index, one)| at(index) * one)
        .sum::<f64>()
        / (0..count).map(|index| at(index).powi(2)).sum::<f64>();
    let left = |index: usize| joules[index] - mean - slope * at(index);
    let sd = ((0..count).map(|index| left(index).powi(2)).sum::<f64>() / (count - 2) as f64).sqrt();
    let sds: Vec<f64> = parts
        .iter()
        .map(|part| part.timing_sd_joules.unwrap())
        .collect();
    let predicted = sds.iter().sum::<f64>() / count as f64;
    let chi = (0..count)
        .map(|index| (left(index) / sds[index]).powi(2))
        .sum();
    (mean, sd, predicted, chi)
}

#[test]
fn sub_windows_of_a_steady_load_spread_as_their_intervals_say() {
    let Some(_load) = Load::start(100.0, 100.0, 70.0) else {
        return;
    };
    let (recording, sensor) = record(50.0);
    let readings = &recording.gpus[0].readings;
    for (count, seconds) in [(40, 1.0), (80, 0.5)] {
        let (mean, sd, predicted, chi) = spread(readings, &sensor, count, seconds);
        let freedom = (count - 2) as f64;
        let distribution = ChiSquared::new(freedom).unwrap();
        let (low, high) = (
            distribution.inverse_cdf(0.005),
            distribution.inverse_cdf(0.995),
        );
        println!(
            "{{\"test\": \"sub_windows\", \"count\": {count}, \"seconds\": {seconds}, \"mean_joules\": {mean:.3}, \
             \"sd_joules\": {sd:.4}, \"predicted_sd_joules\": {predicted:.4}, \"chi_squared\": {chi:.1}, \
             \"low\": {low:.1}, \"high\": {high:.1}}}"
        );
        // Too wide is no lie, only a waste: the upper bound is what must hold.
        assert!(chi < high, "{count} windows of {seconds} s: {chi} > {high}");
    }
}

#[test]
fn a_load_of_a_quarter_of_the_period_is_seen_whole_by_the_counter_and_flagged_for_field_186() {
    for (period, coherent) in [(100.0, true), (137.0, false)] {
        let Some(_load) = Load::start(25.0, period, 30.0) else {
            return;
        };
        let (recording, sensor) = record(15.0);
        let readings = &recording.gpus[0].readings;
        let periods = [period * 1e6];
        let counter = window(readings, &sensor, 1.0, 12.0, &periods);
        let only_instant = GpuReadings {
            gpu: readings.gpu.clone(),
            instant: readings.instant.clone(),
            ..GpuReadings::default()
        };
        // Without edges the window's place is told by the counter's first one.
        let start_ns = readings.counter[0].after_ns + 1_000_000_000;
        let instant = window_energy(&WindowRequest {
            readings: &only_instant,
            start_ns,
            end_ns: start_ns + 12_000_000_000,
            ends: (End::Steady, End::Steady),
            sensor: &sensor.traits,
            gain: &sensor.gain,
            load_periods_ns: &periods,
            rules: &EnergyRules::default(),
        });
        println!(
            "{{\"test\": \"quarter_load\", \"period_ms\": {period}, \"counter_joules\": {:?}, \"samples_joules\": {:?}, \
             \"disagreement\": {:?}, \"coherence\": {:?}, \"flags\": {:?}, \"instant_joules\": {:?}, \"instant_flags\": {:?}, \
             \"instant_reason\": {:?}}}",
            counter.joules,
            counter.waveform_joules,
            counter.disagreement,
            counter.coherence,
            counter.flags,
            instant.joules,
            instant.flags,
            instant.reason,
        );
        assert_eq!(counter.source, Source::Counter);
        assert!(counter.disagreement.unwrap() < 0.03, "{counter:?}");
        assert_eq!(
            counter.coherence.is_some_and(|found| found.coherent),
            coherent,
            "{counter:?}"
        );
        // What field 186 says of a coherent load is refused, and of another told as under-sampled.
        let told = format!("{:?} {:?}", instant.fallbacks, instant.flags);
        let word = if coherent {
            "load_coherent_with_sensor"
        } else {
            "undersampled"
        };
        assert!(told.contains(word), "{instant:?}");
        assert_eq!(instant.joules.is_none(), coherent, "{instant:?}");
    }
}
