//! One session: a life of lemctl on a campaign, from its start to its end in order.

use std::collections::BTreeMap;

use super::live::{self, Live};
use super::occupancy::Resident;
use super::space::disk_cause;
use super::unfinished::remove_unfinished;
use super::{Lease, Need, Opened, RunnerError, Setting, reconcile, strays};
use crate::containers::{ContainerEngine, ContainerId};
use crate::energy::{Baseline, GapReading, Occupied};
use crate::execution::{Cause, Decision, Event, Notice, Phase, Tally, decide, opens_breaker};
use crate::manifest::{Manifest, seal};
use crate::plan::Step;

/// What ends a step before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// It did not work; the campaign goes on along the DAG.
    Failed(Cause),
    /// The session cannot go on.
    Fatal(RunnerError),
}

impl From<Cause> for Halt {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause)
    }
}

impl From<RunnerError> for Halt {
    fn from(error: RunnerError) -> Self {
        Self::Fatal(error)
    }
}

/// How long the Engine is left alone after it did not answer.
const AFTER_OUTAGE: std::time::Duration = std::time::Duration::from_secs(2);

/// A container that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: ContainerId,
    pub(super) live: Live,
    /// When its PID 1 was started, as the Engine writes it: another time is another life.
    pub(super) started_at: Option<String>,
}

/// How a session ended.
#[derive(Debug)]
pub struct Ended {
    /// How many runs stand where.
    pub tally: Tally,
    /// Experiments whose quality is still to be asked for.
    pub unasked: usize,
    /// The manifest, if nothing is due any more.
    pub manifest: Option<Manifest>,
    /// Why it was asked to stop, if it was.
    pub stopped: Option<String>,
    /// Why the breaker opened, if it did.
    pub breaker: Option<Cause>,
}

/// Drives one session.
pub struct Runner<E> {
    pub(super) setting: Setting<E>,
    pub(super) opened: Opened,
    pub(super) containers: BTreeMap<String, Running>,
    pub(super) engine: Option<super::engines::Loaded>,
    pub(super) workers: u32,
    pub(super) lease: Lease,
    /// What the GPUs held at the session's start.
    pub(super) empty: Option<Vec<Occupied>>,
    /// What they hold with the present load.
    pub(super) resident: Resident,
    /// Folder of the model, once it was had in this session.
    pub(super) model: Option<camino::Utf8PathBuf>,
    /// Idle power of the present container without a worker.
    pub(super) bare: Vec<Baseline>,
    /// What gaps compare with, by GPU: taken after the present load.
    pub(super) reference: BTreeMap<String, GapReading>,
    /// Bytes that the largest run writes: by the plan, or as one has.
    pub(super) largest_run: u64,
}

impl<E: ContainerEngine> Runner<E> {
    /// A runner on an opened campaign.
    #[must_use]
    pub fn new(setting: Setting<E>, opened: Opened) -> Self {
        if let Some(locks) = &setting.gpu_locks {
            locks.tell(&format!("campaign {}", opened.folders.id));
        }
        Self {
            largest_run: Need::of_all(&opened.planned).largest,
            lease: Lease::new(setting.clock.clone()),
            setting,
            opened,
            containers: BTreeMap::new(),
            engine: None,
            workers: 0,
            empty: None,
            resident: Resident::default(),
            model: None,
            bare: Vec::new(),
            reference: BTreeMap::new(),
        }
    }

    /// Runs the session to its end: until nothing is due, the breaker opens, or a stop is asked for.
    ///
    /// # Errors
    /// What no verdict can express. Containers are taken down first as far as possible; the journal
    /// stays resumable.
    pub async fn session(mut self) -> Result<Ended, RunnerError> {
        let outcome = self.drive().await;
        if outcome.is_err() {
            self.abandon().await;
        }
        outcome
    }

    async fn drive(&mut self) -> Result<Ended, RunnerError> {
        self.begin().await?;
        loop {
            if self.opened.state.stopping().is_none()
                && let Some(reason) = self.setting.stop.asked()
            {
                self.record(Event::StopRequested { reason })?;
            }
            self.look_at_disks()?;
            match decide(&mut self.opened.state) {
                Decision::Finished => break,
                Decision::Skip { run, cause } => {
                    let run = self.opened.planned.plan.runs[run].id.clone();
                    self.record(Event::RunSkipped { run, cause })?;
                }
                Decision::AddCycle {
                    cycle,
                    plan_hash,
                    reason,
                } => self.record(Event::CycleAdded {
                    cycle,
                    plan_hash,
                    reason,
                })?,
                Decision::Retry {
                    run,
                    reason,
                    gap_seconds,
                } => {
                    let attempt = self.opened.state.attempts(run);
                    let run = self.opened.planned.plan.runs[run].id.clone();
                    self.record(Event::RunRetried {
                        run,
                        attempt,
                        reason,
                        gap_seconds,
                    })?;
                }
                Decision::Assess { run } => match self.assess(run).await {
                    Err(RunnerError::Store(error)) => self.trip(&disk_cause(&error))?,
                    assessed => assessed?,
                },
                Decision::Step(Step::Measure { run }) => self.measure(run).await?,
                Decision::Step(step) => self.step(&step).await?,
            }
        }
        self.finish().await
    }

    async fn begin(&mut self) -> Result<(), RunnerError> {
        let gpus = self.opened.planned.campaign.gpus.clone();
        let event = Event::SessionStarted {
            session: self.opened.state.session() + 1,
            lemctl: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.setting.host.boot_id.clone(),
            environment_hash: self
                .setting
                .environment_hash(&gpus, self.known_model().as_ref()),
            environment: self.setting.environment(&gpus),
        };
        self.record(event)?;
        if self.opened.torn_bytes > 0 {
            let bytes = self.opened.torn_bytes;
            self.warn(format!(
                "the journal's last line was torn by a crash: {bytes} bytes were cut off"
            ));
        }
        let folders = self.opened.folders.clone();
        self.remove_temporary();
        let clock = self.setting.clock.clone();
        let cleared = reconcile::remove_left_over(&self.setting.engine, &folders).await?;
        for container in cleared.removed {
            self.warn(format!(
                "removed container {} of an earlier session",
                container.name
            ));
        }
        if let Some((_, error)) = cleared.left.into_iter().next() {
            return Err(error.into());
        }
        for sentence in strays::remove_dead(&self.setting.engine, &folders, &*clock).await? {
            self.warn(sentence);
        }
        for sentence in self.opened.recheck(&*clock)? {
            self.warn(sentence);
        }
        remove_unfinished(&folders, &self.opened.state)?;
        self.judge_again()
    }

    /// Does a step that is no measurement, and opens the breaker if the environment fails too often.
    async fn step(&mut self, step: &Step) -> Result<(), RunnerError> {
        let id = self.opened.planned.plan.step_id(step);
        self.record(Event::StepStarted { step: id.clone() })?;
        let outcome = match step {
            Step::EnsureImage { backend } => self.ensure_image(backend).await.map_err(Halt::from),
            Step::EnsureModel { backend } => self.ensure_model(backend).await.map_err(Halt::from),
            Step::Measure { .. } => Ok(serde_json::Value::Null),
            Step::StartContainer { backend } => {
                self.start_container(backend).await.map_err(Halt::from)
            }
            Step::ProbeContainer { backend } => {
                self.probe_container(backend).await.map_err(Halt::from)
            }
            Step::Baseline { state, .. } => self.take_baseline(*state).await,
            Step::LoadEngine { backend, load } => self.load_engine(backend, *load).await,
            Step::UnloadEngine { backend, .. } => self.unload_engine(backend).await,
            Step::StopContainer { backend } => {
                self.stop_container(backend).await.map_err(Halt::from)
            }
        };
        let cause = match outcome {
            Ok(detail) => return self.record(Event::StepDone { step: id, detail }),
            Err(Halt::Fatal(RunnerError::Store(error))) => disk_cause(&error),
            Err(Halt::Fatal(error)) => return Err(error),
            Err(Halt::Failed(cause)) => self.or_of_disk(cause),
        };
        // A stop that came while the step was under way explains its failure.
        if self.opened.state.stopping().is_none()
            && let Some(reason) = self.setting.stop.asked()
        {
            self.record(Event::StopRequested { reason })?;
        }
        self.record(Event::StepFailed {
            step: id,
            cause: cause.clone(),
        })?;
        self.trip(&cause)?;
        if cause.is_outage() && self.opened.state.breaker().is_none() {
            tokio::select! {
                () = self.setting.stop.wait() => {}
                () = tokio::time::sleep(AFTER_OUTAGE) => {}
            }
        }
        Ok(())
    }

    /// Opens the breaker if `cause` is one environment failure too many.
    pub(super) fn trip(&mut self, cause: &Cause) -> Result<(), RunnerError> {
        if self.opened.state.stopping().is_some() || self.opened.state.breaker().is_some() {
            return Ok(());
        }
        let limit = self
            .opened
            .planned
            .campaign
            .execution
            .breaker
            .consecutive_failures;
        if opens_breaker(cause, self.opened.state.environment_failures(), limit) {
            self.record(Event::BreakerOpened {
                cause: cause.clone(),
            })?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<Ended, RunnerError> {
        let cleared = self.clear_away().await;
        let stopped = self.opened.state.stopping().map(str::to_owned);
        let breaker = self.opened.state.breaker().cloned();
        self.record(Event::SessionEnded {})?;
        // What a container that is left mounts is not taken from under it.
        if cleared {
            live::remove(&self.opened.folders.live())?;
        }
        let tally = self.opened.state.tally();
        let unasked = self.opened.state.unasked();
        // What the session had no more time to ask, the next one asks; what cannot be asked is sealed as it is. Where the
        // breaker opened somebody is to look first, though it was the last run.
        let cut_short = stopped.is_some() && unasked > 0;
        let manifest = if tally.due == 0 && breaker.is_none() && !cut_short {
            let clock = self.setting.clock.clone();
            let Opened {
                folders,
                planned,
                state,
                journal,
                ..
            } = &mut self.opened;
            Some(seal(folders, &planned.campaign, state, journal, &*clock)?)
        } else {
            None
        };
        if let Some(sealed) = self.opened.state.sealed() {
            self.tell(&Notice::Journaled(&Event::Sealed {
                manifest_sha256: sealed,
            }));
        }
        Ok(Ended {
            tally,
            unasked,
            manifest,
            stopped,
            breaker,
        })
    }

    /// Takes down what stands, after an error that ends the session. What fails here is left to the
    /// lease and to `lemctl campaign down`.
    async fn abandon(&mut self) {
        if self.clear_away().await {
            let _ = live::remove(&self.opened.folders.live());
        }
    }

    /// Journals an event and tells the sinks.
    pub(super) fn record(&mut self, event: Event) -> Result<(), RunnerError> {
        let clock = self.setting.clock.clone();
        self.opened.record(&event, &*clock)?;
        self.tell(&Notice::Journaled(&event));
        Ok(())
    }

    pub(super) fn tell(&mut self, notice: &Notice<'_>) {
        for sink in &mut self.setting.sinks {
            sink.notice(&self.opened.planned.plan, &self.opened.state, notice);
        }
    }

    pub(super) fn warn(&mut self, message: String) {
        self.tell(&Notice::Warning { message });
    }

    pub(super) fn phase(&mut self, run: usize, phase: Phase) {
        self.tell(&Notice::Phase { run, phase });
    }
}
