//! What only the journal's events tell: how long the sessions took, and every baseline that was taken.

use std::collections::{BTreeMap, HashMap};

use camino::Utf8Path;
use chrono::{DateTime, FixedOffset};
use serde::Deserialize;

use crate::execution::Event;
use crate::journal::{JournalError, replay};
use crate::plan::{Plan, Step};
use crate::units::Digest;

/// The journal, summed up.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    /// Seconds that the sessions took together, by the wall clock.
    pub seconds: f64,
    /// Takings of each baseline, in watts, by what was taken.
    pub baselines: BTreeMap<String, Vec<f64>>,
}

/// What is read of a baseline step's detail.
#[derive(Debug, Deserialize)]
struct Taken {
    #[serde(default)]
    gpus: Vec<Watts>,
}

#[derive(Debug, Deserialize)]
struct Watts {
    gpu: String,
    watts: f64,
}

impl Chronicle {
    pub fn read(results: &Utf8Path, plan: &Plan) -> Result<Self, JournalError> {
        let names = baseline_names(plan);
        let mut chronicle = Self::default();
        let mut began: Option<DateTime<FixedOffset>> = None;
        replay(results, |entry| {
            let at = DateTime::parse_from_rfc3339(&entry.at).ok();
            match &entry.event {
                // A session that ended without a word lasted until its last event.
                Event::SessionStarted { .. } => began = at,
                Event::SessionEnded {} => {
                    chronicle.until(&mut began, at);
                    began = None;
                }
                Event::StepDone { step, detail } => {
                    chronicle.until(&mut began, at);
                    if let Some(name) = names.get(step) {
                        chronicle.baseline(name, detail);
                    }
                }
                _ => chronicle.until(&mut began, at),
            }
            Ok(())
        })?;
        Ok(chronicle)
    }

    /// Counts the time since the last event of the session. A clock that was set back counts nothing.
    fn until(
        &mut self,
        last: &mut Option<DateTime<FixedOffset>>,
        now: Option<DateTime<FixedOffset>>,
    ) {
        if let (Some(before), Some(now)) = (*last, now) {
            let passed = (now - before).as_seconds_f64();
            self.seconds += passed.max(0.0);
            *last = Some(now);
        }
    }

    fn baseline(&mut self, name: &str, detail: &serde_json::Value) {
        let Ok(taken) = Taken::deserialize(detail) else {
            return;
        };
        for gpu in taken.gpus {
            let name = format!("{} {name}", gpu.gpu);
            self.baselines.entry(name).or_default().push(gpu.watts);
        }
    }
}

/// What each baseline step takes: loads of one engine key are the same state of the GPU.
fn baseline_names(plan: &Plan) -> HashMap<String, String> {
    let mut first: HashMap<Digest, &str> = HashMap::new();
    let mut names = HashMap::new();
    for step in plan.graph.node_weights() {
        let Step::Baseline {
            backend,
            state,
            load,
        } = step
        else {
            continue;
        };
        let of = match load {
            None => backend.as_str(),
            Some(load) => {
                let load = &plan.loads[*load];
                let id = plan.experiments[load.experiment].id.as_str();
                first.entry(load.engine_key).or_insert(id)
            }
        };
        names.insert(plan.step_id(step), format!("{} of {of}", state.word()));
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn baselines_are_kept_by_gpu_and_odd_details_give_none() {
        let mut chronicle = Chronicle::default();
        let detail = json!({"watts": 190.0, "gpus": [
            {"gpu": "GPU-a", "watts": 72.0, "state": "bare"}, {"gpu": "GPU-b", "watts": 118.0}]});
        chronicle.baseline("bare of vllm", &detail);
        chronicle.baseline("bare of vllm", &detail);
        for odd in [
            json!(null),
            json!({"watts": null}),
            json!({"gpus": [{"gpu": 1}]}),
            json!([1]),
        ] {
            chronicle.baseline("bare of vllm", &odd);
        }
        assert_eq!(chronicle.baselines.len(), 2);
        assert_eq!(chronicle.baselines["GPU-a bare of vllm"], [72.0, 72.0]);
    }

    #[test]
    fn a_clock_that_was_set_back_counts_nothing() {
        let at = |text| DateTime::parse_from_rfc3339(text).ok();
        let mut chronicle = Chronicle::default();
        let mut last = at("2026-11-24T08:00:00Z");
        chronicle.until(&mut last, at("2026-11-24T08:00:10Z"));
        chronicle.until(&mut last, at("2026-11-24T07:00:00Z"));
        chronicle.until(&mut last, at("2026-11-24T07:00:02.5Z"));
        chronicle.until(&mut last, None);
        assert!(
            (chronicle.seconds - 12.5).abs() < 1e-9,
            "{}",
            chronicle.seconds
        );
    }
}
