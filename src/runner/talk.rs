//! What an attempt says to the worker: one request and its outcome, and the measured window.

use std::time::Duration;

use lem_protocol::{Event as WorkerEvent, Measure, Outcome, Parameters, Record, Request, Work};

use super::attempt::Halt;
use super::engines::{seconds, unexpected};
use super::power::{self, EDGE_LIMIT};
use super::session::Runner;
use super::worker_codes::is_sound_after;
use crate::campaign::{Experiment, Profiler};
use crate::containers::ContainerEngine;
use crate::execution::{Blame, Cause, Notice};
use crate::telemetry::SamplerView;
use crate::worker::{Collected, Expected, Limit, Reply, WorkerError, check, collect, printable};

/// How often watchers are told how far a measurement is, at most; the protocol's own bound.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Steps of the energy counters between `ready` and `go`: the first may still hold work from before, by the sensor's
/// latency.
const EDGES_BEFORE: u32 = 2;

/// Whether a request waits for `go`.
pub(super) enum Go {
    /// It does not.
    Never,
    /// It does, and gets it after a step of the energy counters, where those can be read.
    At(Option<SamplerView>),
}

impl<E: ContainerEngine> Runner<E> {
    /// The measured window: `ready`, `go`, `done`, and the record out of the outbox.
    pub(super) async fn window(
        &mut self,
        experiment: &Experiment,
        name: &str,
        work: Work,
        view: Option<SamplerView>,
    ) -> Result<(Collected, Record), Halt> {
        let workload = &experiment.workload;
        let extra = self
            .opened
            .planned
            .campaign
            .execution
            .timeouts
            .measure_seconds;
        let drain = f64::from(workload.drain_seconds());
        let limit = seconds(workload.least_seconds() + drain + extra);
        let digest = work.workload.clone();
        let request = Request::Measure(Measure {
            work,
            measure: workload.measure,
            profile: self.opened.planned.campaign.execution.profile != Profiler::Off,
        });
        let (outcome, go_ns) = self
            .converse(experiment, name, request, limit, Go::At(view))
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
            arrivals_ns: &workload.content.arrivals_ns,
            chat_template: workload.content.chat_template.as_deref(),
            weights: self.opened.planned.campaign.model.weights(),
            arrival: workload.arrival,
            measure: workload.measure,
            go_ns,
            done_ns,
        };
        let record = check(&collected.bytes, &expected).map_err(broken)?;
        running.live.clear(name);
        Ok((collected, record))
    }
    /// Sends a request and waits for its outcome; answers `ready` with `go`, right after a step of the GPUs'
    /// energy counters, and tells when.
    pub(super) async fn converse(
        &mut self,
        experiment: &Experiment,
        name: &str,
        request: Request,
        limit: Duration,
        go: Go,
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
                    Reply::Done(outcome) if matches!(go, Go::Never) || go_ns > 0 => {
                        return Ok((outcome, go_ns));
                    }
                    Reply::Done(outcome) => return Err(unexpected("measure before go", &outcome)),
                    Reply::Ready if matches!(go, Go::At(_)) && go_ns == 0 => {
                        if let Go::At(Some(view)) = &go {
                            power::edges(view, EDGES_BEFORE, EDGE_LIMIT).await;
                        }
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

    pub(super) async fn failed(&self, experiment: &Experiment, error: &WorkerError) -> Halt {
        let worker_id = self
            .engine
            .as_ref()
            .map(|loaded| loaded.worker_id.as_str())
            .unwrap_or_default();
        let cause = self.explain(&experiment.backend, worker_id, error).await;
        // A worker that refused a config is as good as before; any other is not trusted again.
        let keep_worker = is_sound_after(&cause) && matches!(error, WorkerError::Refused { .. });
        Halt::Failed { cause, keep_worker }
    }
}

pub(super) fn invalid(what: impl Into<String>) -> Cause {
    let what = what.into();
    Cause::new(
        Blame::Worker,
        "record_invalid",
        format!("the worker's record does not hold: {what}"),
    )
}
