//! One attempt at a run: gap, warm-up, measurement.

use std::time::Duration;

use lem_protocol::{Event as WorkerEvent, Measure, Outcome, Parameters, Record, Request, Work};

use super::RunnerError;
use super::engines::{seconds, unexpected};
use super::session::Runner;
use crate::campaign::Experiment;
use crate::containers::ContainerEngine;
use crate::energy::{Convergence, Iteration, WindowFigures, window_figures};
use crate::execution::{Blame, Cause, Event, Figures, Notice, Phase, Verdict};
use crate::manifest::WarmupNote;
use crate::store::StoreError;
use crate::worker::{Collected, Expected, Limit, Reply, WorkerError, check, collect, printable};

/// Most iterations of one warm-up: all of them stand in the result.
const MAX_ITERATIONS: usize = 10_000;

/// How often watchers are told how far a measurement is, at most; the protocol's own bound.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What ends an attempt before its result.
enum Halt {
    /// The user asked for a stop.
    Interrupted,
    /// There is no result. The worker is of no more use unless `keep_worker`.
    Failed { cause: Cause, keep_worker: bool },
    /// The session cannot go on.
    Fatal(RunnerError),
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
    pub(super) gap_seconds: f64,
    pub(super) warmup: Option<WarmupNote>,
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
                let (verdict, result, figures) = self.store(run, attempt, measured)?;
                self.record(Event::AttemptEnded {
                    run: id,
                    attempt,
                    verdict,
                    result: Some(result),
                    figures,
                    simulated: false,
                })
            }
            Err(Halt::Interrupted) => {
                self.record(Event::AttemptInterrupted { run: id, attempt })?;
                self.end_worker(&backend, "a stop was asked for").await
            }
            Err(Halt::Failed { cause, keep_worker }) => {
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
            Err(Halt::Fatal(error)) => Err(error),
        }
    }

    async fn attempt(&mut self, run: usize, name: &str) -> Result<Measured, Halt> {
        let plan = self.opened.planned.plan.clone();
        let experiment = plan.experiment_of(run);
        let gap_seconds = plan.runs[run].gap_seconds;
        if gap_seconds > 0.0 {
            self.phase(run, Phase::Gap);
            self.gap(gap_seconds).await?;
        }
        if let Some(running) = self.containers.get(&experiment.backend) {
            running.live.offer(&experiment.workload)?;
        }
        let work = Work {
            workload: experiment.workload.content.digest.to_string(),
            arrival: experiment.workload.arrival,
            parameters: experiment.request.clone(),
        };
        let warmup = if self.opened.planned.campaign.warmup.enabled {
            self.phase(run, Phase::Warmup);
            Some(self.warm_up(experiment, name, &work).await?)
        } else {
            None
        };
        self.phase(run, Phase::Measure);
        let (collected, record) = self.window(experiment, name, work).await?;
        let figures = window_figures(&record).ok_or_else(|| Halt::Failed {
            cause: invalid("its window is empty"),
            keep_worker: false,
        })?;
        Ok(Measured {
            collected,
            record,
            figures,
            gap_seconds,
            warmup,
        })
    }

    /// Waits, telling how long is left.
    async fn gap(&mut self, length: f64) -> Result<(), Halt> {
        let end = tokio::time::Instant::now() + seconds(length);
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.tell(&Notice::GapLeft {
                seconds: left.as_secs_f64(),
            });
            tokio::select! {
                () = self.setting.stop.wait() => return Err(Halt::Interrupted),
                () = tokio::time::sleep(left.min(Duration::from_secs(1))) => {}
            }
        }
    }

    async fn warm_up(
        &mut self,
        experiment: &Experiment,
        name: &str,
        work: &Work,
    ) -> Result<WarmupNote, Halt> {
        let campaign = self.opened.planned.campaign.clone();
        let policy = &campaign.warmup;
        let rule = policy.rule();
        let limit = seconds(campaign.execution.timeouts.warmup_seconds);
        // By lemctl's own clock: what the worker says of its time must not keep it warming for ever.
        let cap = Limit::from_now(seconds(policy.max_seconds));
        let mut series = Vec::new();
        loop {
            let outcome = self
                .converse(
                    experiment,
                    name,
                    Request::Warmup(work.clone()),
                    limit,
                    false,
                )
                .await?
                .0;
            let Outcome::Warmup {
                output_tokens,
                elapsed_ns,
            } = outcome
            else {
                return Err(self
                    .failed(experiment, &unexpected("warmup", &outcome))
                    .await);
            };
            series.push(Iteration {
                output_tokens,
                elapsed_ns,
            });
            match rule.judge(&series, None) {
                Convergence::NotYet if cap.has_passed() || series.len() >= MAX_ITERATIONS => {
                    return Ok(WarmupNote {
                        ended: Convergence::Capped,
                        series,
                    });
                }
                Convergence::NotYet => {}
                ended => return Ok(WarmupNote { ended, series }),
            }
        }
    }

    /// The measured window: `ready`, `go`, `done`, and the record out of the outbox.
    async fn window(
        &mut self,
        experiment: &Experiment,
        name: &str,
        work: Work,
    ) -> Result<(Collected, Record), Halt> {
        let workload = &experiment.workload;
        let extra = self
            .opened
            .planned
            .campaign
            .execution
            .timeouts
            .measure_seconds;
        let limit = seconds(workload.measure.min_seconds + extra);
        let digest = work.workload.clone();
        let request = Request::Measure(Measure {
            work,
            measure: workload.measure,
        });
        let (outcome, go_ns) = self
            .converse(experiment, name, request, limit, true)
            .await?;
        let done_ns = self.setting.clock.monotonic_ns();
        let Outcome::Measure { sha256, .. } = outcome else {
            return Err(self
                .failed(experiment, &unexpected("measure", &outcome))
                .await);
        };
        let broken = |what: String| Halt::Failed {
            cause: invalid(what),
            keep_worker: false,
        };
        let Some(running) = self.containers.get(&experiment.backend) else {
            return Err(broken("its container is gone".to_owned()));
        };
        let collected =
            collect(&running.live.outbox, name).map_err(|error| broken(error.to_string()))?;
        if collected.sha256.to_string() != sha256 {
            return Err(broken(format!(
                "its SHA-256 is {}, the worker said {}",
                collected.sha256,
                printable(sha256.as_bytes())
            )));
        }
        let requested: Parameters = experiment
            .engine
            .iter()
            .chain(&experiment.request)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let expected = Expected {
            attempt: name,
            backend: &experiment.backend,
            requested: &requested,
            workload: &digest,
            lengths: &workload.content.lengths,
            arrival: workload.arrival,
            measure: workload.measure,
            go_ns,
            done_ns,
        };
        let record = check(&collected.bytes, &expected).map_err(broken)?;
        running.live.clear(name);
        Ok((collected, record))
    }

    /// Sends a request and waits for its outcome; answers `ready` with `go` and tells when.
    async fn converse(
        &mut self,
        experiment: &Experiment,
        name: &str,
        request: Request,
        limit: Duration,
        with_go: bool,
    ) -> Result<(Outcome, u64), Halt> {
        let Some(loaded) = &mut self.engine else {
            let cause = Cause::new(Blame::Worker, "worker_gone", "there is no worker");
            return Err(Halt::Failed {
                cause,
                keep_worker: false,
            });
        };
        let setting = &mut self.setting;
        let (state, plan) = (&self.opened.state, &self.opened.planned.plan);
        let clock = setting.clock.clone();
        let sinks = &mut setting.sinks;
        let mut told: Option<tokio::time::Instant> = None;
        let mut watch = |event: &WorkerEvent| {
            let now = tokio::time::Instant::now();
            let early = told.is_some_and(|told| now < told + PROGRESS_EVERY);
            if let WorkerEvent::Progress { completed_requests } = event
                && !early
            {
                told = Some(now);
                let notice = Notice::Measured {
                    completed_requests: *completed_requests,
                };
                for sink in sinks.iter_mut() {
                    sink.notice(plan, state, &notice);
                }
            }
        };
        let limit = Limit::from_now(limit);
        let talk = async {
            let mut go_ns = 0;
            let id = loaded.worker.send(Some(name), request).await?;
            loop {
                match loaded.worker.wait(id, limit, &mut watch).await? {
                    Reply::Done(outcome) if !with_go || go_ns > 0 => return Ok((outcome, go_ns)),
                    Reply::Done(outcome) => return Err(unexpected("measure before go", &outcome)),
                    Reply::Ready if with_go && go_ns == 0 => {
                        go_ns = clock.monotonic_ns();
                        loaded.worker.send(Some(name), Request::Go {}).await?;
                    }
                    Reply::Ready => {
                        return Err(WorkerError::Protocol {
                            what: "`ready` where none belongs".to_owned(),
                        });
                    }
                }
            }
        };
        let talked = tokio::select! {
            () = setting.stop.wait() => return Err(Halt::Interrupted),
            talked = talk => talked,
        };
        match talked {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.failed(experiment, &error).await),
        }
    }

    async fn failed(&self, experiment: &Experiment, error: &WorkerError) -> Halt {
        let worker_id = self
            .engine
            .as_ref()
            .map(|loaded| loaded.worker_id.as_str())
            .unwrap_or_default();
        let cause = self.explain(&experiment.backend, worker_id, error).await;
        // A worker that refused a config is as good as before; any other is not trusted again.
        let keep_worker =
            cause.blame == Blame::Config && matches!(error, WorkerError::Refused { .. });
        Halt::Failed { cause, keep_worker }
    }
}

fn invalid(what: impl Into<String>) -> Cause {
    let what = what.into();
    Cause::new(
        Blame::Worker,
        "record_invalid",
        format!("the worker's record does not hold: {what}"),
    )
}
