//! What the GPUs' library answers: tagged field values and samples of its buffer → readings → energy of windows → the
//! readings file. And a process's cgroup file, which tells whose process it is.
//!
//! The bytes are a list of answers, see [`Answers`].

use std::collections::BTreeMap;

use lemctl::energy::sensor::Sensor;
use lemctl::energy::{
    CounterEdge, End, EnergyRules, GpuReadings, PowerReading, WindowRequest, total, window_energy,
};
use lemctl::telemetry::{
    ClockPair, Dropped, EnergyScope, GpuRecording, LibraryInfo, PowerSource, Recording,
    SamplerCost, SamplerSettings, field_number, parse_cgroup, power_samples,
};

const GPU: &str = "GPU-00000000-0000-0000-0000-000000000000";
/// When the first answer came.
const BEGIN_NS: u64 = 1_000_000_000;
/// Most answers of one input: an hour would have more, and be as slow as an hour is.
const MOST: usize = 4_096;

/// Bytes as numbers; zeros after their end.
struct Answers<'a>(&'a [u8]);

impl Answers<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        let take = self.0.len().min(8);
        bytes[..take].copy_from_slice(&self.0[..take]);
        self.0 = &self.0[take..];
        u64::from_le_bytes(bytes)
    }
}

/// Readings as the sampler keeps them: each series ascending by time.
fn readings(answers: &mut Answers<'_>, clock: ClockPair) -> GpuReadings {
    let mut found = GpuReadings {
        gpu: GPU.to_owned(),
        ..GpuReadings::default()
    };
    let mut now = BEGIN_NS;
    let mut stamps_us = Vec::new();
    for _ in 0..MOST {
        if answers.0.is_empty() {
            break;
        }
        let kind = answers.byte();
        let passed = 1 + u64::from(answers.byte()) * 1_000_000;
        let before = now;
        now += passed;
        let value = match kind & 4 {
            0 => field_number(u32::from(kind >> 4), answers.number()),
            _ => Some(u64::from(answers.byte()) * 3_000),
        };
        let Some(value) = value else { continue };
        let power = PowerReading {
            at_ns: now,
            watts: value as f64 / 1e3,
        };
        match kind & 3 {
            0 => found.counter.push(CounterEdge {
                before_ns: before,
                after_ns: now,
                millijoules: value,
            }),
            1 => found.average.push(power),
            2 => found.instant.push(power),
            _ => {
                let stamp = match kind & 8 {
                    0 => (now / 1_000).wrapping_add(clock.realtime_ns / 1_000),
                    _ => answers.number(),
                };
                stamps_us.push((stamp, f64::from_bits(value)));
                stamps_us.push((stamp.wrapping_add(20_000), value as f64));
            }
        }
    }
    for sample in power_samples(stamps_us, 0) {
        assert!(sample.watts.is_finite() && sample.watts >= 0.0);
        if let Some(at_ns) = clock.to_monotonic_ns(sample.stamp_us) {
            found.samples.push(PowerReading {
                at_ns,
                watts: sample.watts,
            });
        }
    }
    found
}

pub fn run(bytes: &[u8]) {
    let _ = parse_cgroup(&String::from_utf8_lossy(bytes));
    let mut answers = Answers(bytes);
    let clock = ClockPair {
        realtime_ns: 1_795_000_000_000_000_000,
        monotonic_ns: BEGIN_NS,
        width_ns: 100,
    };
    let start_ns = BEGIN_NS.saturating_add(u64::from(answers.byte()) * 20_000_000);
    let end_ns = start_ns.saturating_add(u64::from(answers.byte()) * 100_000_000);
    let edge = answers.byte();
    let found = readings(&mut answers, clock);
    windows(&found, (start_ns, end_ns), edge);
    let bytes = recorded(found, clock).encode().unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

/// The energy of a window, by the whole and by each source alone.
pub fn windows(found: &GpuReadings, (start_ns, end_ns): (u64, u64), edge: u8) {
    let idle = |watts: u8| End::Idle {
        watts: f64::from(watts),
        half_width_watts: f64::from(watts) / 10.0,
    };
    let ends = match edge % 3 {
        0 => (End::Steady, End::Steady),
        1 => (idle(edge), idle(edge)),
        _ => (idle(edge), End::Steady),
    };
    let alone = [
        found.clone(),
        GpuReadings {
            counter: vec![],
            ..found.clone()
        },
        GpuReadings {
            counter: vec![],
            samples: vec![],
            ..found.clone()
        },
    ];
    for name in ["NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"] {
        let sensor = Sensor::assumed(name);
        let parts: Vec<_> = alone
            .iter()
            .map(|readings| {
                window_energy(&WindowRequest {
                    readings,
                    start_ns,
                    end_ns,
                    ends,
                    sensor: &sensor.traits,
                    gain: &sensor.gain,
                    load_periods_ns: &[f64::from(edge) * 1e6],
                    rules: &EnergyRules::default(),
                })
            })
            .collect();
        for part in &parts {
            assert!(
                part.joules.is_some() || part.reason.is_some(),
                "no energy and no reason"
            );
        }
        let _ = serde_json::to_vec(&total(&parts)).unwrap();
    }
}

fn recorded(readings: GpuReadings, clock: ClockPair) -> Recording {
    Recording {
        library: LibraryInfo {
            path: "libnvidia-ml.so.1".to_owned(),
            driver_version: "580.159.03".to_owned(),
            nvml_version: None,
            cuda_driver_version: None,
            simulated: false,
        },
        realtime_pair: clock,
        started_ns: BEGIN_NS,
        stopped_ns: u64::MAX,
        settings: SamplerSettings::default(),
        gpus: vec![GpuRecording {
            readings,
            scope: EnergyScope::Gpu,
            average_source: PowerSource::PowerAverage,
            module: vec![],
            states: vec![],
            violations: vec![],
            xid: vec![],
            breaks: vec![],
            errors: BTreeMap::new(),
            dropped: Dropped::default(),
        }],
        rapl: None,
        cost: SamplerCost::default(),
    }
}
