//! Which experiments are still to be asked for their quality. Each is asked once, on an engine of its key, after a
//! run of it was accepted: in the same session, or in the next where this one ended before. What the environment cost
//! an answer says nothing of the engine: it is asked again by itself, as often as a run is tried again.

use super::{RunStatus, State};
use crate::execution::{Assessed, Verdict};
use crate::quality::codes;
use crate::units::Digest;

impl State {
    /// A run ended: if it was accepted and its experiment has no answer that stands, it is to be asked.
    pub(super) fn wish_to_ask(&mut self, index: usize) {
        let Some(prompts) = self.plan.asked() else {
            return;
        };
        let accepted = matches!(
            &self.runs[index].status,
            RunStatus::Ended {
                verdict: Verdict::Accepted,
                ..
            }
        );
        let known = self.quality.get(&self.plan.experiment_of(index).hash);
        if accepted && !known.is_some_and(|known| stands(known, prompts)) {
            let experiment = self.plan.runs[index].experiment;
            self.unasked.entry(experiment).or_insert(index);
        }
    }

    /// The same of every experiment that never was asked, or is to be asked again by itself: after an edit.
    pub(super) fn wish_to_ask_all(&mut self) {
        for index in 0..self.runs.len() {
            let hash = self.plan.experiment_of(index).hash;
            if !self.quality.contains_key(&hash) || self.asked_in_vain.contains_key(&hash) {
                self.wish_to_ask(index);
            }
        }
    }

    /// It was asked and what came of it is known. Where the environment kept it from answering it stays to be asked, for
    /// as long as there are retries; what else is not settled is asked after its next accepted run.
    pub(super) fn asked(&mut self, experiment: &Digest) {
        let known = self.quality.get(experiment);
        if known.is_some_and(|known| has_code(known, codes::ASSESS_LOST)) {
            self.environment_failures += 1;
            let times = self.asked_in_vain.entry(*experiment).or_default();
            *times += 1;
            if *times <= self.plan.execution().retries.max {
                return;
            }
        } else if known.is_some_and(|known| known.file.is_some()) {
            self.environment_failures = 0;
        }
        self.asked_in_vain.remove(experiment);
        let experiments = &self.plan.experiments;
        self.unasked
            .retain(|index, _| experiments[*index].hash != *experiment);
    }

    /// The run is due again: its experiment is asked after another accepted run.
    pub(super) fn stand_no_more(&mut self, index: usize) {
        let experiment = self.plan.runs[index].experiment;
        if self.unasked.get(&experiment) == Some(&index) {
            self.unasked.remove(&experiment);
            let hash = self.plan.experiments[experiment].hash;
            self.asked_in_vain.remove(&hash);
        }
    }

    /// In another environment an engine may answer what it refused before.
    pub(super) fn forget_refusals(&mut self) {
        self.quality
            .retain(|_, known| !has_code(known, codes::ASSESS_REFUSED));
        self.wish_to_ask_all();
    }
}

/// Whether an answer stands: what its own config refuses is refused again; any other trouble may be over by now.
fn stands(known: &Assessed, prompts: Digest) -> bool {
    let last_word = [codes::WEIGHTS, codes::ASSESS_REFUSED];
    let settled = known.file.is_some() || last_word.iter().any(|code| has_code(known, code));
    settled && known.prompts == prompts
}

fn has_code(known: &Assessed, code: &str) -> bool {
    known
        .quality
        .reasons
        .iter()
        .any(|reason| reason.code == code)
}
