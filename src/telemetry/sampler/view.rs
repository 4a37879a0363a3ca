//! Looks at a running sampler: everything so far, the last seconds, the next step of the counters.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::shared::{CounterLog, GpuShared, ReadingLog, Shared, lock};
use crate::energy::{CounterEdge, GpuReadings, PowerReading};
use crate::telemetry::series::{Series, Timed};
use crate::telemetry::timing::now_ns;
use crate::telemetry::{CounterBreak, Dropped, GpuRecording, Recording, SamplerCost};

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

/// A cloneable look at a running sampler, for other threads: `tokio::task::spawn_blocking(move ||
/// view.wait_edge(timeout))`.
#[derive(Debug, Clone)]
pub struct SamplerView {
    pub(super) shared: Arc<Shared>,
}

impl SamplerView {
    /// A copy of everything so far.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let shared = &self.shared;
        let stopped_ns = now_ns();
        let wall_ns = stopped_ns.saturating_sub(shared.started_ns);
        let rapl = lock(&shared.rapl);
        Recording {
            library: shared.library.clone(),
            realtime_pair: shared.realtime_pair,
            started_ns: shared.started_ns,
            stopped_ns,
            settings: shared.settings.clone(),
            gpus: shared.gpus.iter().map(recorded).collect(),
            rapl: rapl.as_ref().map(|meter| meter.recording().clone()),
            cost: cost(shared, wall_ns),
        }
    }

    /// The span from `from_ns` to now, one per GPU; costs little however long the recording is.
    #[must_use]
    pub fn since(&self, from_ns: u64) -> Vec<RecentView> {
        let gpus = self.shared.gpus.iter();
        gpus.map(|gpu| recent(gpu, from_ns)).collect()
    }

    /// Blocks until every GPU whose counter can be read has stepped after this call, and gives the last of
    /// those edges; none when that takes longer than `timeout`, no GPU has a readable counter, or the sampler
    /// stops.
    #[must_use]
    pub fn wait_edge(&self, timeout: Duration) -> Option<CounterEdge> {
        let asked_ns = now_ns();
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let until_ns = asked_ns.saturating_add(timeout_ns);
        let shared = &self.shared;
        let mut steps = lock(&shared.steps);
        loop {
            if let Some(first_edges) = edges_after(&shared.gpus, asked_ns) {
                return first_edges.into_iter().max_by_key(|edge| edge.after_ns);
            }
            let left_ns = until_ns.saturating_sub(now_ns());
            if left_ns == 0 || shared.is_stopping() {
                return None;
            }
            let waited = shared
                .stepped
                .wait_timeout(steps, Duration::from_nanos(left_ns));
            steps = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The latest edge of one GPU. Never blocks for long.
    #[must_use]
    pub fn latest_edge(&self, gpu: &str) -> Option<CounterEdge> {
        let found = self.shared.gpus.iter().find(|known| known.uuid == gpu)?;
        lock(&found.counter).edges.values().last().copied()
    }
}

/// The first edge that began after `asked_ns` of each GPU with a readable counter; none while one lacks it.
fn edges_after(gpus: &[GpuShared], asked_ns: u64) -> Option<Vec<CounterEdge>> {
    let mut edges = Vec::new();
    for gpu in gpus {
        let log = lock(&gpu.counter);
        let later = log.edges.since(asked_ns);
        match later.iter().find(|edge| edge.before_ns >= asked_ns) {
            Some(edge) => edges.push(*edge),
            None if log.readable => return None,
            None => {}
        }
    }
    Some(edges)
}

fn recent(gpu: &GpuShared, from_ns: u64) -> RecentView {
    let (counter_watts, counter_span_ns) = counter_power(&lock(&gpu.counter), from_ns);
    let log = lock(&gpu.readings);
    let average = log.average.since(from_ns);
    let sum: f64 = average.iter().map(|reading| reading.watts).sum();
    let warm = log.states.values().iter().rev();
    let warm = warm
        .take(64)
        .find(|reading| reading.state.temperature_celsius.is_some());
    let latest = log.states.values().last();
    RecentView {
        gpu: gpu.uuid.clone(),
        counter_watts,
        counter_span_ns,
        average_watts: (!average.is_empty()).then(|| sum / average.len() as f64),
        temperature_celsius: warm.and_then(|reading| reading.state.temperature_celsius),
        temperature_at_ns: warm.map(|reading| reading.at_ns),
        sm_clock_mhz: latest.and_then(|reading| reading.state.sm_clock_mhz),
        event_reasons: latest.and_then(|reading| reading.state.event_reasons),
    }
}

fn counter_power(log: &CounterLog, from_ns: u64) -> (Option<f64>, u64) {
    let edges = log.edges.since(from_ns);
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
        return (None, 0);
    };
    let centre = |edge: &CounterEdge| edge.before_ns.midpoint(edge.after_ns);
    let span_ns = centre(last).saturating_sub(centre(first));
    let broken = log.breaks.iter().rev().any(|broken| match broken {
        CounterBreak::WentBack { at_ns, .. } => *at_ns > first.after_ns,
        CounterBreak::Failed { until_ns, .. } => until_ns.is_none_or(|end| end > first.after_ns),
    });
    if span_ns == 0 || broken {
        return (None, span_ns);
    }
    let joules = last.millijoules.saturating_sub(first.millijoules) as f64 / 1e3;
    (Some(joules / (span_ns as f64 / 1e9)), span_ns)
}

fn recorded(gpu: &GpuShared) -> GpuRecording {
    let counter = lock(&gpu.counter);
    let log = lock(&gpu.readings);
    GpuRecording {
        readings: GpuReadings {
            gpu: gpu.uuid.clone(),
            counter: counter.edges.values().to_vec(),
            samples: log.samples.values().to_vec(),
            average: log.average.values().to_vec(),
            instant: log.instant.values().to_vec(),
        },
        scope: gpu.scope.clone(),
        average_source: gpu.average_source,
        module: log.module.values().to_vec(),
        states: log.states.values().to_vec(),
        violations: log.violations.values().to_vec(),
        xid: log.xid.clone(),
        breaks: counter.breaks.clone(),
        errors: log.all_errors(&counter),
        dropped: dropped(&counter, &log),
    }
}

fn dropped(counter: &CounterLog, log: &ReadingLog) -> Dropped {
    let power: [&Series<PowerReading>; 3] = [&log.average, &log.instant, &log.module];
    let thinned = [
        counter.edges.thinned_before_ns(),
        log.samples.thinned_before_ns(),
        log.states.thinned_before_ns(),
        log.violations.thinned_before_ns(),
    ];
    let of_power = power.iter().map(|series| series.thinned_before_ns());
    Dropped {
        counter: counter.edges.dropped(),
        samples: log.samples.dropped(),
        power: power.iter().map(|series| lost(series)).sum(),
        states: lost(&log.states) + lost(&log.violations),
        unplaced_samples: log.unplaced_samples,
        overrun_reads: log.overrun_reads,
        thinned_before_ns: thinned.into_iter().chain(of_power).flatten().max(),
    }
}

fn lost<T: Timed>(series: &Series<T>) -> u64 {
    series.dropped()
}

fn cost(shared: &Shared, wall_ns: u64) -> SamplerCost {
    let ticks = lock(&shared.ticks);
    let mut threads = vec![ticks.meter.cost(wall_ns)];
    threads.extend(
        shared
            .gpus
            .iter()
            .map(|gpu| lock(&gpu.counter).meter.cost(wall_ns)),
    );
    let wall_seconds = wall_ns as f64 / 1e9;
    let cpu_seconds: f64 = threads.iter().map(|thread| thread.cpu_seconds).sum();
    SamplerCost {
        wall_seconds,
        cpu_seconds,
        cpu_percent: 100.0 * cpu_seconds / wall_seconds.max(1e-9),
        reading_interval_ns: shared.settings.reading_interval_ns,
        ticks: ticks.taken + ticks.missed,
        missed_ticks: ticks.missed,
        lateness_p50_ns: ticks.lateness.percentile_ns(50),
        lateness_p99_ns: ticks.lateness.percentile_ns(99),
        lateness_max_ns: ticks.lateness.max_ns(),
        threads,
        failed_threads: lock(&shared.failed_threads).clone(),
    }
}
