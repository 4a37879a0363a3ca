//! The state of a campaign and its one transition function.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Blame, Cause, Event, Figures, Fingerprint, ResultFile, Verdict};
use crate::plan::{Plan, Step};
use crate::units::Digest;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum RunStatus {
    /// To be measured.
    Due,
    /// An attempt is in progress.
    Running,
    /// A verdict was given.
    Ended {
        /// The verdict.
        verdict: Verdict,
        /// The result file, if there is one.
        result: Option<ResultFile>,
        /// Headline figures.
        figures: Figures,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Interrupted,
    With(Verdict, Option<ResultFile>),
}

/// A run's history.
#[derive(Debug, Clone)]
struct RunState {
    status: RunStatus,
    attempts: Vec<Option<Ended>>,
}

/// A run that an edited campaign no longer has, though it was tried.
#[derive(
    Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// Its id.
    pub run: String,
    /// Hash of its experiment.
    pub experiment_hash: Digest,
    /// How often it was tried.
    pub attempts: usize,
    /// Its last verdict.
    pub verdict: Option<Verdict>,
}

/// An event that cannot follow from the state: a damaged journal or a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot happen here: {why}")]
pub struct IllegalEvent {
    /// The event's name.
    pub event: &'static str,
    /// Why not.
    pub why: String,
}

/// How many runs stand where.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// To be measured, the running one included.
    pub due: usize,
    /// Accepted.
    pub accepted: usize,
    /// Rejected.
    pub rejected: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Absent,
    Started,
    Probed,
}

/// What is known of a backend in this session.
#[derive(Debug, Clone)]
pub(super) struct BackendState {
    pub(super) image: bool,
    pub(super) model: bool,
    pub(super) container: Container,
    pub(super) bare_baseline: bool,
    /// Why nothing more can be done with it in this session.
    pub(super) down: Option<(String, Cause)>,
    pub(super) due: usize,
}

/// The state of a campaign under one plan.
#[derive(Debug)]
pub struct State {
    plan: Arc<Plan>,
    index: HashMap<String, usize>,
    steps: HashMap<String, Step>,
    runs: Vec<RunState>,
    tally: Tally,
    cursor: usize,
    fingerprint: Option<Fingerprint>,
    session: u32,
    in_session: bool,
    running: Option<usize>,
    environment: Option<(Digest, serde_json::Value)>,
    sealed: Option<Digest>,
    previous_seal: Option<Digest>,
    images: BTreeMap<String, serde_json::Value>,
    retired: Vec<Retired>,
    pub(super) backends: HashMap<String, BackendState>,
    pub(super) loaded: Option<usize>,
    pub(super) resident_baseline: bool,
    pub(super) load_failures: HashMap<usize, Cause>,
    /// Engine keys and experiments whose config was refused, with the id that showed it.
    pub(super) refused_keys: HashMap<Digest, (String, Cause)>,
    pub(super) refused: HashMap<usize, (String, Cause)>,
    environment_failures: u32,
    pub(super) breaker: Option<Cause>,
    pub(super) stopping: Option<String>,
}

impl State {
    /// The state before the first event.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        let index = plan
            .runs
            .iter()
            .enumerate()
            .map(|(i, run)| (run.id.clone(), i))
            .collect();
        let steps = plan
            .graph
            .node_weights()
            .filter(|step| !matches!(step, Step::Measure { .. }))
            .map(|step| (plan.step_id(step), step.clone()))
            .collect();
        let runs = vec![
            RunState {
                status: RunStatus::Due,
                attempts: Vec::new()
            };
            plan.runs.len()
        ];
        let mut backends: HashMap<String, BackendState> = HashMap::new();
        for run in &plan.runs {
            let backend = &plan.loads[run.load].backend;
            let state = backends.entry(backend.clone()).or_insert(BackendState {
                image: false,
                model: false,
                container: Container::Absent,
                bare_baseline: false,
                down: None,
                due: 0,
            });
            state.due += 1;
        }
        let tally = Tally {
            due: runs.len(),
            ..Tally::default()
        };
        Self {
            plan,
            index,
            steps,
            runs,
            tally,
            cursor: 0,
            fingerprint: None,
            session: 0,
            in_session: false,
            running: None,
            environment: None,
            sealed: None,
            previous_seal: None,
            images: BTreeMap::new(),
            retired: Vec::new(),
            backends,
            loaded: None,
            resident_baseline: false,
            load_failures: HashMap::new(),
            refused_keys: HashMap::new(),
            refused: HashMap::new(),
            environment_failures: 0,
            breaker: None,
            stopping: None,
        }
    }

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
                self.environment = Some((*environment_hash, environment.clone()));
            }
            Event::ChangesAccepted(fingerprint) => {
                self.require(
                    self.running.is_none(),
                    "changes_accepted",
                    "an attempt is running",
                )?;
                self.require(
                    self.plan.hash() == fingerprint.plan_hash,
                    "changes_accepted",
                    "the state was not moved to the changed plan",
                )?;
                self.fingerprint = Some(fingerprint.clone());
                self.unseal();
            }
            Event::OverrideAccepted { .. } => {}
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
            } => {
                let index = self.attempt("attempt_ended", run, *attempt)?;
                let backed = matches!(verdict, Verdict::Accepted | Verdict::Rejected { .. });
                self.require(
                    backed == result.is_some(),
                    "attempt_ended",
                    "verdict and result do not fit",
                )?;
                self.require(
                    !matches!(verdict, Verdict::Skipped { .. }),
                    "attempt_ended",
                    "an attempt cannot be skipped",
                )?;
                self.running = None;
                let last = self.runs[index].attempts.last_mut();
                *last.expect("attempt() checked that one is open") =
                    Some(Ended::With(verdict.clone(), result.clone()));
                self.judge_environment(verdict);
                if let Verdict::Failed { cause } = verdict
                    && cause.blame == Blame::Config
                {
                    let experiment = self.plan.runs[index].experiment;
                    self.refused
                        .entry(experiment)
                        .or_insert_with(|| (run.clone(), cause.clone()));
                }
                self.settle(index, verdict.clone(), result.clone(), figures.clone());
            }
            Event::AttemptInterrupted { run, attempt } => {
                let index = self.attempt("attempt_interrupted", run, *attempt)?;
                self.interrupt(index);
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
            Event::ResultLost { run, .. } => {
                let index = self.run("result_lost", run)?;
                self.reopen(index);
            }
            Event::RunsReopened { runs } => {
                let indices: Vec<usize> = runs
                    .iter()
                    .map(|run| self.run("runs_reopened", run))
                    .collect::<Result<_, _>>()?;
                for index in indices {
                    self.reopen(index);
                }
                self.unseal();
            }
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
            }
        }
        Ok(())
    }

    /// Moves to the plan of an edited campaign: runs of equal experiment hash and cycle keep what was
    /// done, runs that the new plan lacks are retired. Followed by [`Event::ChangesAccepted`].
    #[must_use]
    pub fn migrate(mut self, plan: Arc<Plan>) -> Self {
        let mut next = Self::new(plan.clone());
        if let Some(open) = self.running {
            self.interrupt(open);
        }
        let places: HashMap<(Digest, u32), usize> = plan
            .runs
            .iter()
            .enumerate()
            .map(|(index, run)| ((plan.experiments[run.experiment].hash, run.cycle), index))
            .collect();
        next.retired = std::mem::take(&mut self.retired);
        for (old, state) in self.runs.into_iter().enumerate() {
            let run = &self.plan.runs[old];
            let experiment = &self.plan.experiments[run.experiment];
            match places.get(&(experiment.hash, run.cycle)) {
                Some(&index) => {
                    next.runs[index].attempts = state.attempts;
                    if let RunStatus::Ended {
                        verdict,
                        result,
                        figures,
                    } = state.status
                    {
                        next.settle(index, verdict, result, figures);
                    }
                }
                None if !state.attempts.is_empty() => next.retired.push(Retired {
                    run: run.id.clone(),
                    experiment_hash: experiment.hash,
                    attempts: state.attempts.len(),
                    verdict: match state.status {
                        RunStatus::Ended { verdict, .. } => Some(verdict),
                        RunStatus::Due | RunStatus::Running => None,
                    },
                }),
                None => {}
            }
        }
        next.fingerprint = self.fingerprint;
        next.session = self.session;
        next.in_session = self.in_session;
        next.environment = self.environment;
        next.sealed = self.sealed;
        next.previous_seal = self.previous_seal;
        next.images = self.images;
        next
    }

    fn require(&self, holds: bool, event: &'static str, why: &str) -> Result<(), IllegalEvent> {
        if holds {
            Ok(())
        } else {
            Err(IllegalEvent {
                event,
                why: why.to_owned(),
            })
        }
    }

    fn in_session(&self, event: &'static str) -> Result<(), IllegalEvent> {
        self.require(self.in_session, event, "no session is open")
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

    fn start_session(&mut self, session: u32) {
        if let Some(index) = self.running {
            self.interrupt(index);
        }
        self.session = session;
        self.in_session = true;
        self.loaded = None;
        self.resident_baseline = false;
        self.load_failures.clear();
        self.environment_failures = 0;
        self.breaker = None;
        self.stopping = None;
        for backend in self.backends.values_mut() {
            backend.container = Container::Absent;
            backend.bare_baseline = false;
            backend.down = None;
        }
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
        self.runs[index].status = RunStatus::Running;
        self.runs[index].attempts.push(None);
        self.running = Some(index);
        Ok(())
    }

    fn interrupt(&mut self, index: usize) {
        self.running = None;
        self.runs[index].status = RunStatus::Due;
        if let Some(last) = self.runs[index].attempts.last_mut() {
            *last = Some(Ended::Interrupted);
        }
    }

    fn settle(
        &mut self,
        index: usize,
        verdict: Verdict,
        result: Option<ResultFile>,
        figures: Figures,
    ) {
        self.tally.due -= 1;
        *self.counter(&verdict) += 1;
        self.backend_of(index).due -= 1;
        self.runs[index].status = RunStatus::Ended {
            verdict,
            result,
            figures,
        };
    }

    fn reopen(&mut self, index: usize) {
        if let RunStatus::Ended { verdict, .. } =
            std::mem::replace(&mut self.runs[index].status, RunStatus::Due)
        {
            *self.counter(&verdict) -= 1;
            self.tally.due += 1;
            self.backend_of(index).due += 1;
            self.cursor = self.cursor.min(index);
            self.refused.remove(&self.plan.runs[index].experiment);
            let key = self.plan.experiment_of(index).engine_key;
            self.refused_keys.remove(&key);
        }
    }

    fn unseal(&mut self) {
        if let Some(seal) = self.sealed.take() {
            self.previous_seal = Some(seal);
        }
    }

    fn counter(&mut self, verdict: &Verdict) -> &mut usize {
        match verdict {
            Verdict::Accepted => &mut self.tally.accepted,
            Verdict::Rejected { .. } => &mut self.tally.rejected,
            Verdict::Failed { .. } => &mut self.tally.failed,
            Verdict::Skipped { .. } => &mut self.tally.skipped,
        }
    }

    fn backend_of(&mut self, index: usize) -> &mut BackendState {
        let backend = &self.plan.loads[self.plan.runs[index].load].backend;
        self.backends
            .get_mut(backend)
            .expect("new() entered the backend of every run")
    }

    fn backend(&mut self, backend: &str) -> &mut BackendState {
        self.backends
            .get_mut(backend)
            .expect("the plan's steps name only backends of its runs")
    }

    fn step_done(&mut self, step: &Step, detail: &serde_json::Value) {
        match step {
            Step::EnsureImage { backend } => {
                self.backend(backend).image = true;
                self.images.insert(backend.clone(), detail.clone());
            }
            Step::EnsureModel { backend } => self.backend(backend).model = true,
            Step::StartContainer { backend } => {
                self.backend(backend).container = Container::Started
            }
            Step::ProbeContainer { backend } => self.backend(backend).container = Container::Probed,
            Step::Baseline {
                backend,
                load: None,
                ..
            } => self.backend(backend).bare_baseline = true,
            Step::Baseline { load: Some(_), .. } => self.resident_baseline = true,
            Step::LoadEngine { load, .. } => {
                self.loaded = Some(*load);
                self.resident_baseline = false;
            }
            Step::UnloadEngine { .. } => {
                self.loaded = None;
                self.resident_baseline = false;
            }
            Step::StopContainer { backend } => self.lose_container(backend),
            Step::Measure { .. } => {}
        }
    }

    fn step_failed(&mut self, step: &Step, id: &str, cause: &Cause) {
        if cause.blame == Blame::Environment {
            self.environment_failures += 1;
        }
        match step {
            Step::EnsureImage { backend }
            | Step::EnsureModel { backend }
            | Step::StartContainer { backend }
            | Step::ProbeContainer { backend }
            | Step::Baseline {
                backend,
                load: None,
                ..
            } => {
                self.backend(backend).down = Some((id.to_owned(), cause.clone()));
            }
            Step::Baseline {
                load: Some(load), ..
            } => {
                self.load_failures.insert(*load, cause.clone());
            }
            Step::LoadEngine { load, .. } => match cause.blame {
                Blame::Config => {
                    let key = self.plan.loads[*load].engine_key;
                    self.refused_keys
                        .entry(key)
                        .or_insert_with(|| (id.to_owned(), cause.clone()));
                }
                Blame::Worker => {
                    self.load_failures.insert(*load, cause.clone());
                }
                // The container is observed anew and the load tried again, until the breaker opens.
                Blame::Environment => {}
            },
            // What could not be ended in order is ended with its container.
            Step::UnloadEngine { backend, .. } | Step::StopContainer { backend } => {
                self.lose_container(backend);
            }
            Step::Measure { .. } => {}
        }
    }

    fn lose_container(&mut self, backend: &str) {
        if let Some(state) = self.backends.get_mut(backend) {
            state.container = Container::Absent;
            state.bare_baseline = false;
        }
        self.lose_worker(backend);
    }

    fn lose_worker(&mut self, backend: &str) {
        if self
            .loaded
            .is_some_and(|load| self.plan.loads[load].backend == backend)
        {
            self.loaded = None;
            self.resident_baseline = false;
        }
    }

    fn judge_environment(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Failed { cause } if cause.blame == Blame::Environment => {
                self.environment_failures += 1
            }
            Verdict::Accepted | Verdict::Rejected { .. } => self.environment_failures = 0,
            _ => {}
        }
    }
}

/// Questions to the state.
impl State {
    /// The plan it is about.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where a run stands.
    #[must_use]
    pub fn status(&self, run: usize) -> &RunStatus {
        &self.runs[run].status
    }

    /// Whether the plan has a step of this id.
    #[must_use]
    pub fn has_step(&self, id: &str) -> bool {
        self.steps.contains_key(id)
    }

    /// Index of a run by its id.
    #[must_use]
    pub fn run_index(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// Attempts at a run so far.
    #[must_use]
    pub fn attempts(&self, run: usize) -> u32 {
        u32::try_from(self.runs[run].attempts.len()).unwrap_or(u32::MAX)
    }

    /// How each attempt ended: its verdict, or none if it was interrupted or is running.
    pub fn history(
        &self,
        run: usize,
    ) -> impl Iterator<Item = Option<(&Verdict, Option<&ResultFile>)>> {
        self.runs[run].attempts.iter().map(|ended| match ended {
            Some(Ended::With(verdict, result)) => Some((verdict, result.as_ref())),
            Some(Ended::Interrupted) | None => None,
        })
    }

    /// How many runs stand where.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The run whose attempt is open.
    #[must_use]
    pub fn running(&self) -> Option<usize> {
        self.running
    }

    /// The campaign's fingerprint as last accepted.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }

    /// Number of the latest session; 0 before the first.
    #[must_use]
    pub fn session(&self) -> u32 {
        self.session
    }

    /// Whether a session began and did not end in order.
    #[must_use]
    pub fn session_open(&self) -> bool {
        self.in_session
    }

    /// Hash and content of the latest session's environment.
    #[must_use]
    pub fn environment(&self) -> Option<&(Digest, serde_json::Value)> {
        self.environment.as_ref()
    }

    /// Image identities by backend, as `EnsureImage` found them.
    #[must_use]
    pub fn images(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.images
    }

    /// Runs that edits of the campaign retired.
    #[must_use]
    pub fn retired(&self) -> &[Retired] {
        &self.retired
    }

    /// SHA-256 of the manifest, if sealed.
    #[must_use]
    pub fn sealed(&self) -> Option<Digest> {
        self.sealed
    }

    /// SHA-256 of the manifest that an earlier seal wrote, if it was reopened.
    #[must_use]
    pub fn previous_seal(&self) -> Option<Digest> {
        self.previous_seal
    }

    /// Environment failures since the last result.
    #[must_use]
    pub fn environment_failures(&self) -> u32 {
        self.environment_failures
    }

    /// Why the breaker opened in this session, if it did.
    #[must_use]
    pub fn breaker(&self) -> Option<&Cause> {
        self.breaker.as_ref()
    }

    /// Why the session is to end early, if it is.
    #[must_use]
    pub fn stopping(&self) -> Option<&str> {
        self.stopping.as_deref()
    }

    /// The load whose engine is loaded.
    #[must_use]
    pub fn loaded(&self) -> Option<usize> {
        self.loaded
    }

    /// The next run that is due. Constant time on average: the cursor only goes back when a run is
    /// reopened.
    pub(super) fn next_due(&mut self) -> Option<usize> {
        while self.cursor < self.runs.len() {
            if self.runs[self.cursor].status == RunStatus::Due {
                return Some(self.cursor);
            }
            self.cursor += 1;
        }
        None
    }
}
