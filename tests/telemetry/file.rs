//! The readings file, read back by an ordinary Parquet reader.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use lemctl::energy::PowerReading;
use lemctl::telemetry::{
    CounterBreak, RaplDomain, RaplReading, RaplRecording, RaplSeries, Recording, Sampler,
    SamplerSettings, XidEvent,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};

use super::fake::Fake;

/// A row as the file has it.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    monotonic_ns: i64,
    before_ns: Option<i64>,
    value: Option<f64>,
    raw: Option<u64>,
    unit: String,
}

struct Read {
    rows: BTreeMap<(String, String), Vec<Row>>,
    metadata: BTreeMap<String, serde_json::Value>,
}

fn read(path: &std::path::Path) -> Read {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let pairs = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap();
    let metadata = pairs
        .iter()
        .filter(|pair| pair.key.starts_with("lemctl."))
        .map(|pair| {
            let text = pair.value.as_deref().unwrap();
            (pair.key.clone(), serde_json::from_str(text).unwrap())
        })
        .collect();
    let mut rows: BTreeMap<(String, String), Vec<Row>> = BTreeMap::new();
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let fields: BTreeMap<&String, &Field> = row.get_column_iter().collect();
        let optional_long = |name: &str| match fields[&name.to_owned()] {
            Field::Long(number) => Some(*number),
            _ => None,
        };
        let key = (
            row.get_string(2).unwrap().clone(),
            row.get_string(3).unwrap().clone(),
        );
        rows.entry(key).or_default().push(Row {
            monotonic_ns: row.get_long(0).unwrap(),
            before_ns: optional_long("before_ns"),
            value: row.get_double(4).ok(),
            raw: row.get_ulong(5).ok(),
            unit: row.get_string(6).unwrap().clone(),
        });
    }
    Read { rows, metadata }
}

fn recorded() -> Recording {
    let gpus = ["GPU-0".to_owned(), "GPU-1".to_owned()];
    let sampler = Sampler::start(Fake::sound(), &gpus, SamplerSettings::default()).unwrap();
    std::thread::sleep(Duration::from_millis(1_300));
    let mut recording = sampler.stop();
    let gpu = &mut recording.gpus[0];
    gpu.xid.push(XidEvent {
        gpu: "GPU-0".to_owned(),
        xid: 79,
        seen_ns: 17,
    });
    gpu.module.push(PowerReading {
        at_ns: 18,
        watts: 900.5,
    });
    gpu.breaks = vec![
        CounterBreak::WentBack {
            at_ns: 19,
            from_millijoules: 10,
            to_millijoules: 5,
        },
        CounterBreak::Failed {
            from_ns: 20,
            until_ns: None,
        },
    ];
    recording.rapl = Some(RaplRecording {
        series: vec![RaplSeries {
            domain: RaplDomain::Dram { package: 1 },
            readings: vec![RaplReading {
                at_ns: 21,
                joules: 2.5,
            }],
            failed: 0,
        }],
        absent: vec!["no energy of package-1".to_owned()],
    });
    recording
}

#[test]
fn every_reading_comes_back() {
    let recording = recorded();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.parquet");
    recording.write(&path).unwrap();
    assert!(recording.write(&path).is_err(), "never over another file");
    assert_eq!(
        std::fs::read(&path).unwrap(),
        recording.encode().unwrap(),
        "the same every time"
    );
    let read = read(&path);
    let of = |gpu: &str, series: &str| {
        read.rows
            .get(&(gpu.to_owned(), series.to_owned()))
            .cloned()
            .unwrap_or_default()
    };

    for gpu in &recording.gpus {
        let uuid = &gpu.readings.gpu;
        let edges: Vec<Row> = gpu
            .readings
            .counter
            .iter()
            .map(|edge| Row {
                monotonic_ns: edge.after_ns as i64,
                before_ns: Some(edge.before_ns as i64),
                value: Some(edge.millijoules as f64 / 1e3),
                raw: Some(edge.millijoules),
                unit: "J".to_owned(),
            })
            .collect();
        assert!(!edges.is_empty());
        assert_eq!(of(uuid, "counter"), edges);
        for (series, readings) in [
            ("sample", &gpu.readings.samples),
            ("average", &gpu.readings.average),
            ("instant", &gpu.readings.instant),
            ("module", &gpu.module),
        ] {
            let found: Vec<(i64, Option<f64>, String)> = of(uuid, series)
                .into_iter()
                .map(|row| (row.monotonic_ns, row.value, row.unit))
                .collect();
            let expected: Vec<(i64, Option<f64>, String)> = readings
                .iter()
                .map(|reading| (reading.at_ns as i64, Some(reading.watts), "W".to_owned()))
                .collect();
            assert_eq!(found, expected, "{series}");
        }
        let reasons = of(uuid, "event_reasons");
        assert_eq!(reasons.len(), gpu.states.len());
        assert!(
            reasons
                .iter()
                .all(|row| row.raw == Some(0x8000_0000_0000_0004) && row.value.is_none())
        );
        assert!(
            of(uuid, "violation_power")
                .iter()
                .all(|row| row.raw == Some(u64::MAX))
        );
        assert_eq!(of(uuid, "temperature").len(), gpu.states.len());
        assert!(of(uuid, "memory_temperature").is_empty());
    }
    assert!(!of("GPU-0", "sample").is_empty());
    assert_eq!(of("GPU-0", "xid")[0].raw, Some(79));
    assert_eq!(of("GPU-0", "counter_went_back")[0].monotonic_ns, 19);
    assert_eq!(of("GPU-0", "counter_failed")[0].before_ns, Some(20));
    assert_eq!(of("host", "cpu_dram-1")[0].value, Some(2.5));
}

#[test]
fn the_file_describes_itself() {
    let recording = recorded();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readings.parquet");
    recording.write(&path).unwrap();
    let metadata = read(&path).metadata;
    assert_eq!(metadata["lemctl.schema_version"], 1);
    assert_eq!(metadata["lemctl.simulated"], true);
    assert_eq!(metadata["lemctl.library"]["driver_version"], "1.0-sim");
    let pair = &metadata["lemctl.realtime_pair"];
    assert_eq!(pair["monotonic_ns"], recording.realtime_pair.monotonic_ns);
    assert_eq!(metadata["lemctl.started_ns"], recording.started_ns);
    assert_eq!(
        metadata["lemctl.sampler_cost"]["ticks"],
        recording.cost.ticks
    );
    let gpus = &metadata["lemctl.gpus"];
    assert_eq!(gpus[1]["gpu"], "GPU-1");
    assert_eq!(gpus[0]["scope"]["scope"], "gpu");
    assert_eq!(gpus[0]["errors"]["power_module: not_supported"]["count"], 3);
    assert_eq!(metadata["lemctl.rapl_absent"][0], "no energy of package-1");
}

#[test]
fn a_recording_without_readings_is_a_file_too() {
    let sampler = Sampler::start(
        Arc::clone(&Fake::sound()) as _,
        &[],
        SamplerSettings::default(),
    )
    .unwrap();
    let bytes = sampler.stop().encode().unwrap();
    assert_eq!(&bytes[..4], b"PAR1");
}
