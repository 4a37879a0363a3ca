//! The adapter to NVML: the only place that names `nvml_wrapper`.

use camino::Utf8Path;

use super::{
    EnergyScope, GpuEntry, GpuProcess, GpuSnapshot, GpuState, GpuTelemetry, LibraryInfo,
    MemoryReading, Partial, PowerSample, ReadError, TelemetryError, Violations, XidEvent,
};

/// NVML, loaded.
#[derive(Debug)]
pub struct NvmlTelemetry {}

impl NvmlTelemetry {
    /// Loads the library at `path`, or `libnvidia-ml.so.1` from the loader's folders.
    ///
    /// # Errors
    /// Missing or wrong library, no driver, wrong driver, no permission: each with what mends it.
    pub fn open(path: Option<&Utf8Path>) -> Result<Self, TelemetryError> {
        let _ = path;
        unimplemented!("M0")
    }
}

impl GpuTelemetry for NvmlTelemetry {
    fn library(&self) -> LibraryInfo {
        unimplemented!("M0")
    }

    fn gpus(&self) -> Result<Vec<GpuEntry>, ReadError> {
        unimplemented!("M0")
    }

    fn energy_scope(&self, _gpu: &str) -> Result<EnergyScope, ReadError> {
        unimplemented!("M0")
    }

    fn energy_millijoules(&self, _gpu: &str) -> Result<u64, ReadError> {
        unimplemented!("M0")
    }

    fn power_instant_watts(&self, _gpu: &str) -> Result<f64, ReadError> {
        unimplemented!("M0")
    }

    fn power_average_watts(&self, _gpu: &str) -> Result<f64, ReadError> {
        unimplemented!("M0")
    }

    fn power_module_watts(&self, _gpu: &str) -> Result<f64, ReadError> {
        unimplemented!("M0")
    }

    fn power_samples(&self, _gpu: &str, _since_us: u64) -> Result<Vec<PowerSample>, ReadError> {
        unimplemented!("M0")
    }

    fn state(&self, _gpu: &str) -> Partial<GpuState> {
        unimplemented!("M0")
    }

    fn violations(&self, _gpu: &str) -> Partial<Violations> {
        unimplemented!("M0")
    }

    fn memory(&self, _gpu: &str) -> Result<MemoryReading, ReadError> {
        unimplemented!("M0")
    }

    fn processes(&self, _gpu: &str) -> Partial<Vec<GpuProcess>> {
        unimplemented!("M0")
    }

    fn snapshot(&self, _gpu: &str) -> Result<Partial<GpuSnapshot>, ReadError> {
        unimplemented!("M0")
    }

    fn watch_xid(&self, _gpu: &str) -> Result<(), ReadError> {
        unimplemented!("M0")
    }

    fn xid_events(&self) -> Result<Vec<XidEvent>, ReadError> {
        unimplemented!("M0")
    }
}
