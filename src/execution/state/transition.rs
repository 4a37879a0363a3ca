//! The one transition function: which event may follow, and what it changes. Used live and on replay.

use std::sync::Arc;

use super::{Ended, Made, RunStatus, State};
use crate::execution::{Because, Blame, Event, Figures, ResultFile, Verdict};
use crate::plan::Step;
use crate::units::Digest;

/// An event that cannot follow from the state: a damaged journal or a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot happen here: {why}")]
pub struct IllegalEvent {
    /// The event's name.
    pub event: &'static str,
    /// Why not.
    pub why: String,
}

impl State {
    /// Moves the state on by what happened.
    ///
    /// # Errors
    /// [`IllegalEvent`] when it cannot have happened; the state is then unchanged.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        match event {
            Event::CampaignCreated(fingerprint) => {
                self.require(
                    self.fingerprint.is_none(),
                    "campaign_created",
                    "it was created before",
                )?;
                self.fingerprint = Some(fingerprint.clone());
            }
            Event::SessionStarted {
                session,
                environment_hash,
                environment,
                ..
            } => {
                self.require(
                    self.fingerprint.is_some(),
                    "session_started",
                    "no campaign was created",
                )?;
                self.require(
                    *session == self.session + 1,
                    "session_started",
                    &format!("session {session} after session {}", self.session),
                )?;
                self.start_session(*session);
                self.gpus = gpus(environment);
                self.environment = Some((*environment_hash, environment.clone()));
            }
            Event::ChangesAccepted(fingerprint) => {
                self.require(
                    self.running.is_none(),
                    "changes_accepted",
                    "an attempt is running",
                )?;
                self.require(
                    self.plan.begun_hash() == fingerprint.plan_hash,
                    "changes_accepted",
                    "the state was not moved to the changed plan",
                )?;
                self.fingerprint = Some(fingerprint.clone());
                self.unseal();
            }
            Event::OverrideAccepted { differences } => self.take_override(differences),
            Event::StepStarted { step } => {
                self.in_session("step_started")?;
                self.step("step_started", step)?;
            }
            Event::StepDone { step, detail } => {
                self.in_session("step_done")?;
                let step = self.step("step_done", step)?.clone();
                self.step_done(&step, detail);
            }
            Event::StepFailed { step: id, cause } => {
                self.in_session("step_failed")?;
                let step = self.step("step_failed", id)?.clone();
                self.step_failed(&step, id, cause);
            }
            Event::ContainerLost { backend, .. } => {
                self.in_session("container_lost")?;
                self.lose_container(backend);
            }
            Event::WorkerLost { backend, .. } => {
                self.in_session("worker_lost")?;
                self.lose_worker(backend);
            }
            Event::AttemptStarted { run, attempt } => self.attempt_started(run, *attempt)?,
            Event::AttemptEnded {
                run,
                attempt,
                verdict,
                result,
                figures,
                simulated,
            } => {
                let index = self.attempt("attempt_ended", run, *attempt)?;
                let backed = matches!(verdict, Verdict::Accepted | Verdict::Rejected { .. });
                self.require(
                    backed == result.is_some(),
                    "attempt_ended",
                    "verdict and result do not fit",
                )?;
                self.require(
                    result.as_ref().is_none_or(ResultFile::is_below),
                    "attempt_ended",
                    "its result lies elsewhere",
                )?;
                self.require(
                    !matches!(verdict, Verdict::Skipped { .. }),
                    "attempt_ended",
                    "an attempt cannot be skipped",
                )?;
                self.running = None;
                self.runs[index].end(Ended::With(verdict.clone(), result.clone()));
                self.used = true;
                self.judge_environment(verdict);
                if let Verdict::Failed { cause } = verdict
                    && cause.blame == Blame::Config
                {
                    let experiment = self.plan.experiment_of(index).hash;
                    self.refused
                        .entry(experiment)
                        .or_insert_with(|| (run.clone(), cause.clone()));
                }
                self.settle(index, verdict.clone(), result.clone(), figures.clone());
                self.runs[index].made = result.is_some().then(|| Made {
                    session: self.session,
                    engine_load: self.engine_loads,
                    gpus: self.gpus.clone(),
                    simulated: *simulated,
                });
                self.wish_again(index);
                self.wish_to_ask(index);
            }
            Event::AttemptInterrupted { run, attempt } => {
                let index = self.attempt("attempt_interrupted", run, *attempt)?;
                self.interrupt(index);
            }
            Event::QualityAssessed {
                experiment,
                assessed,
            } => {
                self.in_session("quality_assessed")?;
                self.require(
                    self.plans(experiment),
                    "quality_assessed",
                    "the plan has no such experiment",
                )?;
                self.require(
                    assessed.file.as_ref().is_none_or(ResultFile::is_below),
                    "quality_assessed",
                    "its file lies elsewhere",
                )?;
                self.quality.insert(*experiment, assessed.clone());
                self.asked(experiment);
            }
            Event::ScoresAttached { experiment, scores } => {
                self.require(
                    self.running.is_none(),
                    "scores_attached",
                    "an attempt is running",
                )?;
                self.require(
                    self.plans(experiment),
                    "scores_attached",
                    "the plan has no such experiment",
                )?;
                self.scores
                    .entry(*experiment)
                    .or_default()
                    .push(scores.clone());
                self.unseal();
            }
            Event::RunSkipped { run, cause } => {
                self.in_session("run_skipped")?;
                let index = self.run("run_skipped", run)?;
                self.require(
                    self.runs[index].status == RunStatus::Due,
                    "run_skipped",
                    &format!("{run} is not due"),
                )?;
                self.settle(
                    index,
                    Verdict::Skipped {
                        cause: cause.clone(),
                    },
                    None,
                    Figures::new(),
                );
            }
            Event::ResultLost { run, attempt, .. } => {
                match self.index.get(run).copied() {
                    Some(index) => {
                        self.require(
                            self.running != Some(index),
                            "result_lost",
                            "the run is being measured",
                        )?;
                        self.lose_result(index, *attempt)?;
                    }
                    None => self.lose_retired(run, *attempt)?,
                }
                self.unseal();
            }
            Event::RunsReopened { runs } => {
                let indices: Vec<usize> = runs
                    .iter()
                    .map(|run| self.run("runs_reopened", run))
                    .collect::<Result<_, _>>()?;
                let ended =
                    |index: &usize| matches!(self.runs[*index].status, RunStatus::Ended { .. });
                self.require(
                    indices.iter().all(ended),
                    "runs_reopened",
                    "a run among them has no verdict",
                )?;
                for index in indices {
                    self.reopen(index);
                    self.runs[index].because = Some(Because::Reopened);
                }
                self.unseal();
            }
            Event::RunRetried {
                run,
                attempt,
                reason,
                gap_seconds,
            } => {
                self.in_session("run_retried")?;
                let index = self.run("run_retried", run)?;
                let state = &self.runs[index];
                let failed = matches!(
                    &state.status,
                    RunStatus::Ended {
                        verdict: Verdict::Rejected { .. } | Verdict::Failed { .. },
                        ..
                    }
                );
                self.require(
                    failed && state.attempts.len() == *attempt as usize,
                    "run_retried",
                    &format!(
                        "attempt {attempt} at {run} is no last one that was rejected or failed"
                    ),
                )?;
                self.retry(index, reason.clone(), *gap_seconds);
            }
            Event::CycleAdded {
                cycle, plan_hash, ..
            } => self.add_cycle(*cycle, *plan_hash)?,
            Event::BreakerOpened { cause } => {
                self.in_session("breaker_opened")?;
                self.breaker = Some(cause.clone());
            }
            Event::StopRequested { reason } => {
                self.in_session("stop_requested")?;
                self.stopping = Some(reason.clone());
            }
            Event::SessionEnded {} => {
                self.in_session("session_ended")?;
                self.require(
                    self.running.is_none(),
                    "session_ended",
                    "an attempt is running",
                )?;
                self.in_session = false;
            }
            Event::Sealed { manifest_sha256 } => {
                self.require(!self.in_session, "sealed", "the session has not ended")?;
                self.require(self.tally.due == 0, "sealed", "runs are due")?;
                self.sealed = Some(*manifest_sha256);
                self.wish_nothing();
            }
        }
        Ok(())
    }

    pub(super) fn require(
        &self,
        holds: bool,
        event: &'static str,
        why: &str,
    ) -> Result<(), IllegalEvent> {
        if holds {
            Ok(())
        } else {
            Err(IllegalEvent {
                event,
                why: why.to_owned(),
            })
        }
    }

    pub(super) fn in_session(&self, event: &'static str) -> Result<(), IllegalEvent> {
        self.require(self.in_session, event, "no session is open")
    }

    fn plans(&self, experiment: &Digest) -> bool {
        let mut planned = self.plan.experiments.iter();
        planned.any(|planned| planned.hash == *experiment)
    }

    fn run(&self, event: &'static str, id: &str) -> Result<usize, IllegalEvent> {
        self.index.get(id).copied().ok_or_else(|| IllegalEvent {
            event,
            why: format!("the plan has no run {id}"),
        })
    }

    fn step(&self, event: &'static str, id: &str) -> Result<&Step, IllegalEvent> {
        self.steps.get(id).ok_or_else(|| IllegalEvent {
            event,
            why: format!("the plan has no step {id}"),
        })
    }

    /// The run whose open attempt this is.
    fn attempt(&self, event: &'static str, id: &str, attempt: u32) -> Result<usize, IllegalEvent> {
        let index = self.run(event, id)?;
        self.require(
            self.running == Some(index) && self.runs[index].attempts.len() == attempt as usize,
            event,
            &format!("attempt {attempt} at {id} is not running"),
        )?;
        Ok(index)
    }

    fn attempt_started(&mut self, run: &str, attempt: u32) -> Result<(), IllegalEvent> {
        self.in_session("attempt_started")?;
        let index = self.run("attempt_started", run)?;
        let state = &self.runs[index];
        self.require(
            self.running.is_none()
                && state.status == RunStatus::Due
                && state.attempts.len() + 1 == attempt as usize,
            "attempt_started",
            &format!("attempt {attempt} at {run} is not the next"),
        )?;
        self.runs[index].begin(run);
        self.running = Some(index);
        Ok(())
    }
}

/// UUIDs of the GPUs in a session's environment.
fn gpus(environment: &serde_json::Value) -> Arc<[String]> {
    let list = environment.get("gpus").and_then(|gpus| gpus.as_array());
    let names = list.into_iter().flatten().filter_map(|gpu| gpu.as_str());
    names.map(str::to_owned).collect()
}
