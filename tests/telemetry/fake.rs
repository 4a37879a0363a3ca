//! A GPU that answers what it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lemctl::clock::{Clock, HostClock};
use lemctl::telemetry::{
    ClockPair, EnergyScope, GpuEntry, GpuProcess, GpuSnapshot, GpuState, GpuTelemetry, LibraryInfo,
    MemoryReading, Partial, PowerSample, PowerSource, ReadCode, ReadError, Violations, XidEvent,
};

/// Step of the counter.
pub const PERIOD_NS: u64 = 100_000_000;
/// What the GPU draws, always.
pub const WATTS: f64 = 250.0;

type Counter = dyn Fn(u64) -> Result<u64, ReadError> + Send + Sync;

/// GPUs `GPU-0`, `GPU-1`, …: 250 W each, unless `counter` says otherwise.
pub struct Fake {
    start_ns: u64,
    counter: Box<Counter>,
    pub energy_calls: AtomicU64,
}

impl Fake {
    /// A sound one.
    pub fn sound() -> Arc<Self> {
        Self::with(|ns| Ok(steady(ns)))
    }

    /// One whose counter is a function of the time since it was made, ns.
    pub fn with(
        counter: impl Fn(u64) -> Result<u64, ReadError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            start_ns: HostClock.monotonic_ns(),
            counter: Box::new(counter),
            energy_calls: AtomicU64::new(0),
        })
    }

    fn known(gpu: &str) -> Result<(), ReadError> {
        if gpu.starts_with("GPU-") {
            Ok(())
        } else {
            Err(ReadError::new(
                ReadCode::UnknownGpu,
                "device",
                "no such device",
            ))
        }
    }
}

/// A counter that steps every 100 ms at 250 W.
pub fn steady(ns: u64) -> u64 {
    1_000_000 + ns / PERIOD_NS * 25_000
}

pub fn refusal(call: &str) -> ReadError {
    ReadError::new(ReadCode::NotSupported, call, "the fake has none")
}

impl GpuTelemetry for Fake {
    fn library(&self) -> LibraryInfo {
        LibraryInfo {
            path: "fake".to_owned(),
            driver_version: "1.0-sim".to_owned(),
            nvml_version: None,
            cuda_driver_version: None,
            simulated: true,
        }
    }

    fn gpus(&self) -> Partial<Vec<GpuEntry>> {
        Partial::default()
    }

    fn energy_scope(&self, gpu: &str) -> Result<EnergyScope, ReadError> {
        Self::known(gpu).map(|()| EnergyScope::Gpu)
    }

    fn energy_millijoules(&self, _gpu: &str) -> Result<u64, ReadError> {
        self.energy_calls.fetch_add(1, Ordering::Relaxed);
        (self.counter)(HostClock.monotonic_ns() - self.start_ns)
    }

    fn power_instant_watts(&self, _gpu: &str) -> Result<f64, ReadError> {
        Ok(WATTS)
    }

    fn power_average_watts(&self, _gpu: &str) -> Result<f64, ReadError> {
        Ok(WATTS)
    }

    fn average_source(&self, _gpu: &str) -> PowerSource {
        PowerSource::PowerAverage
    }

    fn power_module_watts(&self, _gpu: &str) -> Result<f64, ReadError> {
        Err(refusal("power_module"))
    }

    /// Every 20 ms of the wall clock, 2.4 s kept.
    fn power_samples(&self, _gpu: &str, since_us: u64) -> Result<Vec<PowerSample>, ReadError> {
        let now = ClockPair::now().realtime_ns / 1_000 / 20_000;
        let kept = (now - 119..=now).map(|step| step * 20_000);
        Ok(kept
            .filter(|stamp_us| *stamp_us > since_us)
            .map(|stamp_us| PowerSample {
                stamp_us,
                watts: WATTS,
            })
            .collect())
    }

    fn state(&self, _gpu: &str) -> Partial<GpuState> {
        Partial {
            value: GpuState {
                temperature_celsius: Some(41),
                sm_clock_mhz: Some(1_980),
                event_reasons: Some(0x8000_0000_0000_0004),
                memory_used_bytes: Some(1 << 32),
                ..GpuState::default()
            },
            errors: vec![refusal("memory_temperature")],
        }
    }

    fn violations(&self, _gpu: &str) -> Partial<Violations> {
        Partial {
            value: Violations {
                power_ns: Some(u64::MAX),
                ..Violations::default()
            },
            errors: Vec::new(),
        }
    }

    fn memory(&self, _gpu: &str) -> Result<MemoryReading, ReadError> {
        Err(refusal("memory"))
    }

    fn processes(&self, _gpu: &str) -> Partial<Vec<GpuProcess>> {
        Partial::default()
    }

    fn snapshot(&self, _gpu: &str) -> Result<Partial<GpuSnapshot>, ReadError> {
        Ok(Partial::default())
    }

    fn watch_xid(&self, _gpu: &str) -> Result<(), ReadError> {
        Err(refusal("xid_watch"))
    }

    fn xid_events(&self) -> Result<Vec<XidEvent>, ReadError> {
        Ok(Vec::new())
    }
}
