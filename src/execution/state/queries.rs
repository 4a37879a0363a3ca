//! Questions to the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Made, Placed, Retired, RunStatus, State, Tally};
use crate::execution::{Assessed, Attempt, Cause, Fingerprint, Tries};
use crate::plan::Plan;
use crate::quality::Scores;
use crate::units::Digest;

impl State {
    /// The plan it is about.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan, to be kept: it is another one after a cycle was added.
    #[must_use]
    pub fn shared_plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// Under which conditions the result that stands was made; none without one.
    #[must_use]
    pub fn made(&self, run: usize) -> Option<&Made> {
        self.runs[run].made.as_ref()
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

    /// Every attempt at a run, in order.
    pub fn history(&self, run: usize) -> impl Iterator<Item = Attempt> {
        self.runs[run].history()
    }

    /// Every attempt that was made, those at runs included that edits retired, with where its files lie.
    #[must_use]
    pub fn placed(&self) -> Vec<Placed> {
        let ids = self.plan.runs.iter().map(|run| run.id.as_str());
        let current = ids.zip(&self.runs);
        let retired = self.retired.values().map(|(id, run)| (id.as_str(), run));
        let each = current.chain(retired);
        each.flat_map(|(id, run)| run.placed(id)).collect()
    }

    /// Idle seconds at least before the next attempt at a run, where more than the plan's are wanted.
    #[must_use]
    pub fn longer_gap(&self, run: usize) -> Option<f64> {
        self.runs[run].gap_seconds
    }

    /// How often runs were tried, those included that edits retired.
    #[must_use]
    pub fn tries(&self) -> Tries {
        let mut tries = Tries::default();
        let retired = self.retired.values().map(|(_, run)| run);
        for run in self.runs.iter().chain(retired) {
            run.count(&mut tries);
        }
        tries
    }

    /// Experiments whose quality is still to be asked for.
    #[must_use]
    pub fn unasked(&self) -> usize {
        self.unasked.len()
    }

    /// How the quality of an experiment was judged; none if it never was.
    #[must_use]
    pub fn quality(&self, experiment: &Digest) -> Option<&Assessed> {
        self.quality.get(experiment)
    }

    /// Scores that were attached to an experiment, in that order.
    #[must_use]
    pub fn scores(&self, experiment: &Digest) -> &[Scores] {
        self.scores.get(experiment).map_or(&[], Vec::as_slice)
    }

    /// How many runs stand where.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
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

    /// The model's files by backend, as `EnsureModel` found them.
    #[must_use]
    pub fn models(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.models
    }

    /// Runs that edits of the campaign retired.
    #[must_use]
    pub fn retired(&self) -> Vec<Retired> {
        self.retired
            .iter()
            .map(|((experiment_hash, _), (run, state))| Retired {
                run: run.clone(),
                experiment_hash: *experiment_hash,
                attempts: state.history().collect(),
            })
            .collect()
    }

    /// Differences of the environment that the user let pass.
    #[must_use]
    pub fn overrides(&self) -> &[String] {
        &self.overrides
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

    /// Environment failures since the last result or answer.
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
    pub(in crate::execution) fn next_due(&mut self) -> Option<usize> {
        while self.cursor < self.runs.len() {
            if self.runs[self.cursor].status == RunStatus::Due {
                return Some(self.cursor);
            }
            self.cursor += 1;
        }
        None
    }
}
