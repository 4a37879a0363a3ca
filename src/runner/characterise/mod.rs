//! Finding out what a GPU's power sensor does: a known load on one side, every source of power on the other, and
//! the estimators of `energy::sensor` between them.
//!
//! Drives a load program that stands beside lemctl and reads through the telemetry seam; prints nothing.

mod analyse;
mod error;
mod followed;
mod load_program;
mod meter_file;
mod occupants;
mod phases;
mod watch;

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::clock::{Clock, HostClock, timestamp};
use crate::energy::sensor::SensorFile;
use crate::store::write_sensor;
use crate::telemetry::{GpuEntry, GpuTelemetry};

pub use error::CharacteriseError;
use load_program::LoadProgram;
use occupants::Occupants;
use phases::Phases;
use watch::Watch;

/// What is asked.
#[derive(Debug, Clone)]
pub struct CharacteriseRequest {
    /// The project's folder: where the file goes.
    pub root: Utf8PathBuf,
    /// UUID of the GPU; none for the only one there is.
    pub gpu: Option<String>,
    /// The load program.
    pub load_program: Utf8PathBuf,
    /// Length of a steady phase, seconds. Everything else follows it.
    pub phase_seconds: f64,
    /// CSV of a physical meter.
    pub meter: Option<Utf8PathBuf>,
}

/// What was found and where it was written.
#[derive(Debug, Clone)]
pub struct Characterised {
    /// What was found.
    pub file: SensorFile,
    /// Path below the project's folder.
    pub path: String,
}

/// Characterises a GPU that nobody else uses. Takes about 12 phases' time; `tell` gets a line for each.
///
/// # Errors
/// If there is no such GPU, somebody uses it, it cannot be loaded or read, or the file cannot be written.
pub fn characterise(
    request: &CharacteriseRequest,
    telemetry: &Arc<dyn GpuTelemetry>,
    tell: &mut dyn FnMut(&str),
) -> Result<Characterised, CharacteriseError> {
    let gpu = chosen(telemetry.as_ref(), request.gpu.as_deref())?;
    let library = telemetry.library();
    let mut occupants = Occupants::none(telemetry.as_ref(), &gpu.uuid)?;
    let log = library.simulated.then(|| load_log(&request.root));
    let mut program = LoadProgram::start(&request.load_program, &gpu.uuid, log.as_deref())?;
    let watch = Watch::start(telemetry, &gpu.uuid)?;
    let phases = Phases::run(
        request.phase_seconds,
        telemetry.as_ref(),
        &gpu.uuid,
        &mut program,
        &mut occupants,
        &watch,
        tell,
    );
    let watched = watch.stop();
    program.end();
    if let Some(log) = &log {
        // Its folders may be shared with a campaign's; what cannot be removed is only an old log.
        let _ = std::fs::remove_file(log);
    }
    let phases = phases?;
    tell("working it out");
    let mut file = analyse::analyse(&watched, &phases);
    file.gpu.clone_from(&gpu.uuid);
    file.name.clone_from(&gpu.name);
    file.driver_version = library.driver_version;
    file.simulated = library.simulated;
    file.measured_at = timestamp(HostClock.wall());
    file.phase_seconds = request.phase_seconds;
    file.remarks.extend(occupants.remarks());
    if let Some(meter) = &request.meter {
        let readings = meter_file::read(meter)?;
        let path = crate::store::sensor_path(&file.gpu, &file.driver_version);
        let gain = analyse::gain(
            &watched,
            &phases,
            file.counter.update_period_ns,
            &readings,
            &path,
        );
        file.gain = Some(gain.map_err(|reason| CharacteriseError::Meter {
            path: meter.clone(),
            reason,
        })?);
    }
    let path = write_sensor(&request.root, &file)?;
    Ok(Characterised { file, path })
}

/// Where the simulator looks for load logs: `<project>/.lem/<campaign>/<backend>/outbox/gpu/*.log`.
fn load_log(root: &Utf8Path) -> Utf8PathBuf {
    root.join(".lem/gpu-characterise/lem-load/outbox/gpu")
        .join(format!("{}.log", std::process::id()))
}

/// The GPU that is meant: the named one, or the only one.
///
/// # Errors
/// If there is none of that name, more than one without a name, or it is split into MIG devices.
pub fn chosen(
    telemetry: &dyn GpuTelemetry,
    wanted: Option<&str>,
) -> Result<GpuEntry, CharacteriseError> {
    let listed = telemetry.gpus();
    let gpus = listed.value;
    if let (true, Some(error)) = (gpus.is_empty(), listed.errors.into_iter().next()) {
        return Err(error.into());
    }
    let uuids: Vec<&str> = gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
    let available = if uuids.is_empty() {
        "none".to_owned()
    } else {
        uuids.join(", ")
    };
    let found = match wanted {
        Some(wanted) => gpus.iter().find(|gpu| gpu.uuid == wanted),
        None => match gpus.as_slice() {
            [only] => Some(only),
            [] => None,
            _ => return Err(CharacteriseError::WhichGpu { available }),
        },
    };
    let gpu = found.ok_or_else(|| CharacteriseError::NoGpu {
        wanted: wanted.map(|uuid| format!(" {uuid}")).unwrap_or_default(),
        available,
    })?;
    if gpu.mig.is_empty() {
        Ok(gpu.clone())
    } else {
        Err(CharacteriseError::Mig {
            gpu: gpu.uuid.clone(),
        })
    }
}
