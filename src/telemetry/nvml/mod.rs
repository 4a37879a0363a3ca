//! The adapter to NVML: the only place that names `nvml_wrapper`.
//!
//! Fields and newer functions come before deprecated ones (GetTemperature, GetViolationStatus and
//! GetCurrentClocksThrottleReasons leave with CUDA 14), and raw functions where the wrapper loses bits or
//! scopes. Knows nothing of threads or deadlines.

mod answers;
mod description;
mod devices;
mod dynamic;
mod events;
mod fields;
mod library;
mod power;
mod processes;

pub use fields::field_number;
pub use power::power_samples;

use camino::Utf8Path;

use self::devices::Devices;
use self::events::Events;
use self::library::Library;
use super::{
    EnergyScope, GpuEntry, GpuProcess, GpuSnapshot, GpuState, GpuTelemetry, LibraryInfo,
    MemoryReading, Partial, PowerSample, PowerSource, ReadError, TelemetryError, Violations,
    XidEvent,
};

/// NVML, loaded and started.
#[derive(Debug)]
pub struct NvmlTelemetry {
    // Before the library: the event set is freed while the library still stands.
    events: Events,
    devices: Devices,
    info: LibraryInfo,
    library: Library,
}

impl NvmlTelemetry {
    /// Loads the library at `path`, or `libnvidia-ml.so.1` from the loader's folders.
    ///
    /// # Errors
    /// Missing or wrong library, no driver, wrong driver, no permission: each with what mends it.
    pub fn open(path: Option<&Utf8Path>) -> Result<Self, TelemetryError> {
        let (library, info) = Library::open(path)?;
        Ok(Self {
            events: Events::default(),
            devices: Devices::default(),
            info,
            library,
        })
    }
}

impl Drop for NvmlTelemetry {
    fn drop(&mut self) {
        self.events.free(&self.library);
    }
}

impl GpuTelemetry for NvmlTelemetry {
    fn library(&self) -> LibraryInfo {
        self.info.clone()
    }

    fn gpus(&self) -> Partial<Vec<GpuEntry>> {
        devices::list(&self.library)
    }

    fn energy_scope(&self, gpu: &str) -> Result<EnergyScope, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        Ok(match known.parent_uuid {
            None => EnergyScope::Gpu,
            Some(parent) => EnergyScope::ParentGpu { parent },
        })
    }

    fn energy_millijoules(&self, gpu: &str) -> Result<u64, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        power::energy_millijoules(&self.library, known.whole)
    }

    fn power_instant_watts(&self, gpu: &str) -> Result<f64, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        power::instant_watts(&self.library, known.whole)
    }

    fn power_average_watts(&self, gpu: &str) -> Result<f64, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        power::average_watts(&self.library, known.whole)
    }

    fn average_source(&self, gpu: &str) -> PowerSource {
        let known = self.devices.find(&self.library, gpu);
        known.map_or(PowerSource::Unknown, |known| {
            power::average_source(&self.library, known.whole)
        })
    }

    fn power_module_watts(&self, gpu: &str) -> Result<f64, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        power::module_watts(&self.library, known.whole)
    }

    fn power_samples(&self, gpu: &str, since_us: u64) -> Result<Vec<PowerSample>, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        power::samples(&self.library, known.whole, since_us)
    }

    fn state(&self, gpu: &str) -> Partial<GpuState> {
        match self.devices.find(&self.library, gpu) {
            Ok(known) => dynamic::state(&self.library, &known),
            Err(error) => Partial::nothing(error),
        }
    }

    fn violations(&self, gpu: &str) -> Partial<Violations> {
        match self.devices.find(&self.library, gpu) {
            Ok(known) => dynamic::violations(&self.library, known.whole),
            Err(error) => Partial::nothing(error),
        }
    }

    fn memory(&self, gpu: &str) -> Result<MemoryReading, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        dynamic::memory(&self.library, known.own)
    }

    fn processes(&self, gpu: &str) -> Partial<Vec<GpuProcess>> {
        match self.devices.find(&self.library, gpu) {
            Ok(known) => processes::list(&self.library, known.own),
            Err(error) => Partial::nothing(error),
        }
    }

    fn snapshot(&self, gpu: &str) -> Result<Partial<GpuSnapshot>, ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        Ok(description::snapshot(&self.library, gpu, &known))
    }

    fn watch_xid(&self, gpu: &str) -> Result<(), ReadError> {
        let known = self.devices.find(&self.library, gpu)?;
        self.events.watch(&self.library, known.whole)
    }

    fn xid_events(&self) -> Result<Vec<XidEvent>, ReadError> {
        self.events.take(&self.library)
    }
}
