//! The sampler: OS threads that read GPUs on absolute deadlines of CLOCK_MONOTONIC into bounded memory.
//!
//! One thread reads power and states of all GPUs; one thread per GPU finds the steps of its energy counter,
//! since a call of that takes milliseconds. Never tokio: its timers are late by more than the sensors differ.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GpuTelemetry, Recording, TelemetryError};
use crate::energy::CounterEdge;

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

/// The last seconds of one GPU, for warm-up and gaps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecentView {
    /// UUID.
    pub gpu: String,
    /// Mean power between the first and the last counter edge of the span, watts; none with fewer than two
    /// edges or a break between them.
    pub counter_watts: Option<f64>,
    /// Time between those two edges' centres, ns.
    pub counter_span_ns: u64,
    /// Mean of the `average` readings of the span, watts.
    pub average_watts: Option<f64>,
    /// Latest temperature, °C.
    pub temperature_celsius: Option<i32>,
    /// When that was read.
    pub temperature_at_ns: Option<u64>,
    /// Latest SM clock, MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Latest reasons.
    pub event_reasons: Option<u64>,
}

/// A running sampler. [`Self::stop`] ends its threads; a dropped one ends them too, without waiting.
#[derive(Debug)]
pub struct Sampler {
    view: SamplerView,
}

/// A cloneable look at a running sampler, for other threads: `tokio::task::spawn_blocking(move ||
/// view.wait_edge(timeout))`.
#[derive(Debug, Clone)]
pub struct SamplerView {}

impl Sampler {
    /// Starts sampling `gpus` (UUIDs of GPUs or MIG devices).
    ///
    /// # Errors
    /// An unknown UUID, or no thread.
    pub fn start(
        telemetry: Arc<dyn GpuTelemetry>,
        gpus: &[String],
        settings: SamplerSettings,
    ) -> Result<Self, TelemetryError> {
        let _ = (telemetry, gpus, settings);
        unimplemented!("M0")
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

    /// Reads once more, ends the threads (within about 50 ms and one call of the library) and gives everything.
    #[must_use]
    pub fn stop(self) -> Recording {
        unimplemented!("M0")
    }
}

impl SamplerView {
    /// A copy of everything so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        unimplemented!("M0")
    }

    /// The span from `from_ns` to now, one per GPU; costs little however long the recording is.
    #[must_use]
    pub fn since(&self, from_ns: u64) -> Vec<RecentView> {
        let _ = from_ns;
        unimplemented!("M0")
    }

    /// Blocks until every GPU whose counter can be read has stepped after this call, and gives the last of
    /// those edges; none when that takes longer than `timeout`, or no GPU has a readable counter.
    #[must_use]
    pub fn wait_edge(&self, timeout: Duration) -> Option<CounterEdge> {
        let _ = timeout;
        unimplemented!("M0")
    }

    /// The latest edge of one GPU. Never blocks for long.
    #[must_use]
    pub fn latest_edge(&self, gpu: &str) -> Option<CounterEdge> {
        let _ = gpu;
        unimplemented!("M0")
    }
}
