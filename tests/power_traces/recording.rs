//! Reads one folder of recorded traces: a meter, the log of nvidia-smi beside it, and the load's marks.

use std::fs;
use std::path::Path;

use chrono::{NaiveDateTime, TimeDelta};
use lemctl::energy::PowerReading;
use lemctl::energy::meter::{START_OFFSET_US, decode};
use lemctl::energy::waveform::Point;

/// One recording; times in ns since the epoch, points in s from the meter's first record.
pub struct Recording {
    pub meter: Vec<Point>,
    pub meter_start_ns: u64,
    /// power.draw by nvidia-smi.
    pub draw: Vec<PowerReading>,
    pub start_ns: u64,
    pub end_ns: u64,
    /// The load's switches, ascending, each once.
    pub marks_ns: Vec<u64>,
}

impl Recording {
    pub fn read(folder: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let start_us: i64 = text("PMD_start_ts.txt").trim().parse().unwrap();
        // The rows are in no order: the window is from the earliest to the latest.
        let mut marks_ns: Vec<u64> = text("timestamps.csv")
            .lines()
            .skip(1)
            .map(|row| row.trim().parse::<u64>().unwrap() * 1000)
            .collect();
        marks_ns.sort_unstable();
        marks_ns.dedup();
        let log = text("gpudata.csv");
        Self {
            meter: decode(&fs::read(folder.join("PMD_data.bin")).unwrap()).unwrap(),
            meter_start_ns: u64::try_from((start_us - START_OFFSET_US) * 1000).unwrap(),
            draw: log.lines().skip(1).map(draw).collect(),
            start_ns: marks_ns[0],
            end_ns: marks_ns[marks_ns.len() - 1],
            marks_ns,
        }
    }

    pub fn seconds(&self) -> f64 {
        (self.end_ns - self.start_ns) as f64 / 1e9
    }
}

/// `2023/07/14 10:12:46.483, 0, P0, 37, 1410, 56.12, 56.12`: the clock is UTC+1, power.draw the sixth.
fn draw(row: &str) -> PowerReading {
    let cells: Vec<&str> = row.split(',').map(str::trim).collect();
    let local = NaiveDateTime::parse_from_str(cells[0], "%Y/%m/%d %H:%M:%S%.f").unwrap();
    let utc = (local - TimeDelta::hours(1)).and_utc();
    PowerReading {
        at_ns: u64::try_from(utc.timestamp_nanos_opt().unwrap()).unwrap(),
        watts: cells[5].parse().unwrap(),
    }
}
