//! One attempt at a run: gap, warm-up, idle, warm again, the window, idle again, and a look at what is left.

use lem_protocol::{Record, Work};

use super::RunnerError;
use super::idle::Around;
use super::occupancy::Between;
use super::power::{self, EDGE_LIMIT};
use super::session::Runner;
use super::space::disk_cause;
use super::talk::invalid;
use crate::campaign::BaselinePolicy;
use crate::containers::ContainerEngine;
use crate::energy::{WindowFigures, codes, window_figures};
use crate::execution::{Blame, Cause, Event, Figures, Phase, Verdict};
use crate::manifest::{GapNote, WarmupNote};
use crate::store::{Folders, StoreError};
use crate::telemetry::{Recording, Sampler};
use crate::worker::Collected;

/// Steps of the energy counter that are awaited after a window without a baseline behind it.
const EDGES_AFTER: u32 = 4;

/// What ends an attempt before its result.
pub(super) enum Halt {
    /// The user asked for a stop.
    Interrupted,
    /// There is no result. The worker is of no more use unless `keep_worker`.
    Failed { cause: Cause, keep_worker: bool },
    /// The session cannot go on.
    Fatal(RunnerError),
}

impl Halt {
    /// A cause that says nothing against the worker.
    fn keeping(cause: Cause) -> Self {
        Self::Failed {
            cause,
            keep_worker: true,
        }
    }
}

impl From<RunnerError> for Halt {
    fn from(error: RunnerError) -> Self {
        Self::Fatal(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error.into())
    }
}

/// A measured window, not yet stored.
pub(super) struct Measured {
    pub(super) collected: Collected,
    pub(super) record: Record,
    pub(super) figures: WindowFigures,
    pub(super) gap: GapNote,
    pub(super) warmup: Option<WarmupNote>,
    pub(super) recording: Option<Recording>,
    pub(super) idle: Around,
    pub(super) leak: Between,
    /// What somebody else did to the container meanwhile.
    pub(super) disturbed: Option<String>,
}

impl<E: ContainerEngine> Runner<E> {
    /// Makes one attempt at `run`, from its intent to its journaled verdict.
    pub(super) async fn measure(&mut self, run: usize) -> Result<(), RunnerError> {
        let id = self.opened.planned.plan.runs[run].id.clone();
        let attempt = self.opened.state.attempts(run) + 1;
        self.record(Event::AttemptStarted {
            run: id.clone(),
            attempt,
        })?;
        let name = format!("{id}.a{attempt}");
        let outcome = self.attempt(run, &name).await;
        let backend = self.opened.planned.plan.experiment_of(run).backend.clone();
        match outcome {
            Ok(measured) => {
                self.phase(run, Phase::Store);
                let (leak, stranger) = (measured.leak.leak.clone(), measured.leak.stranger.clone());
                let disturbed = measured.disturbed.clone();
                let stored = match self.store(run, attempt, measured) {
                    Ok(stored) => stored,
                    Err(RunnerError::Store(error)) => {
                        return self.give_up(id, attempt, &disk_cause(&error)).await;
                    }
                    Err(error) => return Err(error),
                };
                self.record(Event::AttemptEnded {
                    run: id,
                    attempt,
                    verdict: stored.verdict,
                    result: Some(stored.file),
                    figures: stored.headline,
                    simulated: stored.simulated,
                })?;
                if let Some(leak) = leak {
                    self.make_anew(&backend, &leak).await?;
                } else if let Some(what) = disturbed {
                    let reason = format!("{}: {what}", codes::CONTAINER_DISTURBED);
                    self.drop_container(&backend, &reason).await?;
                }
                stranger.map_or(Ok(()), |cause| self.trip(&cause))
            }
            Err(Halt::Interrupted) => {
                self.record(Event::AttemptInterrupted { run: id, attempt })?;
                self.end_worker(&backend, "a stop was asked for").await
            }
            Err(Halt::Failed { cause, keep_worker }) => {
                let cause = self.or_of_disk(cause);
                if cause.is_of_disk() {
                    return self.give_up(id, attempt, &cause).await;
                }
                let verdict = Verdict::Failed {
                    cause: cause.clone(),
                };
                let figures = Figures::new();
                self.record(Event::AttemptEnded {
                    run: id,
                    attempt,
                    verdict,
                    result: None,
                    figures,
                    simulated: false,
                })?;
                if cause.blame == Blame::Environment && cause.code == "container_lost" {
                    self.drop_container(&backend, &cause.message).await?;
                } else if !keep_worker {
                    self.end_worker(&backend, &cause.to_string()).await?;
                }
                self.trip(&cause)
            }
            Err(Halt::Fatal(RunnerError::Store(error))) => {
                self.give_up(id, attempt, &disk_cause(&error)).await
            }
            Err(Halt::Fatal(error)) => Err(error),
        }
    }

    /// Ends an attempt that a disk has stopped: it has no verdict, and the session ends in order.
    async fn give_up(
        &mut self,
        run: String,
        attempt: u32,
        cause: &Cause,
    ) -> Result<(), RunnerError> {
        let results = self.opened.folders.results();
        // Nothing cites what there is of it, and it stands in the room that the end needs.
        let _ = std::fs::remove_dir_all(results.join(Folders::attempt(&run, attempt)));
        self.record(Event::AttemptInterrupted { run, attempt })?;
        self.trip(cause)
    }

    async fn attempt(&mut self, run: usize, name: &str) -> Result<Measured, Halt> {
        let plan = self.opened.planned.plan.clone();
        let campaign = self.opened.planned.campaign.clone();
        let experiment = plan.experiment_of(run);
        let gap = self.gap(run).await?;
        self.strangers().await.map_err(Halt::keeping)?;
        if let Some(running) = self.containers.get(&experiment.backend) {
            running.live.offer(&experiment.workload)?;
        }
        let work = Work {
            workload: experiment.workload.content.digest.to_string(),
            arrival: experiment.workload.arrival,
            parameters: experiment.request.clone(),
        };
        let began = self.moment();
        let sampler = self.sampler(run).map_err(Halt::keeping)?;
        let warmup = if campaign.warmup.enabled {
            self.phase(run, Phase::Warmup);
            Some(
                self.warm_up(experiment, name, &work, sampler.as_ref())
                    .await?,
            )
        } else {
            None
        };
        let around = sampler.is_some() && campaign.baseline != BaselinePolicy::Off;
        let mut idle = Around::default();
        if around {
            self.phase(run, Phase::Baseline);
            idle.before = Some(self.stay_idle().await?);
            if campaign.warmup.enabled {
                self.phase(run, Phase::Warmup);
                self.warm_again(experiment, name, &work).await?;
            }
        }
        self.phase(run, Phase::Measure);
        let view = sampler.as_ref().map(Sampler::view);
        let (collected, record) = self.window(experiment, name, work, view.clone()).await?;
        let figures = window_figures(&record).ok_or_else(|| Halt::Failed {
            cause: invalid("its window is empty"),
            keep_worker: false,
        })?;
        if around {
            self.phase(run, Phase::Baseline);
            idle.after = Some(self.stay_idle().await?);
        } else if let Some(view) = view {
            // The window's last edge comes after it, and idle power is read off the edges behind that one.
            power::edges(&view, EDGES_AFTER, EDGE_LIMIT).await;
        }
        let recording = sampler.map(Sampler::stop);
        let leak = self.between_runs(run).await;
        let disturbed = self.disturbed(&experiment.backend, began).await;
        Ok(Measured {
            collected,
            record,
            figures,
            gap,
            warmup,
            recording,
            idle,
            leak,
            disturbed,
        })
    }

    /// A sampler for the whole attempt; none where the campaign names no GPU.
    fn sampler(&self, run: usize) -> Result<Option<Sampler>, Cause> {
        let Some(power) = &self.setting.power else {
            return Ok(None);
        };
        let campaign = &self.opened.planned.campaign;
        let workload = &self.opened.planned.plan.experiment_of(run).workload;
        let reading = campaign.energy.reading_seconds;
        power
            .sample(reading.seconds(workload.least_seconds()))
            .map(Some)
    }
}
