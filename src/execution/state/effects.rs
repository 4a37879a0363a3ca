//! What events do to the state, once the transition has found that they may happen.

use super::{BackendState, Container, Ended, IllegalEvent, RunStatus, State};
use crate::execution::retry::again;
use crate::execution::{Because, Blame, Cause, Figures, Reason, ResultFile, Verdict};
use crate::plan::Step;

/// What a difference of the model's files begins with, where the user lets it pass.
pub const MODEL_DIFFERENCE: &str = "model.";

impl State {
    pub(super) fn start_session(&mut self, session: u32) {
        if let Some(index) = self.running {
            self.interrupt(index);
        }
        self.session = session;
        self.in_session = true;
        self.loaded = None;
        self.used = false;
        self.resident_baseline = false;
        self.load_failures.clear();
        self.environment_failures = 0;
        self.breaker = None;
        self.stopping = None;
        for backend in self.backends.values_mut() {
            // Its files may have been removed since: they are looked at again, which is quick when they are there.
            backend.model = false;
            backend.container = Container::Absent;
            backend.bare_baseline = false;
            backend.down = None;
        }
    }

    pub(super) fn interrupt(&mut self, index: usize) {
        self.running = None;
        self.runs[index].status = RunStatus::Due;
        self.runs[index].end(Ended::Interrupted);
        self.runs[index].because = Some(Because::Interrupted);
    }

    pub(super) fn settle(
        &mut self,
        index: usize,
        verdict: Verdict,
        result: Option<ResultFile>,
        figures: Figures,
    ) {
        self.tally.due -= 1;
        *self.counter(&verdict) += 1;
        self.backend_of(index).due -= 1;
        self.runs[index].because = None;
        self.runs[index].gap_seconds = None;
        self.runs[index].status = RunStatus::Ended {
            verdict,
            result,
            figures,
        };
    }

    /// Makes a run that ended due again, by somebody's wish: what was refused may be tried, and lemctl may try it
    /// again by itself as often as at first.
    pub(super) fn reopen(&mut self, index: usize) {
        if self.make_due(index) {
            self.runs[index].retries = 0;
            let experiment = self.plan.experiment_of(index).hash;
            self.refused.remove(&experiment);
            let key = self.plan.experiment_of(index).engine_key;
            self.refused_keys.remove(&key);
        }
    }

    fn make_due(&mut self, index: usize) -> bool {
        let RunStatus::Ended { verdict, .. } =
            std::mem::replace(&mut self.runs[index].status, RunStatus::Due)
        else {
            return false;
        };
        self.runs[index].made = None;
        self.runs[index].again = false;
        self.again.remove(&index);
        self.stand_no_more(index);
        *self.counter(&verdict) -= 1;
        self.tally.due += 1;
        self.backend_of(index).due += 1;
        self.cursor = self.cursor.min(index);
        true
    }

    /// A run ended: if that is no last word and tries are left, lemctl is to try it again.
    pub(super) fn wish_again(&mut self, index: usize) {
        let policy = self.plan.execution().retries;
        let run = &mut self.runs[index];
        let RunStatus::Ended { verdict, .. } = &run.status else {
            return;
        };
        run.again = run.retries < policy.max && again(verdict, &policy).is_some();
        if run.again {
            self.again.insert(index);
        }
    }

    /// lemctl tries a run again by itself.
    pub(super) fn retry(&mut self, index: usize, reason: Reason, gap_seconds: Option<f64>) {
        if self.make_due(index) {
            let run = &mut self.runs[index];
            run.retries += 1;
            run.because = Some(Because::Retried { reason });
            run.gap_seconds = gap_seconds;
        }
    }

    /// What was sealed stands until somebody asks for more.
    pub(super) fn wish_nothing(&mut self) {
        for index in std::mem::take(&mut self.again) {
            self.runs[index].again = false;
        }
    }

    /// Forgets the result of an attempt; if it is the one that stands, the run is due again.
    pub(super) fn lose_result(&mut self, index: usize, attempt: u32) -> Result<(), IllegalEvent> {
        if self.runs[index].lose(attempt)? {
            self.reopen(index);
            self.runs[index].because = Some(Because::ResultLost);
        }
        Ok(())
    }

    /// The same for a run that an edit retired: it would be due if another edit brought it back.
    pub(super) fn lose_retired(&mut self, run: &str, attempt: u32) -> Result<(), IllegalEvent> {
        let mut retired = self.retired.values_mut();
        let Some((_, state)) = retired.find(|(id, _)| id == run) else {
            return Err(IllegalEvent {
                event: "result_lost",
                why: format!("there is no run {run}"),
            });
        };
        if state.lose(attempt)? {
            state.status = RunStatus::Due;
            state.made = None;
            state.again = false;
            state.because = Some(Because::ResultLost);
        }
        Ok(())
    }

    /// The user let differences pass: what was ensured of the images may be what differs.
    pub(super) fn take_override(&mut self, differences: &[String]) {
        self.overrides.extend_from_slice(differences);
        // Another model's files: those that are there now are the ones that count from here on.
        if differences
            .iter()
            .any(|difference| difference.starts_with(MODEL_DIFFERENCE))
        {
            self.models.clear();
        }
        for backend in self.backends.values_mut() {
            backend.image = false;
            backend.model = false;
        }
        self.forget_refusals();
    }

    pub(super) fn unseal(&mut self) {
        if let Some(seal) = self.sealed.take() {
            self.previous_seal = Some(seal);
        }
    }

    pub(super) fn counter(&mut self, verdict: &Verdict) -> &mut usize {
        match verdict {
            Verdict::Accepted => &mut self.tally.accepted,
            Verdict::Rejected { .. } => &mut self.tally.rejected,
            Verdict::Failed { .. } => &mut self.tally.failed,
            Verdict::Skipped { .. } => &mut self.tally.skipped,
        }
    }

    pub(super) fn backend_of(&mut self, index: usize) -> &mut BackendState {
        let backend = &self.plan.loads[self.plan.runs[index].load].backend;
        self.backends
            .get_mut(backend)
            .expect("new() entered the backend of every run")
    }

    pub(super) fn backend(&mut self, backend: &str) -> &mut BackendState {
        self.backends
            .get_mut(backend)
            .expect("the plan's steps name only backends of its runs")
    }

    pub(super) fn step_done(&mut self, step: &Step, detail: &serde_json::Value) {
        match step {
            Step::EnsureImage { backend } => {
                self.backend(backend).image = true;
                self.images.insert(backend.clone(), detail.clone());
            }
            Step::EnsureModel { backend } => {
                self.backend(backend).model = true;
                self.models.insert(backend.clone(), detail.clone());
                // The model is part of the environment, and known from here on.
                let hash = detail["environment_hash"].as_str().map(str::parse);
                if let (Some(Ok(hash)), Some(known)) = (hash, &mut self.environment) {
                    known.0 = hash;
                }
            }
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
                self.engine_loads += 1;
                self.loaded = Some(*load);
                self.used = false;
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

    pub(super) fn step_failed(&mut self, step: &Step, id: &str, cause: &Cause) {
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
                // What a failed start left is removed; what runs is stopped before it is tried again.
                if !cause.is_outage() {
                    self.backend(backend).down = Some((id.to_owned(), cause.clone()));
                }
            }
            Step::Baseline {
                load: Some(load), ..
            } => {
                self.load_failures.insert(*load, cause.clone());
            }
            Step::LoadEngine { load, .. } => match cause.blame {
                Blame::Config => {
                    // Its own load is over too, whatever becomes of what is known of the key.
                    self.load_failures.insert(*load, cause.clone());
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

    pub(super) fn lose_container(&mut self, backend: &str) {
        if let Some(state) = self.backends.get_mut(backend) {
            state.container = Container::Absent;
            state.bare_baseline = false;
        }
        self.lose_worker(backend);
    }

    pub(super) fn lose_worker(&mut self, backend: &str) {
        if self
            .loaded
            .is_some_and(|load| self.plan.loads[load].backend == backend)
        {
            self.loaded = None;
            self.resident_baseline = false;
        }
    }

    pub(super) fn judge_environment(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Failed { cause } if cause.blame == Blame::Environment => {
                self.environment_failures += 1
            }
            Verdict::Accepted | Verdict::Rejected { .. } => self.environment_failures = 0,
            _ => {}
        }
    }
}
