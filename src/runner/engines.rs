//! The steps that load and unload an engine: a worker's life.

use std::collections::BTreeSet;
use std::time::Duration;

use lem_protocol::{
    AGENT, Hello, Load, Loaded as LoadedReport, Outcome, PROTOCOL_VERSION, Request, WORKER,
};
use serde_json::Value;

use super::containers::engine_cause;
use super::occupancy::Left;
use super::session::{Halt, Runner};
use super::space::{disk_cause, log_error};
use super::window_notes::load_seconds;
use crate::containers::ContainerEngine;
use crate::execution::{Blame, Cause};
use crate::store::is_folder;
use crate::worker::{LogFile, Worker, WorkerError, printable};

/// How long a worker may take to free everything.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);

/// A worker with a loaded engine.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) worker: Worker,
    pub(super) worker_id: String,
    /// The Engine's id of the exec that it is.
    pub(super) exec: String,
    pub(super) backend: String,
    pub(super) load: usize,
    pub(super) hello: Hello,
    pub(super) report: LoadedReport,
    /// Runs measured on it so far.
    pub(super) runs: u32,
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

impl<E: ContainerEngine> Runner<E> {
    /// Starts a worker and has it load the engine of `load`.
    pub(super) async fn load_engine(&mut self, backend: &str, load: usize) -> Result<Value, Halt> {
        match self.try_load(backend, load).await {
            Ok(detail) => Ok(detail),
            Err(cause) => {
                let reason = cause.to_string();
                if self.container_runs(backend).await {
                    self.end_worker(backend, &reason).await?;
                } else {
                    self.drop_container(backend, &reason).await?;
                }
                Err(cause.into())
            }
        }
    }

    async fn try_load(&mut self, backend: &str, load: usize) -> Result<Value, Cause> {
        let container = self.containers[backend].id.clone();
        self.workers += 1;
        let worker_id = format!("s{}-w{}", self.opened.state.session(), self.workers);
        let argv = [AGENT, "exec", "--id", &worker_id, "--", WORKER].map(str::to_owned);
        let logs = self.opened.folders.logs();
        is_folder(&logs).map_err(|error| disk_cause(&error))?;
        let log = LogFile::create(&logs, &worker_id);
        let log = log.map_err(|error| disk_cause(&log_error(&logs, error)))?;
        let session = self
            .setting
            .engine
            .exec(&container, &argv)
            .await
            .map_err(|error| engine_cause(&error))?;
        let exec = session.id.clone();
        let mut worker = Worker::new(session, Some(log));
        let plan = self.opened.planned.plan.clone();
        let campaign = self.opened.planned.campaign.clone();
        let timeouts = &campaign.execution.timeouts;
        let experiment = &plan.experiments[plan.loads[load].experiment];
        let pinned = &experiment.backend_version;
        let talk = async {
            let hello = match worker
                .ask(None, Request::Hello {}, seconds(timeouts.start_seconds))
                .await?
            {
                Outcome::Hello(hello) => hello,
                other => return Err(unexpected("hello", &other)),
            };
            let strict = campaign.strict_versions.then_some(&**pinned);
            if let Err(cause) = check_hello(backend, &hello, &campaign.gpus, strict) {
                return Ok(Err(cause));
            }
            let request = Load {
                parameters: experiment.engine.clone(),
                model: experiment.model.clone(),
                gpus: campaign.gpus.clone(),
            };
            match worker
                .ask(None, Request::Load(request), seconds(timeouts.load_seconds))
                .await?
            {
                Outcome::Load(report) => Ok(Ok((hello, report))),
                other => Err(unexpected("load", &other)),
            }
        };
        let (hello, report) = tokio::select! {
            () = self.setting.stop.wait() => {
                return Err(Cause::new(Blame::Worker, "interrupted", "a stop was asked for while the engine loaded"));
            }
            talked = talk => match talked {
                Ok(talked) => talked?,
                Err(error) => return Err(self.explain(backend, &worker_id, &error).await),
            },
        };
        let detail = serde_json::json!({
            "worker": worker_id,
            "backend_version": hello.backend_version,
            "model_parameters": report.model_parameters,
            "load_seconds": load_seconds(&report.marks),
        });
        self.note_resident();
        if hello.backend_version != *pinned {
            self.warn(format!(
                "the image's {backend} is of version {}, the catalogue of {pinned}: results are flagged; rebuild the image, or set `strict_versions: true`",
                printable(hello.backend_version.as_bytes())
            ));
        }
        let backend = backend.to_owned();
        self.engine = Some(Loaded {
            worker,
            worker_id,
            exec,
            backend,
            load,
            hello,
            report,
            runs: 0,
        });
        Ok(detail)
    }

    /// Has the worker free everything and end; sweeps what is left.
    pub(super) async fn unload_engine(&mut self, backend: &str) -> Result<Value, Halt> {
        let Some(mut loaded) = self.engine.take() else {
            return Ok(Value::Null);
        };
        let asked = loaded
            .worker
            .ask(None, Request::Shutdown {}, SHUTDOWN_LIMIT)
            .await;
        // The sweep must not overtake the wrapper, which writes the exit record after the worker's end.
        if asked.is_ok() {
            loaded.worker.ended(SHUTDOWN_LIMIT).await;
        }
        drop(loaded);
        let Left { leak, memory } = self.after_worker().await?;
        if let Some(what) = leak {
            self.make_anew(backend, &what).await?;
            return Ok(serde_json::json!({ "leaked": what, "memory": memory }));
        }
        let container = self.containers[backend].id.clone();
        let swept = super::agent::sweep(&self.setting.engine, &container).await;
        match (asked, swept) {
            (Ok(_), Ok(report)) if report.left == 0 => {
                Ok(serde_json::json!({ "swept": report.swept, "memory": memory }))
            }
            (Err(error), Ok(report)) if report.left == 0 => {
                self.warn(format!(
                    "the worker did not end by itself and was killed: {error}"
                ));
                Ok(serde_json::json!({
                    "swept": report.swept,
                    "killed": error.to_string(),
                    "memory": memory,
                }))
            }
            (_, swept) => {
                let what = match swept {
                    Ok(report) => format!("{} processes could not be ended", report.left),
                    Err(error) => error.to_string(),
                };
                self.drop_container(backend, &what).await?;
                Err(Cause::new(Blame::Environment, "unload_failed", what).into())
            }
        }
    }
}

/// Whether the worker is the one that was asked for; known before it loads anything.
/// `pinned` is the only version that it may be of, where the campaign is strict.
fn check_hello(
    backend: &str,
    hello: &Hello,
    gpus: &[String],
    pinned: Option<&str>,
) -> Result<(), Cause> {
    let said = |text: &str| printable(text.as_bytes());
    let wrong = |what: String| Err(Cause::new(Blame::Environment, "worker_is_another", what));
    if hello.protocol_version != PROTOCOL_VERSION {
        return wrong(format!(
            "the image's worker speaks protocol {}, lemctl {PROTOCOL_VERSION}: rebuild it with lemctl images build {backend}",
            hello.protocol_version
        ));
    }
    if hello.backend != backend {
        return wrong(format!(
            "the image's worker is backend {}, not {backend}",
            said(&hello.backend)
        ));
    }
    if let Some(pinned) = pinned.filter(|pinned| hello.backend_version != *pinned) {
        let message = format!(
            "the image's {backend} is of version {}, the catalogue of {pinned}, and `strict_versions` asks for that one",
            said(&hello.backend_version)
        );
        return Err(
            Cause::new(Blame::Environment, "backend_version_differs", message).hint(format!(
                "rebuild the image with lemctl images build {backend}, or choose the catalogue of its version"
            )),
        );
    }
    // A worker lists them in the driver's order; which is first is said with the load.
    let sorted = |uuids: &[String]| uuids.iter().cloned().collect::<BTreeSet<_>>();
    if !gpus.is_empty() && sorted(&hello.gpus) != sorted(gpus) {
        let (seen, asked) = (said(&hello.gpus.join(", ")), gpus.join(", "));
        let message = format!("the worker sees GPUs [{seen}], asked for [{asked}]");
        let cause = Cause::new(Blame::Environment, "worker_is_another", message);
        return Err(cause.hint(
            "compare the campaign's `gpus` with `lemctl gpu list` and with the devices of the backend's Compose file",
        ));
    }
    Ok(())
}

pub(super) fn unexpected(asked: &str, outcome: &Outcome) -> WorkerError {
    WorkerError::Protocol {
        what: format!("answer to {asked} is {outcome:?}")
            .chars()
            .take(200)
            .collect(),
    }
}
