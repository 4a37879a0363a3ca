//! One GPU: from processes and planted faults to its state at every moment, and from that to what NVML
//! tells. Pure: time comes in, and every moment that was reached can be asked for again.

mod state;

pub use state::MAX_SM_MHZ;

use crate::history::History;
use crate::noise;
use crate::process::{Change, Process, View};
use crate::readings::{Sample, Sensors};
use crate::scenario::{GpuSpec, When};

/// The GPU was bare for so long before the initialisation, so that every buffer is full.
const BEFORE_NS: u64 = 10_000_000_000;
/// Changes that are kept at least so long, and forgotten when there are many.
const KEPT_NS: u64 = 60_000_000_000;
const MANY_CHANGES: usize = 20_000;

/// A process in NVML's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Host pid.
    pub pid: u32,
    /// Memory held.
    pub bytes: u64,
}

/// An Xid event that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XidEvent {
    /// When.
    pub at_ns: u64,
    /// Its number.
    pub code: u64,
}

/// A GPU.
#[derive(Debug)]
pub struct Gpu {
    spec: GpuSpec,
    seed: u64,
    init_ns: u64,
    sensors: Sensors,
    processes: Vec<Process>,
    history: History,
    /// Up to here the history is told.
    told_ns: u64,
    /// From here on it must be told anew.
    stale_ns: u64,
    xids: Vec<Option<XidEvent>>,
    lost_ns: Option<u64>,
}

impl Gpu {
    /// A GPU whose times count from `init_ns`. `seed` sets phases and jitter, together with the UUID.
    #[must_use]
    pub fn new(spec: GpuSpec, uuid: &str, seed: u64, init_ns: u64) -> Self {
        let seed = noise::named(seed, uuid);
        let start_ns = init_ns.saturating_sub(BEFORE_NS);
        let bare = state::bare(&spec.power);
        let mut gpu = Self {
            seed,
            init_ns,
            sensors: Sensors::new(spec.sensor, seed),
            processes: Vec::new(),
            history: History::new(start_ns, bare, spec.thermal),
            told_ns: init_ns,
            stale_ns: init_ns,
            xids: vec![None; spec.faults.xid.len()],
            lost_ns: None,
            spec,
        };
        for phantom in gpu.spec.faults.processes.clone() {
            let process = gpu.process(Some(phantom.pid), None);
            let (from_ns, until_ns) = gpu.times(&phantom.when);
            gpu.change(
                process,
                Change::load(from_ns, phantom.busy, phantom.mib << 20),
            );
            if until_ns < u64::MAX {
                gpu.change(process, Change::end(until_ns));
            }
        }
        gpu
    }

    /// Its description.
    #[must_use]
    pub fn spec(&self) -> &GpuSpec {
        &self.spec
    }

    /// A new process on it, by its index for [`Self::change`]. `log` is its number among the load logs.
    pub fn process(&mut self, pid: Option<u32>, log: Option<usize>) -> usize {
        let process = Process::new(pid, log, self.spec.memory, self.seed);
        self.processes.push(process);
        self.processes.len() - 1
    }

    /// A process changes. May lie in the past, and changes it.
    pub fn change(&mut self, process: usize, change: Change) {
        if let Some(process) = self.processes.get_mut(process) {
            process.push(change);
            self.stale_ns = self.stale_ns.min(change.at_ns);
        }
    }

    /// Tells the history up to a moment. Everything below asks for moments up to it.
    pub fn advance(&mut self, now_ns: u64) {
        let now_ns = now_ns.max(self.told_ns);
        let from_ns = self
            .stale_ns
            .min(self.told_ns)
            .max(self.history.start_ns() + 1);
        self.history.truncate(from_ns);
        let mut moments: Vec<u64> = self
            .processes
            .iter()
            .flat_map(|process| process.moments(from_ns, now_ns))
            .chain(self.fault_moments())
            .filter(|at_ns| (from_ns..=now_ns).contains(at_ns))
            .chain([from_ns])
            .collect();
        moments.sort_unstable();
        moments.dedup();
        for at_ns in moments {
            let state = self.state_from(at_ns);
            self.history.push(at_ns, state);
            self.events(at_ns);
        }
        self.told_ns = now_ns;
        self.stale_ns = u64::MAX;
        if self.history.changes() > MANY_CHANGES {
            let before_ns = now_ns.saturating_sub(KEPT_NS);
            self.history.forget(before_ns);
            for process in &mut self.processes {
                process.forget(before_ns);
            }
        }
    }

    /// The truth.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The energy counter in millijoules.
    #[must_use]
    pub fn counter_millijoules(&self, now_ns: u64) -> u64 {
        self.sensors.counter_millijoules(&self.history, now_ns)
    }

    /// Field 186.
    #[must_use]
    pub fn instant_watts(&self, now_ns: u64) -> f64 {
        self.sensors.instant_watts(&self.history, now_ns)
    }

    /// Field 185, and the power usage.
    #[must_use]
    pub fn average_watts(&self, now_ns: u64) -> f64 {
        self.sensors.average_watts(&self.history, now_ns)
    }

    /// The sample buffer, oldest first.
    #[must_use]
    pub fn samples(&self, now_ns: u64) -> Vec<Sample> {
        self.sensors.samples(&self.history, now_ns)
    }

    /// The moment of the sensors' last step.
    #[must_use]
    pub fn step_ns(&self, now_ns: u64) -> u64 {
        self.sensors.step_ns(now_ns)
    }

    /// Temperature in whole degrees.
    #[must_use]
    pub fn celsius(&self, now_ns: u64) -> u32 {
        self.history.celsius(now_ns).round().clamp(0.0, 150.0) as u32
    }

    /// Share of the last second in which it computed, in percent.
    #[must_use]
    pub fn utilisation_percent(&self, now_ns: u64) -> u32 {
        let from_ns = now_ns.saturating_sub(1_000_000_000);
        (self.history.mean_busy(from_ns, now_ns) * 100.0).round() as u32
    }

    /// Memory in use by processes, and by nobody where that is planted.
    #[must_use]
    pub fn used_bytes(&self, now_ns: u64) -> u64 {
        let held = self.views(now_ns).map(|(_, view)| view.bytes);
        let faults = &self.spec.faults;
        let extra = faults
            .extra_memory
            .iter()
            .filter(|memory| self.holds(&memory.when, now_ns))
            .map(|memory| memory.mib << 20);
        held.chain(extra).sum()
    }

    /// NVML's process list.
    #[must_use]
    pub fn processes(&self, now_ns: u64) -> Vec<Listed> {
        self.views(now_ns)
            .filter(|(_, view)| view.listed)
            .filter_map(|(process, view)| {
                Some(Listed {
                    pid: process.pid?,
                    bytes: view.bytes,
                })
            })
            .collect()
    }

    /// Xid events that have happened, in the order of the scenario.
    pub fn xids(&self) -> impl Iterator<Item = XidEvent> + '_ {
        self.xids.iter().flatten().copied()
    }

    /// Whether it has been lost.
    #[must_use]
    pub fn is_lost(&self, now_ns: u64) -> bool {
        self.lost_ns.is_some_and(|lost_ns| lost_ns <= now_ns)
    }

    /// Whether a fault is there.
    #[must_use]
    pub fn holds(&self, when: &When, at_ns: u64) -> bool {
        let (from_ns, until_ns) = self.times(when);
        let log = |number: usize| {
            self.processes
                .iter()
                .find(|process| process.log == Some(number))
        };
        (from_ns..until_ns).contains(&at_ns)
            && when.while_log_busy.is_none_or(|number| {
                log(number).is_some_and(|process| process.view(at_ns).busy > 0.0)
            })
            && when
                .after_log
                .is_none_or(|number| log(number).is_some_and(|process| process.has_ended(at_ns)))
    }

    fn times(&self, when: &When) -> (u64, u64) {
        let at = |seconds: f64| self.init_ns.saturating_add((seconds * 1e9).round() as u64);
        (
            at(when.from_s.unwrap_or(0.0)),
            when.until_s.map_or(u64::MAX, at),
        )
    }

    fn fault_moments(&self) -> impl Iterator<Item = u64> + '_ {
        let faults = &self.spec.faults;
        let whens = faults
            .throttle
            .iter()
            .map(|fault| &fault.when)
            .chain(faults.xid.iter().map(|fault| &fault.when))
            .chain(&faults.lost);
        whens.flat_map(|when| {
            let (from_ns, until_ns) = self.times(when);
            [from_ns, until_ns]
        })
    }

    fn views(&self, at_ns: u64) -> impl Iterator<Item = (&Process, View)> {
        self.processes
            .iter()
            .map(move |process| (process, process.view(at_ns)))
    }

    fn events(&mut self, at_ns: u64) {
        let faults = &self.spec.faults;
        if self.lost_ns.is_none()
            && let Some(when) = &faults.lost
            && self.holds(when, at_ns)
        {
            self.lost_ns = Some(at_ns);
        }
        for index in 0..self.xids.len() {
            let xid = self.spec.faults.xid[index];
            if self.xids[index].is_none() && self.holds(&xid.when, at_ns) {
                self.xids[index] = Some(XidEvent {
                    at_ns,
                    code: xid.code,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
