//! From a recording to rows of the readings file.

use parquet::data_type::ByteArray;

use crate::energy::PowerReading;
use crate::telemetry::{
    CounterBreak, GpuRecording, RaplRecording, StateReading, ViolationReading, Violations,
};

/// The columns of one row group.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) monotonic_ns: Vec<i64>,
    pub(super) before_ns: Vec<Option<i64>>,
    pub(super) series: Vec<ByteArray>,
    pub(super) value: Vec<Option<f64>>,
    pub(super) raw: Vec<Option<i64>>,
    pub(super) unit: Vec<&'static str>,
}

/// One row.
struct Row {
    at_ns: u64,
    before_ns: Option<u64>,
    value: Option<f64>,
    raw: Option<u64>,
}

impl Row {
    fn value(at_ns: u64, value: f64) -> Self {
        Self {
            at_ns,
            before_ns: None,
            value: Some(value),
            raw: None,
        }
    }

    fn with_raw(self, raw: u64) -> Self {
        Self {
            raw: Some(raw),
            ..self
        }
    }
}

impl Rows {
    fn add(&mut self, series: &str, unit: &'static str, rows: impl Iterator<Item = Row>) {
        // Its clones share one text.
        let series = ByteArray::from(series);
        for row in rows {
            self.monotonic_ns.push(row.at_ns.cast_signed());
            self.before_ns.push(row.before_ns.map(u64::cast_signed));
            self.series.push(series.clone());
            self.value.push(row.value);
            // Parquet keeps unsigned numbers in the same 64 bits.
            self.raw.push(row.raw.map(u64::cast_signed));
            self.unit.push(unit);
        }
    }

    fn add_power(&mut self, series: &str, readings: &[PowerReading]) {
        let rows = readings.iter();
        self.add(
            series,
            "W",
            rows.map(|reading| Row::value(reading.at_ns, reading.watts)),
        );
    }

    /// All that one GPU said.
    pub(super) fn of_gpu(gpu: &GpuRecording) -> Self {
        let mut rows = Self::default();
        let edges = gpu.readings.counter.iter();
        rows.add(
            "counter",
            "J",
            edges.map(|edge| Row {
                before_ns: Some(edge.before_ns),
                ..Row::value(edge.after_ns, edge.millijoules as f64 / 1e3)
                    .with_raw(edge.millijoules)
            }),
        );
        rows.add_breaks(&gpu.breaks);
        rows.add_power("sample", &gpu.readings.samples);
        rows.add_power("average", &gpu.readings.average);
        rows.add_power("instant", &gpu.readings.instant);
        rows.add_power("module", &gpu.module);
        rows.add_states(&gpu.states);
        rows.add_violations(&gpu.violations);
        let xid = gpu.xid.iter();
        rows.add(
            "xid",
            "1",
            xid.map(|event| Row::value(event.seen_ns, event.xid as f64).with_raw(event.xid)),
        );
        rows
    }

    /// The CPUs' energy.
    pub(super) fn of_host(rapl: &RaplRecording) -> Self {
        let mut rows = Self::default();
        for series in &rapl.series {
            let name = format!("cpu_{}", series.domain.name());
            let readings = series.readings.iter();
            rows.add(
                &name,
                "J",
                readings.map(|reading| Row::value(reading.at_ns, reading.joules)),
            );
        }
        rows
    }

    fn add_breaks(&mut self, breaks: &[CounterBreak]) {
        let back = breaks.iter().filter_map(|broken| match broken {
            CounterBreak::WentBack {
                at_ns,
                to_millijoules,
                ..
            } => Some(Row::value(*at_ns, *to_millijoules as f64 / 1e3).with_raw(*to_millijoules)),
            CounterBreak::Failed { .. } => None,
        });
        self.add("counter_went_back", "J", back);
        let failed = breaks.iter().filter_map(|broken| match broken {
            CounterBreak::Failed { from_ns, until_ns } => Some(Row {
                before_ns: Some(*from_ns),
                ..Row::value(until_ns.unwrap_or(*from_ns), 1.0)
            }),
            CounterBreak::WentBack { .. } => None,
        });
        self.add("counter_failed", "1", failed);
    }

    fn add_states(&mut self, states: &[StateReading]) {
        type Part = fn(&StateReading) -> Option<f64>;
        let parts: [(&str, &'static str, Part); 8] = [
            ("temperature", "celsius", |r| {
                r.state.temperature_celsius.map(f64::from)
            }),
            ("memory_temperature", "celsius", |r| {
                r.state.memory_temperature_celsius.map(f64::from)
            }),
            ("sm_clock", "MHz", |r| r.state.sm_clock_mhz.map(f64::from)),
            ("memory_clock", "MHz", |r| {
                r.state.memory_clock_mhz.map(f64::from)
            }),
            ("pstate", "1", |r| r.state.pstate.map(f64::from)),
            ("gpu_utilisation", "percent", |r| {
                r.state.gpu_utilisation_percent.map(f64::from)
            }),
            ("memory_utilisation", "percent", |r| {
                r.state.memory_utilisation_percent.map(f64::from)
            }),
            ("enforced_limit", "W", |r| r.state.enforced_limit_watts),
        ];
        for (series, unit, part) in parts {
            let rows = states.iter();
            self.add(
                series,
                unit,
                rows.filter_map(|reading| Some(Row::value(reading.at_ns, part(reading)?))),
            );
        }
        let memory = states.iter().filter_map(|reading| {
            let bytes = reading.state.memory_used_bytes?;
            Some(Row::value(reading.at_ns, bytes as f64).with_raw(bytes))
        });
        self.add("memory_used", "B", memory);
        let reasons = states.iter().filter_map(|reading| {
            Some(Row {
                at_ns: reading.at_ns,
                before_ns: None,
                value: None,
                raw: Some(reading.state.event_reasons?),
            })
        });
        self.add("event_reasons", "bits", reasons);
    }

    fn add_violations(&mut self, readings: &[ViolationReading]) {
        type Part = fn(&Violations) -> Option<u64>;
        let parts: [(&str, Part); 8] = [
            ("violation_power", |v| v.power_ns),
            ("violation_sync_boost", |v| v.sync_boost_ns),
            ("violation_board_limit", |v| v.board_limit_ns),
            ("violation_reliability", |v| v.reliability_ns),
            ("violation_software_thermal", |v| v.software_thermal_ns),
            ("violation_hardware_thermal", |v| v.hardware_thermal_ns),
            ("violation_power_brake", |v| v.power_brake_ns),
            ("violation_thermal", |v| v.thermal_ns),
        ];
        for (series, part) in parts {
            let rows = readings.iter().filter_map(|reading| {
                let ns = part(&reading.violations)?;
                Some(Row::value(reading.at_ns, ns as f64 / 1e9).with_raw(ns))
            });
            self.add(series, "s", rows);
        }
    }
}
