//! The sampler: OS threads that read GPUs on absolute deadlines of CLOCK_MONOTONIC into bounded memory.
//!
//! One thread reads power and states of all GPUs; one thread per GPU finds the steps of its energy counter,
//! since a call of that takes milliseconds. Never tokio: its timers are late by more than the sensors differ.

mod buffer;
mod counter;
mod lateness;
mod phase;
mod readings;
mod shared;
mod view;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::shared::{CounterLog, GpuShared, ReadingLog, Shared, Ticks, lock};
pub use self::view::{RecentView, SamplerView};
use super::rapl::RaplMeter;
use super::timing::now_ns;
use super::{ClockPair, GpuTelemetry, Recording, TelemetryError};
use crate::energy::CounterEdge;

/// Reading intervals that are taken as asked, ns.
const INTERVALS_NS: (u64, u64) = (10_000_000, 10_000_000_000);

/// How to sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplerSettings {
    /// Between readings of power, 10 ms to 10 s (clamped), ns. The caller's default: 100 ms for runs under
    /// 5 minutes, else 1 s. States and violations are read at the same ticks, but at most every 100 ms.
    pub reading_interval_ns: u64,
    /// Between reads of the driver's sample buffer, ns; it keeps about 2.4 s on an H100.
    pub buffer_interval_ns: u64,
    /// Expected period of the counter's steps, ns; the sampler then follows the real one.
    pub update_period_ns: u64,
    /// Folder of the kernel's powercap zones, to read the CPUs' energy as well.
    pub rapl_root: Option<String>,
}

impl Default for SamplerSettings {
    fn default() -> Self {
        Self {
            reading_interval_ns: 100_000_000,
            buffer_interval_ns: 1_000_000_000,
            update_period_ns: 100_000_000,
            rapl_root: None,
        }
    }
}

/// A running sampler. [`Self::stop`] ends its threads; a dropped one ends them too, without waiting.
#[derive(Debug)]
pub struct Sampler {
    view: SamplerView,
    threads: Vec<(String, JoinHandle<()>)>,
}

impl Sampler {
    /// Starts sampling `gpus` (UUIDs of GPUs or MIG devices).
    ///
    /// # Errors
    /// An unknown UUID, or no thread.
    pub fn start(
        telemetry: Arc<dyn GpuTelemetry>,
        gpus: &[String],
        mut settings: SamplerSettings,
    ) -> Result<Self, TelemetryError> {
        let (shortest, longest) = INTERVALS_NS;
        settings.reading_interval_ns = settings.reading_interval_ns.clamp(shortest, longest);
        let mut found = Vec::new();
        for uuid in gpus {
            found.push(open(&*telemetry, uuid)?);
        }
        let rapl = settings.rapl_root.as_deref();
        let shared = Arc::new(Shared {
            library: telemetry.library(),
            rapl: Mutex::new(rapl.map(|root| RaplMeter::open(Path::new(root)))),
            telemetry,
            settings,
            realtime_pair: ClockPair::now(),
            started_ns: now_ns(),
            gpus: found,
            ticks: Mutex::new(Ticks::new()),
            steps: Mutex::new(0),
            stepped: Condvar::new(),
            stopping: AtomicBool::new(false),
            failed_threads: Mutex::new(Vec::new()),
        });
        let mut sampler = Self {
            view: SamplerView {
                shared: Arc::clone(&shared),
            },
            threads: Vec::new(),
        };
        let reading = Arc::clone(&shared);
        // When a later thread does not start, dropping `sampler` ends the earlier ones.
        sampler.spawn("readings".to_owned(), move || readings::read_on(&reading))?;
        for (index, gpu) in gpus.iter().enumerate() {
            let shared = Arc::clone(&shared);
            sampler.spawn(format!("counter {gpu}"), move || {
                counter::follow(&shared, &shared.gpus[index]);
            })?;
        }
        Ok(sampler)
    }

    fn spawn(
        &mut self,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), TelemetryError> {
        // The kernel keeps 15 bytes of a thread's name.
        let short: String = name.chars().take(15).collect();
        let thread = std::thread::Builder::new().name(short).spawn(body);
        let thread = thread.map_err(|error| TelemetryError::NoThread {
            message: error.to_string(),
        })?;
        self.threads.push((name, thread));
        Ok(())
    }

    /// A look at it that can be cloned and sent.
    #[must_use]
    pub fn view(&self) -> SamplerView {
        self.view.clone()
    }

    /// A copy of everything so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        self.view.recording()
    }

    /// See [`SamplerView::since`].
    #[must_use]
    pub fn since(&self, from_ns: u64) -> Vec<RecentView> {
        self.view.since(from_ns)
    }

    /// See [`SamplerView::wait_edge`].
    #[must_use]
    pub fn wait_edge(&self, timeout: Duration) -> Option<CounterEdge> {
        self.view.wait_edge(timeout)
    }

    /// Reads once more, ends the threads (within about 50 ms and one call of the library each) and gives
    /// everything.
    #[must_use]
    pub fn stop(mut self) -> Recording {
        self.end();
        for (name, thread) in std::mem::take(&mut self.threads) {
            if thread.join().is_err() {
                lock(&self.view.shared.failed_threads).push(name);
            }
        }
        self.view.recording()
    }

    fn end(&self) {
        let shared = &self.view.shared;
        shared.stopping.store(true, Ordering::Relaxed);
        shared.tell_step();
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

fn open(telemetry: &dyn GpuTelemetry, uuid: &str) -> Result<GpuShared, TelemetryError> {
    let scope = telemetry.energy_scope(uuid).map_err(|error| {
        let known = telemetry.gpus().value;
        let known: Vec<String> = known
            .into_iter()
            .flat_map(|gpu| {
                let mig = gpu.mig.into_iter().map(|device| device.uuid);
                std::iter::once(gpu.uuid).chain(mig)
            })
            .collect();
        TelemetryError::UnknownGpu {
            gpu: format!("{uuid} ({error})"),
            available: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        }
    })?;
    Ok(GpuShared {
        uuid: uuid.to_owned(),
        scope,
        average_source: telemetry.average_source(uuid),
        counter: Mutex::new(CounterLog::new(uuid)),
        readings: Mutex::new(ReadingLog::new()),
    })
}
