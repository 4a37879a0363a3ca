//! The simulated machine: its GPUs, what loads them, and the two clocks.

use std::path::PathBuf;

use nix::time::{ClockId, clock_gettime};

use crate::gpu::Gpu;
use crate::logs::LogFolder;
use crate::scenario::{Load, Scenario};
use crate::source::{self, Segments};

/// CLOCK_MONOTONIC in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(ClockId::CLOCK_MONOTONIC)
}

fn clock_ns(clock: ClockId) -> u64 {
    // Neither clock fails on Linux, nor tells a time before zero.
    clock_gettime(clock).map_or(0, |now| {
        now.tv_sec().unsigned_abs() * 1_000_000_000 + now.tv_nsec().unsigned_abs()
    })
}

/// Where a GPU's known load comes from.
#[derive(Debug)]
struct Feed {
    segments: Option<Segments>,
    /// Index of the process of each pid in the segments.
    processes: Vec<(u32, usize)>,
    /// Index of the folder that loads it.
    folder: Option<usize>,
    /// Index of the process of each log of that folder.
    logs: Vec<(usize, usize)>,
}

/// A machine.
#[derive(Debug)]
pub struct Sim {
    scenario: Scenario,
    gpus: Vec<Gpu>,
    feeds: Vec<Feed>,
    folders: Vec<LogFolder>,
    /// CLOCK_REALTIME − CLOCK_MONOTONIC at the initialisation: NVML's stamps are wall clock.
    wall_offset_ns: u64,
}

impl Sim {
    /// A machine that begins now.
    ///
    /// # Errors
    /// A trace that cannot be read.
    pub fn new(scenario: Scenario) -> Result<Self, String> {
        let init_ns = monotonic_ns();
        let wall_offset_ns = clock_ns(ClockId::CLOCK_REALTIME).saturating_sub(init_ns);
        Self::at(scenario, init_ns, wall_offset_ns)
    }

    fn at(scenario: Scenario, init_ns: u64, wall_offset_ns: u64) -> Result<Self, String> {
        let mut paths: Vec<PathBuf> = Vec::new();
        let (mut gpus, mut feeds) = (Vec::new(), Vec::new());
        for (index, spec) in scenario.gpus.iter().enumerate() {
            let uuid = scenario.uuid(index);
            let mut gpu = Gpu::new(spec.clone(), &uuid, scenario.seed, init_ns);
            let load: &Load = spec.load.as_ref().unwrap_or(&scenario.load);
            if let Some(path) = &load.trace {
                let process = gpu.process(None, None);
                for change in source::trace(path, init_ns)? {
                    gpu.change(process, change);
                }
            }
            let folder = load.logs.as_ref().map(|path| {
                paths
                    .iter()
                    .position(|known| known == path)
                    .unwrap_or_else(|| {
                        paths.push(path.clone());
                        paths.len() - 1
                    })
            });
            let segments = load.scenario.clone();
            feeds.push(Feed {
                segments: segments.map(|list| Segments::new(list, load.repeat, init_ns)),
                processes: Vec::new(),
                folder,
                logs: Vec::new(),
            });
            gpus.push(gpu);
        }
        Ok(Self {
            scenario,
            gpus,
            feeds,
            folders: paths.into_iter().map(LogFolder::new).collect(),
            wall_offset_ns,
        })
    }

    /// What was asked for.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The GPUs, up to the last [`Self::advance`].
    #[must_use]
    pub fn gpus(&self) -> &[Gpu] {
        &self.gpus
    }

    /// Takes in what has happened until now. Times only grow.
    pub fn advance(&mut self, now_ns: u64) {
        let told: Vec<_> = self
            .folders
            .iter_mut()
            .map(|folder| folder.refresh(now_ns))
            .collect();
        for (gpu, feed) in self.gpus.iter_mut().zip(&mut self.feeds) {
            for (pid, change) in feed
                .segments
                .iter_mut()
                .flat_map(|segments| segments.advance(now_ns))
            {
                let process = place(&mut feed.processes, pid, || gpu.process(Some(pid), None));
                gpu.change(process, change);
            }
            for told in feed.folder.iter().flat_map(|folder| &told[*folder]) {
                let process = place(&mut feed.logs, told.log, || {
                    gpu.process(Some(told.pid), Some(told.log))
                });
                gpu.change(process, told.change);
            }
            gpu.advance(now_ns);
        }
    }

    /// A stamp as NVML gives it: wall clock in microseconds.
    #[must_use]
    pub fn stamp_us(&self, monotonic_ns: u64) -> u64 {
        (monotonic_ns + self.wall_offset_ns) / 1_000
    }
}

fn place<K: PartialEq + Copy>(
    known: &mut Vec<(K, usize)>,
    key: K,
    make: impl FnOnce() -> usize,
) -> usize {
    if let Some((_, index)) = known.iter().find(|(other, _)| *other == key) {
        return *index;
    }
    let index = make();
    known.push((key, index));
    index
}
