//! What the sampler's threads write and its views read: one lock per thread and GPU, held for the time of a
//! push, never during a call of the library.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::SamplerSettings;
use super::lateness::Lateness;
use crate::energy::{CounterEdge, PowerReading};
use crate::telemetry::rapl::RaplMeter;
use crate::telemetry::series::{Series, Tallies};
use crate::telemetry::timing::{now_ns, sleep_until, thread_cpu_ns};
use crate::telemetry::{
    ClockPair, CounterBreak, EnergyScope, ErrorTally, GpuTelemetry, LibraryInfo, PowerSource,
    ReadError, StateReading, ThreadCost, ViolationReading, XidEvent,
};

/// Power readings, states, violations and edges kept: 8 hours at 100 ms. With [`SAMPLES`] about 110 MB per
/// GPU when full.
pub(super) const READINGS: usize = 300_000;
/// Buffer samples kept: 8 hours at 20 ms.
pub(super) const SAMPLES: usize = 1_500_000;
/// Breaks and Xid events kept; later ones are only counted as errors.
pub(super) const EVENTS: usize = 10_000;
/// A sleeping thread looks this often whether it shall stop, ns.
const LOOK_NS: u64 = 50_000_000;
/// Refusals in a row that will not change, after which a source is asked no more.
pub(super) const GIVE_UP: u32 = 3;

/// A lock whose holder panicked still guards data that is whole: every write is one push.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All of a running sampler.
pub(super) struct Shared {
    pub(super) telemetry: Arc<dyn GpuTelemetry>,
    pub(super) settings: SamplerSettings,
    pub(super) library: LibraryInfo,
    pub(super) realtime_pair: ClockPair,
    pub(super) started_ns: u64,
    pub(super) gpus: Vec<GpuShared>,
    pub(super) ticks: Mutex<Ticks>,
    pub(super) rapl: Mutex<Option<RaplMeter>>,
    /// Edges of all GPUs so far; waited on with `stepped`.
    pub(super) steps: Mutex<u64>,
    pub(super) stepped: Condvar,
    pub(super) stopping: AtomicBool,
    pub(super) failed_threads: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gpus: Vec<&str> = self.gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
        f.debug_struct("Shared")
            .field("gpus", &gpus)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// True once the sampler shall end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Sleeps until `deadline_ns`; false when the sampler shall end before.
    pub(super) fn sleep(&self, deadline_ns: u64) -> bool {
        loop {
            if self.is_stopping() {
                return false;
            }
            let now = now_ns();
            if now >= deadline_ns {
                return true;
            }
            sleep_until(deadline_ns.min(now + LOOK_NS));
        }
    }

    /// Tells those who wait that an edge was seen, or that one will never be.
    pub(super) fn tell_step(&self) {
        *lock(&self.steps) += 1;
        self.stepped.notify_all();
    }
}

/// One GPU.
#[derive(Debug)]
pub(super) struct GpuShared {
    pub(super) uuid: String,
    pub(super) scope: EnergyScope,
    pub(super) average_source: PowerSource,
    pub(super) counter: Mutex<CounterLog>,
    pub(super) readings: Mutex<ReadingLog>,
}

/// What the counter thread writes.
#[derive(Debug)]
pub(super) struct CounterLog {
    pub(super) edges: Series<CounterEdge>,
    pub(super) breaks: Vec<CounterBreak>,
    pub(super) errors: Tallies,
    pub(super) meter: Meter,
    /// False once the counter will never be readable.
    pub(super) readable: bool,
}

impl CounterLog {
    pub(super) fn new(uuid: &str) -> Self {
        Self {
            edges: Series::new(READINGS),
            breaks: Vec::new(),
            errors: Tallies::default(),
            meter: Meter::new(format!("counter {uuid}")),
            readable: true,
        }
    }
}

/// What the reading thread writes of one GPU.
#[derive(Debug)]
pub(super) struct ReadingLog {
    pub(super) samples: Series<PowerReading>,
    pub(super) average: Series<PowerReading>,
    pub(super) instant: Series<PowerReading>,
    pub(super) module: Series<PowerReading>,
    pub(super) states: Series<StateReading>,
    pub(super) violations: Series<ViolationReading>,
    pub(super) xid: Vec<XidEvent>,
    pub(super) errors: Tallies,
    pub(super) unplaced_samples: u64,
    pub(super) overrun_reads: u64,
}

impl ReadingLog {
    pub(super) fn new() -> Self {
        Self {
            samples: Series::new(SAMPLES),
            average: Series::new(READINGS),
            instant: Series::new(READINGS),
            module: Series::new(READINGS),
            states: Series::new(READINGS),
            violations: Series::new(READINGS),
            xid: Vec::new(),
            errors: Tallies::default(),
            unplaced_samples: 0,
            overrun_reads: 0,
        }
    }

    /// The errors of both threads in one map.
    pub(super) fn all_errors(&self, counter: &CounterLog) -> BTreeMap<String, ErrorTally> {
        let mut errors = self.errors.0.clone();
        errors.extend(counter.errors.0.clone());
        errors
    }
}

/// The reading thread's punctuality.
#[derive(Debug)]
pub(super) struct Ticks {
    pub(super) taken: u64,
    pub(super) missed: u64,
    pub(super) lateness: Lateness,
    pub(super) meter: Meter,
}

impl Ticks {
    pub(super) fn new() -> Self {
        Self {
            taken: 0,
            missed: 0,
            lateness: Lateness::default(),
            meter: Meter::new("readings".to_owned()),
        }
    }
}

/// What a thread costs: its CPU time and its calls.
#[derive(Debug)]
pub(super) struct Meter {
    thread: String,
    cpu_ns: u64,
    calls: u64,
    in_calls_ns: u64,
}

impl Meter {
    fn new(thread: String) -> Self {
        Self {
            thread,
            cpu_ns: 0,
            calls: 0,
            in_calls_ns: 0,
        }
    }

    /// Adds calls, and takes the calling thread's CPU time so far.
    pub(super) fn update(&mut self, calls: u64, in_calls_ns: u64) {
        self.calls += calls;
        self.in_calls_ns += in_calls_ns;
        self.cpu_ns = thread_cpu_ns();
    }

    /// As it goes into a recording of `wall_ns`.
    pub(super) fn cost(&self, wall_ns: u64) -> ThreadCost {
        ThreadCost {
            thread: self.thread.clone(),
            cpu_seconds: self.cpu_ns as f64 / 1e9,
            calls: self.calls,
            in_calls_percent: 100.0 * self.in_calls_ns as f64 / wall_ns.max(1) as f64,
            mean_call_ns: self.in_calls_ns / self.calls.max(1),
        }
    }
}

/// Whether a source is still asked: one that refuses for good is not asked for ever.
#[derive(Debug, Default)]
pub(super) struct Source {
    refusals: u32,
}

impl Source {
    pub(super) fn is_asked(&self) -> bool {
        self.refusals < GIVE_UP
    }

    pub(super) fn answered<T>(&mut self, answer: &Result<T, ReadError>) {
        self.refusals = match answer {
            Err(error) if error.code.is_permanent() => self.refusals + 1,
            _ => 0,
        };
    }
}
