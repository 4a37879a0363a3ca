//! The schedule: idle in three states, square waves, steps, steady load; what ran when.

use lem_protocol::{Burst, LoadRequest};

use crate::clock::{Clock, HostClock};
use crate::energy::sensor::{IdleKind, KnownLoad};
use crate::telemetry::GpuTelemetry;

use super::CharacteriseError;
use super::load_program::LoadProgram;
use super::occupants::Occupants;
use super::watch::{Pace, Watch};

/// Periods of the square waves, ms: prime, so that none is coherent with a sensor's period of whole tens, and
/// their phases slide over it.
const WAVES_MS: [f64; 3] = [137.0, 173.0, 211.0];
/// Length of each wave, in steady phases.
const WAVE_PHASES: f64 = 0.8;
/// Steps between idle and busy: longer than the trailing mean of a second remembers.
const STEP_SECONDS: f64 = 2.5;
/// A phase after whose beginning the GPU is left alone before it counts, in steady phases; at most 3 s.
const SETTLE_PHASES: f64 = 0.3;
/// Most memory that is held, and its largest share of what is free.
const MAX_HELD_BYTES: u64 = 40 << 30;
const HELD_SHARE: u64 = 2;

/// A stretch of one load, settled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    /// `bare`, `context`, `memory`, `wave` or `busy`.
    pub(super) load: &'static str,
    /// Which idle state it is, and the bytes held.
    pub(super) idle: Option<(IdleKind, u64)>,
    /// CLOCK_MONOTONIC ns.
    pub(super) start_ns: u64,
    /// CLOCK_MONOTONIC ns.
    pub(super) end_ns: u64,
}

impl Stretch {
    /// Its length.
    pub(super) fn seconds(&self) -> f64 {
        (self.end_ns - self.start_ns) as f64 / 1e9
    }
}

/// What ran.
#[derive(Debug, Default)]
pub(super) struct Phases {
    /// Stretches, in order.
    pub(super) stretches: Vec<Stretch>,
    /// All load.
    pub(super) load: KnownLoad,
    /// Waves and steps while the power fields were polled fast: start and end, ns.
    pub(super) fields: (u64, u64),
    /// Steps and waves while the counter was polled fast: start and end, ns.
    pub(super) counter: (u64, u64),
}

impl Phases {
    /// Runs the schedule. Each step is told before it begins.
    pub(super) fn run(
        phase_seconds: f64,
        telemetry: &dyn GpuTelemetry,
        gpu: &str,
        program: &mut LoadProgram,
        occupants: &mut Occupants,
        watch: &Watch,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, CharacteriseError> {
        let mut stage = Stage {
            phase_seconds,
            telemetry,
            program,
            occupants,
            watch,
            tell,
            bursts: Vec::new(),
            done: Self::default(),
        };
        stage.idle(IdleKind::Bare, 0)?;
        stage.program.ask(&LoadRequest::Context {})?;
        stage.occupants.expect(stage.program.pid());
        stage.idle(IdleKind::Context, 0)?;
        let free_bytes = telemetry.memory(gpu).map_or(0, |memory| memory.free_bytes);
        let held = MAX_HELD_BYTES.min(free_bytes / HELD_SHARE);
        stage.program.ask(&LoadRequest::Hold { bytes: held })?;
        stage.idle(IdleKind::Memory, held)?;
        stage.program.ask(&LoadRequest::Hold { bytes: 0 })?;

        stage.watch.pace(Pace::Fields);
        let fields_ns = HostClock.monotonic_ns();
        stage.waves("the power fields")?;
        let steps_ns = HostClock.monotonic_ns();
        stage.watch.pace(Pace::Counter);
        stage.steps()?;
        stage.done.fields = (fields_ns, HostClock.monotonic_ns());
        stage.waves("the energy counter")?;
        stage.done.counter = (steps_ns, HostClock.monotonic_ns());

        stage.watch.pace(Pace::Quiet);
        stage.busy()?;
        stage.program.ask(&LoadRequest::Release {})?;
        let Stage {
            bursts, mut done, ..
        } = stage;
        done.load = KnownLoad::new(bursts.iter().map(|burst| (burst.start_ns, burst.end_ns)));
        Ok(done)
    }
}

struct Stage<'a> {
    phase_seconds: f64,
    telemetry: &'a dyn GpuTelemetry,
    program: &'a mut LoadProgram,
    occupants: &'a mut Occupants,
    watch: &'a Watch,
    tell: &'a mut dyn FnMut(&str),
    bursts: Vec<Burst>,
    done: Phases,
}

impl Stage<'_> {
    fn settle_seconds(&self) -> f64 {
        (SETTLE_PHASES * self.phase_seconds).min(3.0)
    }

    fn idle(&mut self, kind: IdleKind, held: u64) -> Result<(), CharacteriseError> {
        let memory = if held > 0 {
            format!(", {:.1} GiB held", held as f64 / f64::from(1 << 30))
        } else {
            String::new()
        };
        (self.tell)(&format!(
            "idle, {}{memory}: {:.0} s",
            match kind {
                IdleKind::Bare => "no context",
                IdleKind::Context | IdleKind::Memory => "a context",
            },
            self.phase_seconds
        ));
        sleep(self.settle_seconds());
        let start_ns = HostClock.monotonic_ns();
        sleep(self.phase_seconds);
        self.occupants.check(self.telemetry)?;
        self.done.stretches.push(Stretch {
            load: kind.as_str(),
            idle: Some((kind, held)),
            start_ns,
            end_ns: HostClock.monotonic_ns(),
        });
        Ok(())
    }

    /// Three waves; together they are one stretch of periodic load.
    fn waves(&mut self, watched: &str) -> Result<(), CharacteriseError> {
        let seconds = WAVE_PHASES * self.phase_seconds;
        (self.tell)(&format!(
            "square waves for {watched}: {:.0} s",
            seconds * WAVES_MS.len() as f64
        ));
        let mut start_ns = None;
        for period_ms in WAVES_MS {
            let bursts = self.program.ask(&LoadRequest::Wave {
                period_ms,
                on_ms: period_ms / 2.0,
                seconds,
            })?;
            start_ns = start_ns.or(bursts.first().map(|burst| burst.start_ns));
            self.bursts.extend(bursts);
        }
        self.occupants.check(self.telemetry)?;
        let end_ns = self.bursts.last().map(|burst| burst.end_ns);
        if let (Some(start_ns), Some(end_ns)) = (start_ns, end_ns) {
            self.done.stretches.push(Stretch {
                load: "wave",
                idle: None,
                start_ns,
                end_ns,
            });
        }
        Ok(())
    }

    fn steps(&mut self) -> Result<(), CharacteriseError> {
        let count = (0.4 * self.phase_seconds).round().clamp(2.0, 4.0) as usize;
        let seconds = 2.0 * STEP_SECONDS * count as f64;
        (self.tell)(&format!("steps between idle and busy: {seconds:.0} s"));
        for _ in 0..count {
            sleep(STEP_SECONDS);
            let request = LoadRequest::Busy {
                seconds: STEP_SECONDS,
            };
            self.bursts.extend(self.program.ask(&request)?);
        }
        sleep(STEP_SECONDS / 2.0);
        Ok(())
    }

    fn busy(&mut self) -> Result<(), CharacteriseError> {
        let settle = self.settle_seconds();
        let seconds = self.phase_seconds + settle;
        (self.tell)(&format!("busy: {seconds:.0} s"));
        let bursts = self.program.ask(&LoadRequest::Busy { seconds })?;
        for burst in &bursts {
            self.done.stretches.push(Stretch {
                load: "busy",
                idle: None,
                start_ns: burst.start_ns + (settle * 1e9) as u64,
                end_ns: burst.end_ns,
            });
        }
        self.bursts.extend(bursts);
        self.occupants.check(self.telemetry)
    }
}

fn sleep(seconds: f64) {
    std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
}
