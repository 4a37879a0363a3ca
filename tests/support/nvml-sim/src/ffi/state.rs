//! What the library holds between two calls: how often it was initialised, the machine, event sets.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::events::EventSets;
use super::types::{Code, Handle, INVALID_ARGUMENT, UNINITIALIZED, UNKNOWN};
use crate::scenario::Scenario;
use crate::sim::Sim;

/// First handle of a GPU; the next GPU's is one more.
const GPUS: usize = 0x100;
/// First handle of a MIG device: a GPU's are 0x100 apart.
const MIGS: usize = 0x1_0000;

static STATE: Mutex<State> = Mutex::new(State {
    users: 0,
    sim: None,
    sets: EventSets::new(),
});

/// See the module.
pub(super) struct State {
    users: u32,
    sim: Option<Sim>,
    pub(super) sets: EventSets,
}

impl State {
    /// The machine, if the library is initialised.
    pub(super) fn sim(&mut self) -> Result<&mut Sim, Code> {
        self.sim.as_mut().ok_or(UNINITIALIZED)
    }

    /// Machine and event sets.
    pub(super) fn parts(&mut self) -> Result<(&mut Sim, &mut EventSets), Code> {
        let sim = self.sim.as_mut().ok_or(UNINITIALIZED)?;
        Ok((sim, &mut self.sets))
    }

    /// One more user; the first makes the machine.
    pub(super) fn enter(&mut self) -> Result<(), Code> {
        if self.sim.is_none() {
            let sim = scenario().and_then(Sim::new).map_err(|error| {
                told(&error);
                UNKNOWN
            })?;
            self.sim = Some(sim);
        }
        self.users += 1;
        Ok(())
    }

    /// One user less; the last takes the machine along.
    pub(super) fn leave(&mut self) -> Result<(), Code> {
        self.users = self.users.checked_sub(1).ok_or(UNINITIALIZED)?;
        if self.users == 0 {
            self.sim = None;
            self.sets = EventSets::new();
        }
        Ok(())
    }
}

/// Runs with the state, alone.
pub(super) fn with<T>(body: impl FnOnce(&mut State) -> Result<T, Code>) -> Result<T, Code> {
    // Every change of the state is whole before anything can panic.
    body(&mut STATE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Which device a handle means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A GPU by index.
    Gpu(usize),
    /// A MIG device by its GPU's index and its own.
    Mig(usize, usize),
}

impl Place {
    pub(super) fn of(handle: Handle, sim: &Sim) -> Result<Self, Code> {
        let number = handle.addr();
        let place = match number {
            MIGS.. => Self::Mig((number - MIGS) / 0x100, (number - MIGS) % 0x100),
            GPUS.. => Self::Gpu(number - GPUS),
            _ => return Err(INVALID_ARGUMENT),
        };
        let exists = match (place, sim.gpus().get(place.gpu())) {
            (Self::Gpu(_), gpu) => gpu.is_some(),
            (Self::Mig(_, index), gpu) => gpu.is_some_and(|gpu| index < gpu.spec().mig.len()),
        };
        if exists {
            Ok(place)
        } else {
            Err(INVALID_ARGUMENT)
        }
    }

    pub(super) fn handle(self) -> Handle {
        std::ptr::without_provenance_mut(match self {
            Self::Gpu(gpu) => GPUS + gpu,
            Self::Mig(gpu, index) => MIGS + gpu * 0x100 + index,
        })
    }

    pub(super) fn gpu(self) -> usize {
        match self {
            Self::Gpu(gpu) | Self::Mig(gpu, _) => gpu,
        }
    }
}

/// The scenario that was asked for.
fn scenario() -> Result<Scenario, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a library that is loaded by path has no other way to be configured by its user"
    )]
    let named = std::env::var_os("LEM_NVML_SIM").filter(|path| !path.is_empty());
    let beside = || {
        let mut path = own_path()?.into_os_string();
        path.push(".json");
        Some(path).filter(|path| std::path::Path::new(path).exists())
    };
    match named.or_else(beside) {
        Some(path) => Scenario::read(&PathBuf::from(path)),
        None => Ok(Scenario::default()),
    }
}

/// The file that this code was loaded from, by the map of the process' memory:
/// `7f12a000-7f12b000 r-xp 00000000 fe:00 1234   /path/of/the/library`.
fn own_path() -> Option<PathBuf> {
    let here = own_path as fn() -> Option<PathBuf> as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, until) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        (number(from)?..number(until)?)
            .contains(&here)
            .then(|| rest.find('/').map(|at| PathBuf::from(&rest[at..])))?
    })
}

#[expect(
    clippy::disallowed_macros,
    reason = "C callers get a number only; the reason can go nowhere else"
)]
fn told(error: &str) {
    eprintln!("lem-nvml-sim: {error}");
}
