//! From an attempt's recording to what its result says of energy, idle power and throttling. The arithmetic and
//! the judgements are `energy`'s; here its inputs are put together.

use std::collections::BTreeMap;

use lem_protocol::{Arrival, MarkName, Record};

use super::attempt::Measured;
use super::idle::{Around, baselines};
use super::phases::{batches, split};
use super::power::Power;
use crate::energy::sensor::Sensor;
use crate::energy::split::PhaseEnergy;
use crate::energy::{
    Baseline, Denominators, End, EnergyRules, GpuEnergy, ReasonSample, Throttle, ThrottleCounters,
    ThrottleEvidence, TotalEnergy, WindowFigures, WindowRequest, energy_figures, total,
    window_energy,
};
use crate::manifest::{BaselineNote, CpuEnergy, DomainEnergy, EnergyNote, GpuNote, Spread};
use crate::plan::BaselineState;
use crate::telemetry::{GpuRecording, RaplSeries, Recording, ViolationReading};

/// Where idle power beside a window is not known by a baseline, how far off the power of the last edges may be.
const ROUGH_IDLE: f64 = 0.1;
/// Edges after the window that must have passed before power counts as idle, ns: the counter lags.
const LAG_NS: u64 = 100_000_000;

/// What the host saw of an attempt.
pub(super) struct Observed<'a> {
    pub(super) power: &'a Power,
    pub(super) recording: &'a Recording,
    pub(super) idle: Around,
    pub(super) bare: &'a [Baseline],
    pub(super) rules: EnergyRules,
    /// When the last token existed: what the counter says after it is idle.
    work_end_ns: u64,
}

impl<'a> Observed<'a> {
    /// None where the campaign names no GPU.
    pub(super) fn of(
        measured: &'a Measured,
        power: Option<&'a Power>,
        bare: &'a [Baseline],
        rules: EnergyRules,
    ) -> Option<Self> {
        let marks = measured.record.marks.iter();
        let last = marks.map(|mark| mark.monotonic_ns).max();
        Some(Self {
            work_end_ns: last.unwrap_or(measured.figures.end_ns),
            power: power?,
            recording: measured.recording.as_ref()?,
            idle: measured.idle,
            bare,
            rules,
        })
    }

    /// Idle power around the window.
    pub(super) fn baseline(&self) -> BaselineNote {
        let mut reasons = Vec::new();
        let mut take = |span: Option<super::idle::Span>| {
            let Some(span) = span else { return Vec::new() };
            let (taken, why) = baselines(self.recording, BaselineState::Resident, span);
            reasons.extend(why);
            taken
        };
        let (before, after) = (take(self.idle.before), take(self.idle.after));
        let between = before
            .iter()
            .map(|first| Some(first.between(of_gpu(&after, &first.gpu)?).0));
        let resident_watts = (before.len() == self.recording.gpus.len())
            .then(|| between.sum::<Option<f64>>())
            .flatten();
        BaselineNote {
            bare: self.bare.to_vec(),
            before,
            after,
            resident_watts,
            reasons,
        }
    }

    /// The energy of the window, of ramp and drain, and what the GPUs were like.
    pub(super) fn energy(
        &self,
        record: &Record,
        figures: &WindowFigures,
        baseline: &BaselineNote,
    ) -> EnergyNote {
        let (start, end) = (figures.start_ns, figures.end_ns);
        let periods = load_periods(record);
        let steady = figures.is_inner();
        let part = |from, to, idle| self.total(from, to, idle, baseline, &periods);
        let window = part(start, end, (!steady, !steady));
        let by = Denominators {
            output_tokens: figures.output_tokens,
            input_tokens: figures.input_tokens,
            requests: figures.requests,
        };
        let mark = |name| {
            let mut marks = record.marks.iter();
            marks
                .find(|mark| mark.name == name)
                .map(|mark| mark.monotonic_ns)
        };
        let ramp = mark(MarkName::MeasureStart)
            .filter(|first| steady && *first < start)
            .map(|first| part(first, start, (true, false)));
        let drain = mark(MarkName::MeasureEnd)
            .filter(|last| steady && *last > end)
            .map(|last| part(end, last, (false, true)));
        EnergyNote {
            figures: Some(energy_figures(
                window.joules,
                figures.seconds,
                baseline.resident_watts,
                by,
            )),
            reason: window.reason.clone(),
            window: Some(window),
            ramp,
            drain,
            cpu: self.cpu(start, end),
            readings: None,
            library: Some(self.recording.library.clone()),
            sampler: Some(self.recording.cost.clone()),
            gpus: self
                .recording
                .gpus
                .iter()
                .map(|gpu| self.gpu(gpu, start, end))
                .collect(),
        }
    }

    /// How each GPU was held back in the window.
    pub(super) fn throttling(&self, figures: &WindowFigures) -> Vec<Throttle> {
        let (start_ns, end_ns) = (figures.start_ns, figures.end_ns);
        let of = |gpu: &GpuRecording| {
            let samples: Vec<ReasonSample> = gpu
                .states
                .iter()
                .filter_map(|read| {
                    Some(ReasonSample {
                        at_ns: read.at_ns,
                        reasons: read.state.event_reasons?,
                    })
                })
                .collect();
            let before = gpu.violations.iter().rfind(|read| read.at_ns <= start_ns);
            let after = gpu.violations.iter().find(|read| read.at_ns >= end_ns);
            Throttle::of(&ThrottleEvidence {
                gpu: &gpu.readings.gpu,
                start_ns,
                end_ns,
                samples: &samples,
                counters: before.zip(after).map(|(b, a)| (counters(b), counters(a))),
            })
        };
        self.recording.gpus.iter().map(of).collect()
    }

    /// Prefill and decode apart, by GPU.
    pub(super) fn split(
        &self,
        record: &Record,
        baseline: &BaselineNote,
    ) -> BTreeMap<String, PhaseEnergy> {
        let batches = batches(record);
        let of = |gpu: &GpuRecording| {
            let uuid = &gpu.readings.gpu;
            let period = self.sensor(uuid).traits.counter.update_period_ns.value / 1e9;
            let energy = |from, to, idle| self.part(gpu, (from, to), idle, baseline, &[]);
            (uuid.clone(), split(&batches, period, energy))
        };
        self.recording.gpus.iter().map(of).collect()
    }

    fn sensor(&self, uuid: &str) -> Sensor {
        let known = self.power.sensors.get(uuid).cloned();
        known.unwrap_or_else(|| Sensor::assumed(""))
    }

    fn total(
        &self,
        start_ns: u64,
        end_ns: u64,
        (idle_before, idle_after): (bool, bool),
        baseline: &BaselineNote,
        load_periods_ns: &[f64],
    ) -> TotalEnergy {
        let of = |gpu: &GpuRecording| {
            let idle = (idle_before, idle_after);
            self.part(gpu, (start_ns, end_ns), idle, baseline, load_periods_ns)
        };
        let parts: Vec<GpuEnergy> = self.recording.gpus.iter().map(of).collect();
        total(&parts)
    }

    fn part(
        &self,
        gpu: &GpuRecording,
        (start_ns, end_ns): (u64, u64),
        (idle_before, idle_after): (bool, bool),
        baseline: &BaselineNote,
        load_periods_ns: &[f64],
    ) -> GpuEnergy {
        let uuid = &gpu.readings.gpu;
        let sensor = self.sensor(uuid);
        let idle = idle_end(gpu, baseline, self.work_end_ns);
        let end_of = |is_idle: bool| if is_idle { idle } else { Some(End::Steady) };
        let (Some(before), Some(after)) = (end_of(idle_before), end_of(idle_after)) else {
            return GpuEnergy::missing(
                uuid,
                end_ns.saturating_sub(start_ns) as f64 / 1e9,
                "idle_power_unknown: no idle power is known beside the window: its ends cannot be told from idling",
            );
        };
        window_energy(&WindowRequest {
            readings: &gpu.readings,
            start_ns,
            end_ns,
            ends: (before, after),
            sensor: &sensor.traits,
            gain: &sensor.gain,
            load_periods_ns,
            rules: &self.rules,
        })
    }

    fn cpu(&self, start_ns: u64, end_ns: u64) -> CpuEnergy {
        let Some(rapl) = &self.recording.rapl else {
            return CpuEnergy::default();
        };
        let mut absent = rapl.absent.clone();
        let mut domains = Vec::new();
        for series in &rapl.series {
            match (joules_at(series, start_ns), joules_at(series, end_ns)) {
                (Some(first), Some(last)) => domains.push(DomainEnergy {
                    domain: series.domain.clone(),
                    joules: last - first,
                }),
                _ => absent.push(format!(
                    "{:?}: its readings do not cover the window",
                    series.domain
                )),
            }
        }
        CpuEnergy { domains, absent }
    }

    fn gpu(&self, gpu: &GpuRecording, start_ns: u64, end_ns: u64) -> GpuNote {
        let uuid = &gpu.readings.gpu;
        let snapshot = self.power.gpus.iter().find(|known| known.uuid == *uuid);
        let name = snapshot.map_or_else(String::new, |known| known.name.clone());
        let sensor = self.sensor(uuid);
        let states: Vec<_> = gpu
            .states
            .iter()
            .filter(|read| (start_ns..=end_ns).contains(&read.at_ns))
            .map(|read| &read.state)
            .collect();
        let whole = |of: fn(&crate::telemetry::GpuState) -> Option<u32>| {
            Spread::of(states.iter().filter_map(|state| of(state).map(f64::from)))
        };
        let degrees = |of: fn(&crate::telemetry::GpuState) -> Option<i32>| {
            Spread::of(states.iter().filter_map(|state| of(state).map(f64::from)))
        };
        let mut pstates: Vec<u32> = states.iter().filter_map(|state| state.pstate).collect();
        pstates.sort_unstable();
        pstates.dedup();
        GpuNote {
            gpu: uuid.clone(),
            name,
            scope: gpu.scope.clone(),
            scope_warning: gpu.scope.warning(),
            sensor: sensor.traits.origin.clone(),
            gain: sensor.gain.clone(),
            sensor_remarks: sensor.remarks.clone(),
            sm_clock_mhz: whole(|state| state.sm_clock_mhz),
            memory_clock_mhz: whole(|state| state.memory_clock_mhz),
            temperature_celsius: degrees(|state| state.temperature_celsius),
            memory_temperature_celsius: degrees(|state| state.memory_temperature_celsius),
            pstates,
            power_limit_watts: states
                .iter()
                .filter_map(|state| state.enforced_limit_watts)
                .min_by(f64::total_cmp),
            xid: gpu.xid.clone(),
            errors: gpu.errors.clone(),
            dropped: gpu.dropped,
            counter_breaks: gpu.breaks.len(),
        }
    }
}

fn of_gpu<'a>(baselines: &'a [Baseline], gpu: &str) -> Option<&'a Baseline> {
    baselines.iter().find(|baseline| baseline.gpu == gpu)
}

/// Idle power beside the window: between the two baselines around it, or roughly what the counter says of the
/// time after it.
fn idle_end(gpu: &GpuRecording, baseline: &BaselineNote, work_end_ns: u64) -> Option<End> {
    let uuid = &gpu.readings.gpu;
    if let (Some(before), Some(after)) = (
        of_gpu(&baseline.before, uuid),
        of_gpu(&baseline.after, uuid),
    ) {
        let (watts, half_width_watts) = before.between(after);
        return Some(End::Idle {
            watts,
            half_width_watts,
        });
    }
    let quiet_ns = work_end_ns + LAG_NS;
    let mut edges = gpu
        .readings
        .counter
        .iter()
        .filter(|edge| edge.before_ns > quiet_ns);
    let (first, last) = (edges.next()?, edges.next_back()?);
    let middle = |edge: &crate::energy::CounterEdge| edge.before_ns / 2 + edge.after_ns / 2;
    let seconds = middle(last)
        .checked_sub(middle(first))
        .filter(|ns| *ns > 0)? as f64
        / 1e9;
    let joules = last.millijoules.checked_sub(first.millijoules)? as f64 / 1e3;
    let watts = joules / seconds;
    Some(End::Idle {
        watts,
        half_width_watts: ROUGH_IDLE * watts,
    })
}

/// Periods at which the load may repeat, in ns: whole batches, and steps of all requests together.
fn load_periods(record: &Record) -> Vec<f64> {
    let mut queued: Vec<u64> = record.requests.iter().map(|one| one.queued_ns).collect();
    queued.sort_unstable();
    queued.dedup();
    let mut periods = Vec::new();
    if matches!(record.arrival, Arrival::Batch {})
        && let (Some(first), Some(last)) = (queued.first(), queued.last())
        && queued.len() > 2
    {
        periods.push((last - first) as f64 / (queued.len() - 1) as f64);
    }
    let gaps = record.requests.iter().flat_map(|one| &one.token_gaps_ns);
    let mut gaps: Vec<u64> = gaps.copied().collect();
    gaps.sort_unstable();
    if let Some(median) = gaps.get(gaps.len() / 2).filter(|ns| **ns > 0) {
        periods.push(*median as f64);
    }
    periods
}

fn counters(read: &ViolationReading) -> ThrottleCounters {
    let from = &read.violations;
    ThrottleCounters {
        at_ns: read.at_ns,
        power_cap_ns: from.power_ns,
        sync_boost_ns: from.sync_boost_ns,
        board_limit_ns: from.board_limit_ns,
        reliability_ns: from.reliability_ns,
        software_thermal_ns: from.software_thermal_ns,
        hardware_thermal_ns: from.hardware_thermal_ns,
        power_brake_ns: from.power_brake_ns,
        thermal_ns: from.thermal_ns,
    }
}

/// Joules of a RAPL series at a moment between two of its readings.
fn joules_at(series: &RaplSeries, at_ns: u64) -> Option<f64> {
    let after = series.readings.partition_point(|read| read.at_ns < at_ns);
    let right = series.readings.get(after)?;
    if right.at_ns == at_ns {
        return Some(right.joules);
    }
    let left = series.readings.get(after.checked_sub(1)?)?;
    let share = (at_ns - left.at_ns) as f64 / (right.at_ns - left.at_ns) as f64;
    Some(left.joules + share * (right.joules - left.joules))
}
