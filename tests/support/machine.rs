//! The state machine without a runner: a world that decisions act on, with luck that a test deals.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use lemctl::execution::{
    Assessed, Blame, Cause, Decision, Event, Fingerprint, Reason, ResultFile, RunStatus, State,
    Verdict, decide, opens_breaker,
};
use lemctl::plan::{Plan, Step};
use lemctl::quality::{Quality, codes};
use lemctl::units::Digest;

use crate::campaigns;

pub const TWO_BACKENDS: &str = "
campaign_name: two
model: {random: {seed: 1}}
workload:
  synthetic: {input_tokens: 8, output_tokens: 4}
  arrival: batch
  measure: {min_seconds: 0, min_requests: 1}
grid:
  backends: [reference, gadget]
  per_backend:
    reference: {num_layers: [1, 2], batch_size: [1, 2]}
gpus: [GPU-00000000-0000-0000-0000-000000000001]
";

pub fn plan(structure: &str, cycles: u32, cold: bool) -> Arc<Plan> {
    planned(&format!(
        "structure: {structure}, cycles: {cycles}, force_cold_start: {cold}"
    ))
}

/// A plan with these keys of `execution`.
pub fn planned(execution: &str) -> Arc<Plan> {
    let text = format!("{TWO_BACKENDS}execution: {{{execution}}}\n");
    let campaign = campaigns::load_text(&text);
    let mut expansion = campaign.expand();
    Arc::new(Plan::new(
        &campaign,
        std::mem::take(&mut expansion.experiments),
    ))
}

pub fn created(plan: &Plan) -> Event {
    Event::CampaignCreated(Fingerprint {
        campaign: "two".into(),
        id: "id".into(),
        file_sha256: Digest::ZERO,
        campaign_hash: Digest::ZERO,
        plan_hash: plan.begun_hash(),
        catalogues: BTreeMap::new(),
        prompts: BTreeMap::new(),
        runs: u32::try_from(plan.begun().len()).unwrap(),
    })
}

pub fn session(number: u32) -> Event {
    Event::SessionStarted {
        session: number,
        lemctl: "0".into(),
        boot_id: "b".into(),
        environment_hash: Digest::ZERO,
        environment: serde_json::Value::Null,
    }
}

/// A world that the decisions act on: what really stands, whatever the state believes.
#[derive(Default)]
pub struct World {
    pub containers: HashSet<String>,
    pub loaded: Option<usize>,
    pub measured: HashMap<String, u32>,
    /// Tokens per second of the nth measurement; none gives no figures.
    pub rate: Option<fn(u32) -> f64>,
    /// Joules per token of the nth measurement, if it has energy.
    pub energy: Option<fn(u32) -> Option<f64>>,
    /// Whether the nth measurement is on simulated GPUs.
    pub simulated: Option<fn(u32) -> bool>,
}

/// What happens to an action: 0 it works, else a kind of failure.
pub type Luck<'a> = &'a mut dyn FnMut() -> u8;

/// The luck with which a measurement is rejected for heat.
pub const HOT: u8 = 4;

pub fn cause(luck: u8) -> Cause {
    match luck {
        1 => Cause::new(Blame::Config, "bad_parameter", "refused"),
        2 => Cause::new(Blame::Worker, "worker_gone", "crashed"),
        _ => Cause::new(Blame::Environment, "container_lost", "gone"),
    }
}

/// Acts on one decision; gives the events that the runner would journal.
pub fn act(state: &State, world: &mut World, decision: &Decision, luck: Luck<'_>) -> Vec<Event> {
    let plan = state.plan();
    let step = match decision {
        Decision::Finished => return vec![Event::SessionEnded {}],
        Decision::Skip { run, cause } => {
            return vec![Event::RunSkipped {
                run: plan.runs[*run].id.clone(),
                cause: cause.clone(),
            }];
        }
        Decision::AddCycle {
            cycle,
            plan_hash,
            reason,
        } => {
            return vec![Event::CycleAdded {
                cycle: *cycle,
                plan_hash: *plan_hash,
                reason: reason.clone(),
            }];
        }
        Decision::Retry {
            run,
            reason,
            gap_seconds,
        } => {
            return vec![Event::RunRetried {
                run: plan.runs[*run].id.clone(),
                attempt: state.attempts(*run),
                reason: reason.clone(),
                gap_seconds: *gap_seconds,
            }];
        }
        Decision::Assess { run } => return assessed(state, world, *run, luck()),
        Decision::Step(step) => step,
    };
    let id = plan.step_id(step);
    let luck = luck();
    if let Step::Measure { run } = step {
        let planned = &plan.runs[*run];
        assert!(
            world.containers.contains(&plan.loads[planned.load].backend),
            "measured without a container"
        );
        assert_eq!(
            world.loaded,
            Some(planned.load),
            "measured on another engine"
        );
        let attempt = state.attempts(*run) + 1;
        let mut events = vec![Event::AttemptStarted {
            run: planned.id.clone(),
            attempt,
        }];
        let (verdict, result) = match luck {
            0 => {
                *world.measured.entry(planned.id.clone()).or_default() += 1;
                let result = ResultFile {
                    path: format!("{}/a{attempt}", planned.id),
                    sha256: Digest::ZERO,
                };
                (Verdict::Accepted, Some(result))
            }
            HOT => {
                let reasons = vec![Reason {
                    code: "thermal_throttling_detected".into(),
                    message: "hot".into(),
                }];
                let result = ResultFile {
                    path: format!("{}/a{attempt}", planned.id),
                    sha256: Digest::ZERO,
                };
                (Verdict::Rejected { reasons }, Some(result))
            }
            luck => (Verdict::Failed { cause: cause(luck) }, None),
        };
        let nth: u32 = world.measured.values().sum();
        let named = [
            ("output_tokens_per_second", world.rate.map(|rate| rate(nth))),
            (
                "joules_per_output_token",
                world.energy.and_then(|energy| energy(nth)),
            ),
        ];
        let figures = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.filter(|_| luck == 0)?)))
            .collect();
        events.push(Event::AttemptEnded {
            run: planned.id.clone(),
            attempt,
            verdict,
            result,
            figures,
            simulated: world.simulated.is_some_and(|simulated| simulated(nth)),
        });
        let backend = plan.loads[planned.load].backend.clone();
        if luck == 2 {
            world.loaded = None;
            events.push(Event::WorkerLost {
                backend,
                reason: "crashed".into(),
            });
        } else if luck == 3 {
            world.loaded = None;
            world.containers.remove(&backend);
            events.push(Event::ContainerLost {
                backend,
                reason: "gone".into(),
            });
        }
        return events;
    }
    let mut events = vec![Event::StepStarted { step: id.clone() }];
    if luck != 0 && !matches!(step, Step::StopContainer { .. } | Step::UnloadEngine { .. }) {
        events.push(Event::StepFailed {
            step: id,
            cause: cause(luck),
        });
        return events;
    }
    match step {
        Step::StartContainer { backend } => {
            assert!(
                world.containers.insert(backend.clone()),
                "two containers of one backend"
            );
        }
        Step::StopContainer { backend } => {
            assert!(
                world
                    .loaded
                    .is_none_or(|load| &plan.loads[load].backend != backend),
                "stopped while loaded"
            );
            world.containers.remove(backend);
        }
        Step::LoadEngine { backend, load } => {
            assert!(
                world.containers.contains(backend),
                "loaded without a container"
            );
            assert_eq!(world.loaded, None, "two engines loaded at once");
            world.loaded = Some(*load);
        }
        Step::UnloadEngine { load, .. } => {
            assert_eq!(world.loaded, Some(*load));
            world.loaded = None;
        }
        _ => {}
    }
    events.push(Event::StepDone {
        step: id,
        detail: serde_json::Value::Null,
    });
    events
}

/// The loaded engine answers the pinned prompts, or does not.
fn assessed(state: &State, world: &World, run: usize, luck: u8) -> Vec<Event> {
    let plan = state.plan();
    let experiment = plan.experiment_of(run);
    let loaded = world.loaded.expect("asked without an engine");
    assert_eq!(
        plan.loads[loaded].engine_key, experiment.engine_key,
        "another engine was asked"
    );
    let id = plan.runs[run].id.clone();
    let attempt = state.attempts(run);
    let file = (luck == 0).then(|| ResultFile {
        path: format!("{id}/a{attempt}/quality.json"),
        sha256: Digest::ZERO,
    });
    let code = match luck {
        1 => codes::ASSESS_REFUSED,
        3 => codes::ASSESS_LOST,
        _ => codes::ASSESS_FAILED,
    };
    vec![Event::QualityAssessed {
        experiment: experiment.hash,
        assessed: Assessed {
            run: id,
            attempt,
            prompts: plan.asked().expect("asked though nobody wants it"),
            file,
            quality: Quality::not_assessed(code, "x"),
        },
    }]
}

/// Drives a session to its end; gives its events.
pub fn drive(state: &mut State, world: &mut World, luck: Luck<'_>) -> Vec<Event> {
    let mut journal = Vec::new();
    let mut record = |state: &mut State, event: Event| {
        state
            .apply(&event)
            .unwrap_or_else(|error| panic!("{error}: {event:?}"));
        journal.push(event);
    };
    for _ in 0..10_000 {
        let decision = decide(state);
        let events = act(state, world, &decision, luck);
        let ended = events.last() == Some(&Event::SessionEnded {});
        for event in events {
            let tripped = match &event {
                Event::StepFailed { cause, .. }
                | Event::AttemptEnded {
                    verdict: Verdict::Failed { cause },
                    ..
                } => Some(cause.clone()),
                _ => None,
            };
            record(state, event);
            if let Some(cause) = tripped
                && state.breaker().is_none()
                && opens_breaker(&cause, state.environment_failures(), 3)
            {
                record(state, Event::BreakerOpened { cause });
            }
        }
        if ended {
            return journal;
        }
    }
    panic!("the session does not end");
}

pub fn shape(state: &State) -> Vec<(String, RunStatus, u32)> {
    let plan = state.plan();
    (0..plan.runs.len())
        .map(|run| {
            (
                plan.runs[run].id.clone(),
                state.status(run).clone(),
                state.attempts(run),
            )
        })
        .collect()
}
