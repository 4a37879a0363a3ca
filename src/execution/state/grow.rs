//! A plan that grows while it is executed: entering runs, and `cycles: auto` adding a cycle of them.

use std::sync::Arc;

use super::{BackendState, Container, IllegalEvent, RunState, RunStatus, State};
use crate::plan::{Plan, Step};
use crate::units::Digest;

impl State {
    /// Enters the runs of `plan` from the `first` on, and whatever steps they need, as due.
    pub(super) fn enter(&mut self, plan: &Plan, first: usize) {
        for (index, run) in plan.runs.iter().enumerate().skip(first) {
            self.index.insert(run.id.clone(), index);
            self.runs.push(RunState::new());
            let backend = &plan.loads[run.load].backend;
            let state = self.backends.entry(backend.clone());
            state
                .or_insert(BackendState {
                    image: false,
                    model: false,
                    container: Container::Absent,
                    bare_baseline: false,
                    down: None,
                    due: 0,
                })
                .due += 1;
            self.tally.due += 1;
        }
        for step in plan.graph.node_weights() {
            if !matches!(step, Step::Measure { .. }) {
                let id = plan.step_id(step);
                self.steps.entry(id).or_insert_with(|| step.clone());
            }
        }
    }

    /// Adds cycle `cycle` to the plan. Runs of it that an earlier edit retired come back with what was done.
    ///
    /// # Errors
    /// If it is not the next, there is to be no further one, something is open, or it would give another plan.
    pub(super) fn add_cycle(&mut self, cycle: u32, plan_hash: Digest) -> Result<(), IllegalEvent> {
        const EVENT: &str = "cycle_added";
        self.in_session(EVENT)?;
        let have = self.plan.cycles();
        self.require(
            cycle == have + 1,
            EVENT,
            &format!("cycle {cycle} after cycle {have}"),
        )?;
        let most = self.plan.most_cycles();
        self.require(
            cycle <= most,
            EVENT,
            &format!("the campaign has at most {most} cycles"),
        )?;
        self.require(
            self.tally.due == 0 && self.running.is_none(),
            EVENT,
            "runs of earlier cycles are due",
        )?;
        let plan = Arc::new(self.plan.grown());
        self.require(
            plan.hash() == plan_hash,
            EVENT,
            "the grown plan is not the one that the journal tells of",
        )?;
        let first = self.runs.len();
        self.enter(&plan, first);
        self.plan = plan;
        for index in first..self.runs.len() {
            let key = (self.plan.experiment_of(index).hash, cycle);
            if let Some((_, run)) = self.retired.remove(&key) {
                self.give_back(index, run);
            }
        }
        Ok(())
    }

    /// Gives a due run what was done at it under another plan.
    pub(super) fn give_back(&mut self, index: usize, run: RunState) {
        self.runs[index].attempts = run.attempts;
        self.runs[index].retries = run.retries;
        let (because, gap_seconds) = (run.because, run.gap_seconds);
        if let RunStatus::Ended {
            verdict,
            result,
            figures,
        } = run.status
        {
            self.settle(index, verdict, result, figures);
            self.runs[index].made = run.made;
            if run.again {
                self.wish_again(index);
            }
        } else {
            self.runs[index].because = because;
            self.runs[index].gap_seconds = gap_seconds;
        }
    }
}
