//! Polls every source of one GPU on threads of their own, as fast as the phase at hand needs it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, HostClock};
use crate::energy::sensor::Observation;
use crate::energy::{CounterEdge, GpuReadings, PowerReading};
use crate::telemetry::{ClockPair, GpuState, GpuTelemetry, ReadError};

use super::CharacteriseError;
use super::followed::Followed;

/// How often the sample buffer and the state are read, ns: the buffer keeps 2.4 s.
const SLOW_NS: u64 = 500_000_000;

/// How fast the sources are polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// So that the polling itself hardly counts.
    Quiet,
    /// The power fields every ms; the counter, whose calls take 4 ms, seldom.
    Fields,
    /// The counter without a pause; the power fields every ms.
    Counter,
}

impl Pace {
    /// Pauses between polls of the fields and of the counter, ns.
    fn pauses(self) -> (u64, u64) {
        match self {
            Self::Quiet => (20_000_000, 20_000_000),
            Self::Fields => (1_000_000, 25_000_000),
            Self::Counter => (1_000_000, 1_000_000),
        }
    }
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// As windows use them.
    pub(super) readings: GpuReadings,
    /// Changes of the instantaneous field.
    pub(super) instant: Vec<Observation>,
    /// Changes of the trailing mean.
    pub(super) average: Vec<Observation>,
    /// States, and when.
    pub(super) states: Vec<(u64, GpuState)>,
    /// Reads that failed: source and what was said, once each.
    pub(super) errors: Vec<ReadError>,
}

struct Shared {
    telemetry: Arc<dyn GpuTelemetry>,
    gpu: String,
    stop: AtomicBool,
    fields_ns: AtomicU64,
    counter_ns: AtomicU64,
    watched: Mutex<Watched>,
}

/// The running threads. Dropped, they end.
pub(super) struct Watch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Starts them.
    pub(super) fn start(
        telemetry: &Arc<dyn GpuTelemetry>,
        gpu: &str,
    ) -> Result<Self, CharacteriseError> {
        let (fields, counter) = Pace::Quiet.pauses();
        let shared = Arc::new(Shared {
            telemetry: Arc::clone(telemetry),
            gpu: gpu.to_owned(),
            stop: AtomicBool::new(false),
            fields_ns: AtomicU64::new(fields),
            counter_ns: AtomicU64::new(counter),
            watched: Mutex::default(),
        });
        let mut watch = Self {
            shared,
            threads: Vec::new(),
        };
        for poll in [Shared::poll_fields, Shared::poll_counter, Shared::poll_slow] {
            let shared = Arc::clone(&watch.shared);
            let thread = std::thread::Builder::new()
                .spawn(move || poll(&shared))
                .map_err(CharacteriseError::Thread)?;
            watch.threads.push(thread);
        }
        Ok(watch)
    }

    /// Polls at another pace from now on.
    pub(super) fn pace(&self, pace: Pace) {
        let (fields, counter) = pace.pauses();
        self.shared.fields_ns.store(fields, Ordering::Relaxed);
        self.shared.counter_ns.store(counter, Ordering::Relaxed);
    }

    /// Ends them and gives what they read.
    pub(super) fn stop(mut self) -> Watched {
        self.end();
        let mut watched = self
            .shared
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *watched)
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has left what it read until then.
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn with(&self, change: impl FnOnce(&mut Watched)) {
        change(&mut self.watched.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Calls `poll` until told to stop, `pause` after the last call began, or at once if that took longer; ends
    /// when `poll` says that it will never give anything.
    fn every(&self, pause: impl Fn(&Self) -> u64, mut poll: impl FnMut(&Self) -> bool) {
        while !self.stop.load(Ordering::Relaxed) {
            let next_ns = HostClock.monotonic_ns() + pause(self);
            if !poll(self) {
                return;
            }
            let left_ns = next_ns.saturating_sub(HostClock.monotonic_ns());
            if left_ns > 0 {
                std::thread::sleep(Duration::from_nanos(left_ns));
            }
        }
    }

    /// Keeps an error, once; whether asking again can help.
    fn failed(&self, error: ReadError) -> bool {
        let again = !error.code.is_permanent();
        self.with(|watched| {
            if watched.errors.len() < 32 && !watched.errors.contains(&error) {
                watched.errors.push(error);
            }
        });
        again
    }

    fn poll_fields(&self) {
        let (mut instant, mut average) = (Followed::default(), Followed::default());
        let (mut has_instant, mut has_average) = (true, true);
        let pause = |shared: &Self| shared.fields_ns.load(Ordering::Relaxed);
        self.every(pause, |shared| {
            if has_instant {
                let start_ns = HostClock.monotonic_ns();
                match shared.telemetry.power_instant_watts(&shared.gpu) {
                    Ok(watts) => {
                        let (change, keep) =
                            instant.take(start_ns, HostClock.monotonic_ns(), watts);
                        let reading = PowerReading {
                            at_ns: start_ns,
                            watts,
                        };
                        shared.with(|watched| {
                            watched.instant.extend(change);
                            watched.readings.instant.extend(keep.then_some(reading));
                        });
                    }
                    Err(error) => has_instant = shared.failed(error),
                }
            }
            if has_average {
                let start_ns = HostClock.monotonic_ns();
                match shared.telemetry.power_average_watts(&shared.gpu) {
                    Ok(watts) => {
                        let (change, keep) =
                            average.take(start_ns, HostClock.monotonic_ns(), watts);
                        let reading = PowerReading {
                            at_ns: start_ns,
                            watts,
                        };
                        shared.with(|watched| {
                            watched.average.extend(change);
                            watched.readings.average.extend(keep.then_some(reading));
                        });
                    }
                    Err(error) => has_average = shared.failed(error),
                }
            }
            has_instant || has_average
        });
    }

    fn poll_counter(&self) {
        let mut last: Option<(u64, u64)> = None;
        let pause = |shared: &Self| shared.counter_ns.load(Ordering::Relaxed);
        self.every(pause, |shared| {
            let start_ns = HostClock.monotonic_ns();
            match shared.telemetry.energy_millijoules(&shared.gpu) {
                Ok(millijoules) => {
                    if let Some((_, before_ns)) = last.filter(|(old, _)| *old != millijoules) {
                        let edge = CounterEdge {
                            before_ns,
                            after_ns: HostClock.monotonic_ns(),
                            millijoules,
                        };
                        shared.with(|watched| watched.readings.counter.push(edge));
                    }
                    last = Some((millijoules, start_ns));
                    true
                }
                Err(error) => shared.failed(error),
            }
        });
    }

    fn poll_slow(&self) {
        let mut since_us = 0;
        let mut has_samples = true;
        self.every(
            |_| SLOW_NS,
            |shared| {
                let at_ns = HostClock.monotonic_ns();
                let state = shared.telemetry.state(&shared.gpu).value;
                shared.with(|watched| watched.states.push((at_ns, state)));
                if !has_samples {
                    return true;
                }
                let clock = ClockPair::now();
                match shared.telemetry.power_samples(&shared.gpu, since_us) {
                    Ok(samples) => {
                        let new = samples.iter().filter(|sample| sample.stamp_us > since_us);
                        let readings: Vec<PowerReading> = new
                            .filter_map(|sample| {
                                Some(PowerReading {
                                    at_ns: clock.to_monotonic_ns(sample.stamp_us)?,
                                    watts: sample.watts,
                                })
                            })
                            .collect();
                        since_us = samples
                            .last()
                            .map_or(since_us, |last| last.stamp_us.max(since_us));
                        shared.with(|watched| watched.readings.samples.extend(readings));
                    }
                    Err(error) => has_samples = shared.failed(error),
                }
                true
            },
        );
    }
}
