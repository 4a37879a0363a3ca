//! Files that a user may edit and a window then depends on: what `lemctl gpu characterise` found of a sensor, and a
//! recording of a physical meter.

use lemctl::energy::meter::decode;
use lemctl::energy::sensor::{Sensor, SensorFile, SourceTraits};
use lemctl::energy::{
    CounterEdge, End, EnergyRules, GpuReadings, PowerReading, Stamps, WindowRequest, waveform,
    window_energy,
};

/// Ten seconds of 300 W behind two of 70 W, as every source has them.
fn readings() -> GpuReadings {
    let watts = |tick: u64| if tick < 20 { 70.0 } else { 300.0 };
    let ticks = 1..=120_u64;
    let power: Vec<PowerReading> = ticks
        .clone()
        .map(|tick| PowerReading {
            at_ns: tick * 100_000_000,
            watts: watts(tick),
        })
        .collect();
    let mut millijoules = 1_000_000;
    let counter = ticks
        .map(|tick| {
            millijoules += (watts(tick) * 100.0) as u64;
            CounterEdge {
                before_ns: tick * 100_000_000 - 2_000_000,
                after_ns: tick * 100_000_000,
                millijoules,
            }
        })
        .collect();
    GpuReadings {
        gpu: "GPU-1".to_owned(),
        counter,
        samples: power.clone(),
        average: power.clone(),
        instant: power,
    }
}

pub fn run(bytes: &[u8]) {
    if let Ok(points) = decode(bytes) {
        assert!(points.iter().all(|point| point.watts.is_finite()));
    }
    let Ok(file) = serde_json::from_slice::<SensorFile>(bytes) else {
        return;
    };
    if let Some(why) = file.refused("GPU-1", "580.159.03") {
        assert!(!why.is_empty());
    }
    energy(&file.sensor("sensors/GPU-1.json"));
}

/// A window with an edited sensor has an energy or a reason.
fn energy(sensor: &Sensor) {
    let full = readings();
    let alone: [GpuReadings; 4] = [
        full.clone(),
        GpuReadings {
            counter: vec![],
            ..full.clone()
        },
        GpuReadings {
            counter: vec![],
            samples: vec![],
            ..full.clone()
        },
        GpuReadings {
            counter: vec![],
            samples: vec![],
            average: vec![],
            ..full
        },
    ];
    let steady = End::Steady;
    let idle = End::Idle {
        watts: 70.0,
        half_width_watts: 1.0,
    };
    for readings in &alone {
        for ends in [(steady, steady), (idle, steady), (idle, idle)] {
            let found = window_energy(&WindowRequest {
                readings,
                start_ns: 2_000_000_000,
                end_ns: 11_000_000_000,
                ends,
                sensor: &sensor.traits,
                gain: &sensor.gain,
                load_periods_ns: &[],
                rules: &EnergyRules::default(),
            });
            assert!(found.joules.is_some() || found.reason.is_some());
        }
    }
    let traits: [&SourceTraits; 2] = [&sensor.traits.samples, &sensor.traits.instant];
    for traits in traits {
        let points = waveform(&alone[1].samples, 0, Stamps::Made, traits);
        assert!(points.len() <= alone[1].samples.len());
    }
}
