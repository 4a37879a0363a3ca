//! From the plan of a campaign to that of its edited file: what was done stays where it still fits.

use std::collections::HashMap;
use std::sync::Arc;

use super::{RunStatus, State};
use crate::execution::Attempt;
use crate::plan::Plan;
use crate::units::Digest;

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
    /// Every attempt at it, in order.
    pub attempts: Vec<Attempt>,
}

impl State {
    /// Moves to the plan of an edited campaign: runs of equal experiment hash and cycle keep what was
    /// done, runs that the new plan lacks are retired. A plan of `cycles: auto` takes over as many cycles as
    /// there were, up to its most. Followed by [`Event::ChangesAccepted`].
    #[must_use]
    pub fn migrate(mut self, plan: Arc<Plan>) -> Self {
        let plan = match plan.cycles() < self.plan.cycles() {
            true => Arc::new(plan.grown_to(self.plan.cycles())),
            false => plan,
        };
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
        let mut known = std::mem::take(&mut self.retired);
        for (old, state) in self.runs.into_iter().enumerate() {
            let run = &self.plan.runs[old];
            let hash = self.plan.experiments[run.experiment].hash;
            if !state.attempts.is_empty() || state.status != RunStatus::Due {
                known.insert((hash, run.cycle), (run.id.clone(), state));
            }
        }
        // A run that an earlier edit retired comes back with its attempts.
        for (key, (id, state)) in known {
            let Some(&index) = places.get(&key) else {
                next.retired.insert(key, (id, state));
                continue;
            };
            next.give_back(index, state);
        }
        next.refused = self.refused;
        next.refused_keys = self.refused_keys;
        next.overrides = self.overrides;
        next.quality = self.quality;
        next.asked_in_vain = self.asked_in_vain;
        next.scores = self.scores;
        next.fingerprint = self.fingerprint;
        next.session = self.session;
        next.in_session = self.in_session;
        next.environment = self.environment;
        next.gpus = self.gpus;
        next.engine_loads = self.engine_loads;
        next.sealed = self.sealed;
        next.previous_seal = self.previous_seal;
        next.images = self.images;
        next.models = self.models;
        next.wish_to_ask_all();
        next
    }
}
