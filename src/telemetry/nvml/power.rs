//! Power and energy, each source with its fallback.

use nvml_wrapper::enum_wrappers::device::Sampling;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;

use super::answers::refused;
use super::devices::Handle;
use super::fields::{SCOPE_GPU, SCOPE_MODULE, value};
use super::library::Library;
use crate::telemetry::{PowerSample, PowerSource, ReadError};

/// Mean power of about the last second, mW.
const FIELD_POWER_AVERAGE: u32 = 185;
/// Power over the sensor's last short window, mW.
const FIELD_POWER_INSTANT: u32 = 186;
/// The energy counter, mJ.
const FIELD_ENERGY: u32 = 83;

/// The energy counter, mJ.
pub(super) fn energy_millijoules(library: &Library, gpu: Handle) -> Result<u64, ReadError> {
    let read = gpu.device(library).total_energy_consumption();
    read.or_else(|error| {
        value(library, gpu, FIELD_ENERGY, SCOPE_GPU, "energy")
            .map_err(|_| refused("energy", &error))
    })
}

/// Field 186.
pub(super) fn instant_watts(library: &Library, gpu: Handle) -> Result<f64, ReadError> {
    value(
        library,
        gpu,
        FIELD_POWER_INSTANT,
        SCOPE_GPU,
        "power_instant",
    )
    .map(watts)
}

/// Field 185, else power usage.
pub(super) fn average_watts(library: &Library, gpu: Handle) -> Result<f64, ReadError> {
    average_field(library, gpu).or_else(|_| {
        let usage = gpu.device(library).power_usage();
        let milliwatts = usage.map_err(|error| refused("power_average", &error))?;
        Ok(watts(u64::from(milliwatts)))
    })
}

/// Which of the two answers.
pub(super) fn average_source(library: &Library, gpu: Handle) -> PowerSource {
    if average_field(library, gpu).is_ok() {
        PowerSource::PowerAverage
    } else if gpu.device(library).power_usage().is_ok() {
        PowerSource::PowerUsage
    } else {
        PowerSource::Unknown
    }
}

fn average_field(library: &Library, gpu: Handle) -> Result<f64, ReadError> {
    value(
        library,
        gpu,
        FIELD_POWER_AVERAGE,
        SCOPE_GPU,
        "power_average",
    )
    .map(watts)
}

/// Field 186 of the module.
pub(super) fn module_watts(library: &Library, gpu: Handle) -> Result<f64, ReadError> {
    value(
        library,
        gpu,
        FIELD_POWER_INSTANT,
        SCOPE_MODULE,
        "power_module",
    )
    .map(watts)
}

/// The driver's buffer of power samples.
pub(super) fn samples(
    library: &Library,
    gpu: Handle,
    since_us: u64,
) -> Result<Vec<PowerSample>, ReadError> {
    let found = match gpu.device(library).samples(Sampling::Power, since_us) {
        // No sample newer than `since_us`.
        Err(NvmlError::NotFound) => return Ok(Vec::new()),
        other => other.map_err(|error| refused("power_samples", &error))?,
    };
    let found = found
        .into_iter()
        .map(|sample| (sample.timestamp, milliwatts(&sample.value)));
    Ok(power_samples(found, since_us))
}

/// What a buffer of (stamp in µs, milliwatts) says: the samples newer than `since_us` that can be a power, ascending,
/// one for a stamp.
#[must_use]
pub fn power_samples(
    found: impl IntoIterator<Item = (u64, f64)>,
    since_us: u64,
) -> Vec<PowerSample> {
    let mut samples: Vec<PowerSample> = found
        .into_iter()
        // Places of the buffer that were never filled have no stamp.
        .filter(|(stamp_us, _)| *stamp_us > since_us)
        .filter(|(_, milliwatts)| milliwatts.is_finite() && *milliwatts >= 0.0)
        .map(|(stamp_us, milliwatts)| PowerSample {
            stamp_us,
            watts: milliwatts / 1e3,
        })
        .collect();
    samples.sort_by_key(|sample| sample.stamp_us);
    samples.dedup_by_key(|sample| sample.stamp_us);
    samples
}

fn milliwatts(value: &SampleValue) -> f64 {
    match *value {
        SampleValue::F64(number) => number,
        SampleValue::U32(number) => f64::from(number),
        SampleValue::U64(number) => number as f64,
        SampleValue::I64(number) => number as f64,
    }
}

fn watts(milliwatts: u64) -> f64 {
    milliwatts as f64 / 1e3
}
