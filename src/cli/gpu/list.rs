//! `lemctl gpu list`.

use clap::Args;
use serde::Serialize;

use super::{Outcome, Root};
use crate::cli::nvml::NvmlArguments;
use crate::cli::{Format, output};
use crate::diagnostics::Exit;
use crate::energy::sensor::Origin;
use crate::report::table;
use crate::store::known_sensor;
use crate::telemetry::{
    GpuEntry, GpuTelemetry, LibraryInfo, OwnedProcess, Owner, PowerLimits, ReadError, observe,
};

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads only. A GPU that was characterised with another driver is not: the file is stale.\n\n\
    Examples:\n  lemctl gpu list\n  lemctl gpu list --format json | jq '.gpus[].uuid'"
)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    nvml: NvmlArguments,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Listed {
    library: LibraryInfo,
    gpus: Vec<Line>,
    /// What could not be read of the machine as a whole.
    errors: Vec<ReadError>,
}

#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    entry: GpuEntry,
    memory_total_bytes: Option<u64>,
    memory_used_bytes: Option<u64>,
    power_limits: PowerLimits,
    processes: Vec<OwnedProcess>,
    /// The file below the project's folder that windows on this GPU use; null if its sensor is assumed.
    sensor_file: Option<String>,
    /// Why it is assumed, and what else is to be said of its sensor.
    sensor_remarks: Vec<String>,
    /// What could not be read.
    errors: Vec<ReadError>,
}

pub(super) fn run(arguments: &List, root: &Root) -> Outcome {
    let telemetry = arguments.nvml.open()?;
    let library = telemetry.library();
    let listed = telemetry.gpus();
    let line = |entry: GpuEntry| line(entry, telemetry.as_ref(), &library, root);
    let listed = Listed {
        gpus: listed.value.into_iter().map(line).collect(),
        errors: listed.errors,
        library: library.clone(),
    };
    match arguments.format {
        Format::Json => output::json(&listed),
        Format::Text => output::text(&text(&listed)),
    }
    Ok(Exit::Ok)
}

fn line(entry: GpuEntry, telemetry: &dyn GpuTelemetry, library: &LibraryInfo, root: &Root) -> Line {
    let occupancy = observe(telemetry, &entry.uuid);
    let mut errors = occupancy.errors;
    let (memory_total_bytes, power_limits) = match telemetry.snapshot(&entry.uuid) {
        Ok(snapshot) => {
            let found = (
                snapshot.value.memory_total_bytes,
                snapshot.value.power_limits,
            );
            errors.extend(snapshot.errors);
            found
        }
        Err(error) => {
            errors.push(error);
            (None, PowerLimits::default())
        }
    };
    let sensor = known_sensor(
        root.path(),
        &entry.uuid,
        &entry.name,
        &library.driver_version,
    );
    let sensor_file = match sensor.traits.origin {
        Origin::Characterised { file } | Origin::Metered { file } => Some(file),
        Origin::Assumed => None,
    };
    Line {
        memory_total_bytes,
        memory_used_bytes: occupancy.used_bytes,
        power_limits,
        processes: occupancy.processes,
        sensor_file,
        sensor_remarks: sensor.remarks,
        errors,
        entry,
    }
}

fn text(listed: &Listed) -> String {
    let library = &listed.library;
    let simulated = if library.simulated { ", simulated" } else { "" };
    let mut text = format!("driver {}{simulated}\n", library.driver_version);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let rows = listed.gpus.iter().map(|line| {
        let gib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 30));
        let limit = line
            .power_limits
            .enforced_watts
            .map(|watts| format!("{watts:.0}"));
        vec![
            line.entry.index.to_string(),
            line.entry.uuid.clone(),
            line.entry.name.clone(),
            if line.sensor_file.is_some() {
                "characterised"
            } else {
                "assumed"
            }
            .to_owned(),
            or_dash(line.memory_used_bytes.map(gib)),
            or_dash(line.memory_total_bytes.map(gib)),
            or_dash(limit),
            line.entry.mig.len().to_string(),
            line.processes.len().to_string(),
        ]
    });
    let header = [
        "index",
        "uuid",
        "name",
        "sensor",
        "used GiB",
        "of GiB",
        "limit W",
        "MIG devices",
        "processes",
    ];
    text.push_str(&table(&header, rows.collect(), 4));
    for line in &listed.gpus {
        let about = |what: &str| format!("\n  GPU {}: {what}", line.entry.index);
        for mig in &line.entry.mig {
            text.push_str(&about(&format!("MIG device {} ({})", mig.uuid, mig.name)));
        }
        for process in &line.processes {
            text.push_str(&about(&named(process)));
        }
        let sensor = line
            .sensor_file
            .iter()
            .map(|file| format!("sensor as in {file}"));
        for said in sensor.chain(line.sensor_remarks.iter().cloned()) {
            text.push_str(&about(&said));
        }
        for error in &line.errors {
            text.push_str(&about(&format!("not readable: {error}")));
        }
    }
    for error in &listed.errors {
        text.push_str(&format!("\n  not readable: {error}"));
    }
    if listed.gpus.is_empty() {
        text.push_str("\n  no GPU");
    }
    text
}

fn named(owned: &OwnedProcess) -> String {
    let owner = match &owned.owner {
        Owner::Container { id } => format!("container {}", id.get(..12).unwrap_or(id)),
        Owner::Host { command } => command.clone(),
        Owner::Unknown => "not visible to this user".to_owned(),
    };
    let held = owned.process.used_bytes;
    let held = held.map_or(String::new(), |bytes| format!(", {} MiB", bytes >> 20));
    format!("used by pid {} ({owner}){held}", owned.process.pid)
}
