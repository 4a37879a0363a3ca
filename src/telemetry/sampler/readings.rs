//! The reading thread: power of all GPUs at every tick, states and violations at most every 100 ms, the
//! driver's sample buffer about every second.

use super::buffer::Stitch;
use super::shared::{EVENTS, GpuShared, Shared, Source, lock};
use crate::energy::PowerReading;
use crate::telemetry::series::Series;
use crate::telemetry::timing::now_ns;
use crate::telemetry::{
    ClockPair, EnergyScope, PowerSample, ReadError, StateReading, ViolationReading,
};

/// States are not read more often: sensors behind them change about every 100 ms, and reading them costs more
/// than reading power.
const STATE_INTERVAL_NS: u64 = 100_000_000;
/// The CPUs' energy is read at most this often; it counts in µJ and wraps after minutes.
const RAPL_INTERVAL_NS: u64 = 1_000_000_000;

/// Ticks until the sampler stops; then reads once more.
pub(super) fn read_on(shared: &Shared) {
    let interval = shared.settings.reading_interval_ns;
    let mut gpus: Vec<GpuReader<'_>> = shared.gpus.iter().map(GpuReader::new).collect();
    watch_xid(shared);
    let every = |period: u64| period.div_ceil(interval).max(1);
    let (states, buffer, rapl) = (
        every(STATE_INTERVAL_NS),
        every(shared.settings.buffer_interval_ns),
        every(RAPL_INTERVAL_NS),
    );
    let mut tick = 0_u64;
    // What is due less often than every tick, by the number of the tick at which it is due next: a missed
    // tick must not skip it.
    let (mut states_due, mut buffer_due, mut rapl_due) = (0, 0, 0);
    loop {
        let deadline = shared.started_ns + tick * interval;
        let goes_on = shared.sleep(deadline);
        let woken = now_ns();
        let mut calls = Calls::default();
        for gpu in &mut gpus {
            gpu.read_power(shared, &mut calls);
            if tick >= states_due || !goes_on {
                gpu.read_state(shared, &mut calls);
            }
            if tick >= buffer_due || !goes_on {
                gpu.read_buffer(shared, &mut calls);
            }
        }
        if tick >= states_due || !goes_on {
            states_due = tick + states;
            take_xid(shared, &mut calls);
        }
        if tick >= buffer_due {
            buffer_due = tick + buffer;
        }
        if tick >= rapl_due || !goes_on {
            rapl_due = tick + rapl;
            if let Some(meter) = lock(&shared.rapl).as_mut() {
                meter.poll(now_ns());
            }
        }
        let mut ticks = lock(&shared.ticks);
        ticks.meter.update(calls.count, calls.ns);
        if !goes_on {
            return;
        }
        ticks.taken += 1;
        ticks.lateness.add(woken.saturating_sub(deadline));
        // The latest deadline that has passed is taken late; those before it are missed.
        let passed = now_ns().saturating_sub(shared.started_ns) / interval;
        let next = passed.max(tick + 1);
        ticks.missed += next - (tick + 1);
        tick = next;
    }
}

/// Calls of the library, and the time in them.
#[derive(Debug, Default)]
struct Calls {
    count: u64,
    ns: u64,
}

impl Calls {
    /// Makes one call; gives its answer and when it began.
    fn make<T>(&mut self, call: impl FnOnce() -> T) -> (T, u64) {
        let start = now_ns();
        let answer = call();
        self.count += 1;
        self.ns += now_ns() - start;
        (answer, start)
    }
}

/// Reads one GPU, and knows which of its sources still answer.
struct GpuReader<'a> {
    gpu: &'a GpuShared,
    average: Source,
    instant: Source,
    module: Source,
    buffer: Source,
    stitch: Stitch,
}

impl<'a> GpuReader<'a> {
    fn new(gpu: &'a GpuShared) -> Self {
        Self {
            gpu,
            average: Source::default(),
            instant: Source::default(),
            module: Source::default(),
            buffer: Source::default(),
            stitch: Stitch::default(),
        }
    }

    fn read_power(&mut self, shared: &Shared, calls: &mut Calls) {
        let (telemetry, uuid) = (&shared.telemetry, &self.gpu.uuid);
        if self.average.is_asked() {
            let read = calls.make(|| telemetry.power_average_watts(uuid));
            self.average.answered(&read.0);
            keep(self.gpu, read, |log| &mut log.average);
        }
        if self.instant.is_asked() {
            let read = calls.make(|| telemetry.power_instant_watts(uuid));
            self.instant.answered(&read.0);
            keep(self.gpu, read, |log| &mut log.instant);
        }
        if self.module.is_asked() {
            let read = calls.make(|| telemetry.power_module_watts(uuid));
            self.module.answered(&read.0);
            keep(self.gpu, read, |log| &mut log.module);
        }
    }

    fn read_state(&mut self, shared: &Shared, calls: &mut Calls) {
        let (telemetry, uuid) = (&shared.telemetry, &self.gpu.uuid);
        let (state, state_at) = calls.make(|| telemetry.state(uuid));
        let (violations, violations_at) = calls.make(|| telemetry.violations(uuid));
        let mut log = lock(&self.gpu.readings);
        log.states.push(StateReading {
            at_ns: state_at,
            state: state.value,
        });
        log.violations.push(ViolationReading {
            at_ns: violations_at,
            violations: violations.value,
        });
        for error in state.errors.into_iter().chain(violations.errors) {
            log.errors.add(error, state_at);
        }
    }

    fn read_buffer(&mut self, shared: &Shared, calls: &mut Calls) {
        if !self.buffer.is_asked() {
            return;
        }
        let since = self.stitch.since_us();
        let (read, at_ns) = calls.make(|| shared.telemetry.power_samples(&self.gpu.uuid, since));
        self.buffer.answered(&read);
        match read {
            Ok(samples) => self.keep_samples(&samples),
            Err(error) => lock(&self.gpu.readings).errors.add(error, at_ns),
        }
    }

    fn keep_samples(&mut self, samples: &[PowerSample]) {
        let stitched = self.stitch.add(samples, ClockPair::now());
        let mut log = lock(&self.gpu.readings);
        log.unplaced_samples += stitched.unplaced;
        log.overrun_reads += u64::from(stitched.overrun);
        for reading in stitched.readings {
            log.samples.push(reading);
        }
    }
}

fn keep(
    gpu: &GpuShared,
    (read, at_ns): (Result<f64, ReadError>, u64),
    series: impl FnOnce(&mut super::shared::ReadingLog) -> &mut Series<PowerReading>,
) {
    let mut log = lock(&gpu.readings);
    match read {
        Ok(watts) => series(&mut log).push(PowerReading { at_ns, watts }),
        Err(error) => log.errors.add(error, at_ns),
    }
}

fn watch_xid(shared: &Shared) {
    for gpu in &shared.gpus {
        if let Err(error) = shared.telemetry.watch_xid(&gpu.uuid) {
            lock(&gpu.readings).errors.add(error, now_ns());
        }
    }
}

fn take_xid(shared: &Shared, calls: &mut Calls) {
    let (read, at_ns) = calls.make(|| shared.telemetry.xid_events());
    match read {
        Ok(events) => {
            for event in events {
                let whole = |gpu: &&GpuShared| match &gpu.scope {
                    EnergyScope::Gpu => gpu.uuid == event.gpu,
                    EnergyScope::ParentGpu { parent } => *parent == event.gpu,
                };
                for gpu in shared.gpus.iter().filter(whole) {
                    let mut log = lock(&gpu.readings);
                    if log.xid.len() < EVENTS {
                        log.xid.push(event.clone());
                    }
                }
            }
        }
        Err(error) => {
            for gpu in &shared.gpus {
                lock(&gpu.readings).errors.add(error.clone(), at_ns);
            }
        }
    }
}
