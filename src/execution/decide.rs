//! What comes next: from the plan and what has happened, the one thing to do now.

use super::enough::wants_cycle;
use super::retry::again;
use super::state::Container;
use super::{Blame, Cause, FOREIGN_PROCESS, GPU_LOST, Reason, RunStatus, State};
use crate::plan::{BaselineState, Step};
use crate::units::Digest;

/// The next thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Do this step.
    Step(Step),
    /// Do not try this run.
    Skip {
        /// Index of the run.
        run: usize,
        /// Why.
        cause: Cause,
    },
    /// Make this run due again without having been asked: its last attempt is no last word.
    Retry {
        /// Index of the run.
        run: usize,
        /// What that attempt ended with.
        reason: Reason,
        /// Idle seconds at least before the next one; none where the plan's hold.
        gap_seconds: Option<f64>,
    },
    /// Ask the loaded engine for the quality of the experiment of this run, which was accepted.
    Assess {
        /// Index of the run.
        run: usize,
    },
    /// Let the plan grow by this cycle: nothing is due, and an interval is wider than its target.
    AddCycle {
        /// The cycle.
        cycle: u32,
        /// Hash of the grown plan.
        plan_hash: Digest,
        /// Which interval, in one sentence.
        reason: String,
    },
    /// Nothing is left to do in this session, and nothing is left standing.
    Finished,
}

/// Decides. Constant time on average, however long the campaign.
///
/// What ended only for now is due again at once, even where the session is to end: so it is not sealed as it is. Then
/// the engine that is loaded is asked for the quality of an experiment that was accepted on one like it. Then the next
/// due run along the order decides: the first condition on its way that does not hold comes next; if a step on its way
/// has failed for good it is skipped. A container whose backend has no due run left is stopped. When nothing is due,
/// engines are loaded again for what they were not asked, and `cycles: auto` may want one more cycle, for which
/// everything is left standing. When it does not, or the session must end, everything is taken down.
#[must_use]
pub fn decide(state: &mut State) -> Decision {
    if let Some(retry) = retry(state) {
        return retry;
    }
    if state.breaker.is_some() || state.stopping.is_some() {
        return take_down(state);
    }
    if let Some(run) = unasked(state, |run| is_loaded(state, run)) {
        return Decision::Assess { run };
    }
    let Some(run) = state.next_due() else {
        if let Some(run) = unasked(state, |_| true) {
            let backend = &state.plan().experiment_of(run).backend;
            return match standing(state).find(|other| *other != backend) {
                Some(other) => stop(state, other),
                None => on_the_way(state, run, &Decision::Assess { run }),
            };
        }
        return match wants_cycle(state) {
            Some(reason) => Decision::AddCycle {
                cycle: state.plan().cycles() + 1,
                plan_hash: state.plan().grown().hash(),
                reason,
            },
            None => take_down(state),
        };
    };
    if let Some(spent) = spent_backend(state) {
        return stop(state, &spent);
    }
    if let Some(cause) = hopeless(state, run) {
        return Decision::Skip { run, cause };
    }
    on_the_way(state, run, &Decision::Step(Step::Measure { run }))
}

/// The first run that lemctl tries again by itself.
fn retry(state: &State) -> Option<Decision> {
    let run = *state.again.first()?;
    let RunStatus::Ended { verdict, .. } = state.status(run) else {
        return None;
    };
    let again = again(verdict, &state.plan().execution().retries)?;
    Some(Decision::Retry {
        run,
        reason: again.reason,
        gap_seconds: again.gap_seconds,
    })
}

/// A run whose experiment is still to be asked, if it can be and the run fits.
fn unasked(state: &State, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let mut runs = state.unasked.values().copied();
    runs.find(|run| fits(*run) && hopeless(state, *run).is_none())
}

/// Whether what is loaded is an engine of the run's key.
fn is_loaded(state: &State, run: usize) -> bool {
    let key = state.plan().experiment_of(run).engine_key;
    state
        .loaded
        .is_some_and(|load| state.plan().loads[load].engine_key == key)
}

/// Why a run need not be tried: its config was refused before, or a step it needs has failed.
fn hopeless(state: &State, run: usize) -> Option<Cause> {
    let planned = &state.plan().runs[run];
    let load = &state.plan().loads[planned.load];
    if let Some((earlier, cause)) = state.refused.get(&state.plan().experiment_of(run).hash) {
        return Some(same_as(earlier, cause));
    }
    if let Some((earlier, cause)) = state.refused_keys.get(&load.engine_key) {
        return Some(same_as(earlier, cause));
    }
    if let Some((step, cause)) = &state.backends[&load.backend].down {
        return Some(depends_on(step, cause));
    }
    let cause = state.load_failures.get(&planned.load)?;
    Some(depends_on(&format!("load-engine:{}", planned.load), cause))
}

fn same_as(earlier: &str, cause: &Cause) -> Cause {
    Cause {
        blame: cause.blame,
        code: format!("same_as:{earlier}"),
        origin: Some(cause.origin().to_owned()),
        message: format!("{earlier} failed because of its config: {}", cause.message),
        hint: cause.hint.clone(),
    }
}

fn depends_on(step: &str, cause: &Cause) -> Cause {
    Cause {
        blame: cause.blame,
        code: format!("needs:{step}"),
        origin: Some(cause.origin().to_owned()),
        message: format!("{step} failed: {}", cause.message),
        hint: cause.hint.clone(),
    }
}

/// The first step on the way to `aim` at `run` that is not done or does not hold; else the aim.
fn on_the_way(state: &State, run: usize, aim: &Decision) -> Decision {
    Decision::Step(match before(state, run, aim) {
        Some(step) => step,
        None => return aim.clone(),
    })
}

fn before(state: &State, run: usize, aim: &Decision) -> Option<Step> {
    let measures = matches!(aim, Decision::Step(_));
    let plan = state.plan();
    let load = plan.runs[run].load;
    let backend = plan.loads[load].backend.clone();
    let known = &state.backends[&backend];
    if !known.image {
        return Some(Step::EnsureImage { backend });
    }
    if !known.model
        && planned(
            state,
            &Step::EnsureModel {
                backend: backend.clone(),
            },
        )
    {
        return Some(Step::EnsureModel { backend });
    }
    // A cold start is a worker that has measured nothing: not even an earlier attempt at the same run.
    let spent = measures && state.used && plan.execution().force_cold_start;
    if let Some(other) = state.loaded.filter(|other| *other != load || spent) {
        return Some(Step::UnloadEngine {
            backend: plan.loads[other].backend.clone(),
            load: other,
        });
    }
    match known.container {
        Container::Absent => return Some(Step::StartContainer { backend }),
        Container::Started => return Some(Step::ProbeContainer { backend }),
        Container::Probed => {}
    }
    if state.loaded.is_none() {
        let bare = Step::Baseline {
            backend: backend.clone(),
            state: BaselineState::Bare,
            load: None,
        };
        if measures && !known.bare_baseline && planned(state, &bare) {
            return Some(bare);
        }
        return Some(Step::LoadEngine { backend, load });
    }
    let resident = Step::Baseline {
        backend,
        state: BaselineState::Resident,
        load: Some(load),
    };
    (measures && !state.resident_baseline && planned(state, &resident)).then_some(resident)
}

fn planned(state: &State, step: &Step) -> bool {
    state.has_step(&state.plan().step_id(step))
}

/// A backend whose container runs though none of its runs is due.
fn spent_backend(state: &State) -> Option<String> {
    state
        .plan()
        .backends
        .iter()
        .find(|name| {
            let backend = &state.backends[*name];
            backend.container != Container::Absent && backend.due == 0
        })
        .cloned()
}

/// Backends whose container stands.
fn standing(state: &State) -> impl Iterator<Item = &String> {
    let backends = state.plan().backends.iter();
    backends.filter(|name| state.backends[*name].container != Container::Absent)
}

fn take_down(state: &State) -> Decision {
    standing(state)
        .next()
        .map_or(Decision::Finished, |backend| stop(state, backend))
}

/// Unloads what is loaded in the backend's container, then stops it.
fn stop(state: &State, backend: &str) -> Decision {
    let backend = backend.to_owned();
    match state
        .loaded
        .filter(|load| state.plan().loads[*load].backend == backend)
    {
        Some(load) => Decision::Step(Step::UnloadEngine { backend, load }),
        None => Decision::Step(Step::StopContainer { backend }),
    }
}

/// Whether a failure of this cause, `failures` in a row, opens the breaker that allows `limit`. What only somebody
/// else can mend opens it at once.
#[must_use]
pub fn opens_breaker(cause: &Cause, failures: u32, limit: u32) -> bool {
    let at_once = [FOREIGN_PROCESS, GPU_LOST].contains(&&*cause.code) || cause.is_of_disk();
    cause.blame == Blame::Environment && (failures >= limit || at_once)
}
