//! From experiments to the DAG.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};

use super::order::order_grown;
use super::{BaselineState, Edge, Slot, Step};
use crate::campaign::{BaselinePolicy, Campaign, ExecutionPolicy, Experiment, Structure};
use crate::units::Digest;

/// One run of the plan.
#[derive(Debug, Clone)]
pub struct Run {
    /// `<experiment id>.c<cycle>`.
    pub id: String,
    /// Index of the experiment.
    pub experiment: usize,
    /// Cycle, from 1.
    pub cycle: u32,
    /// Index of the load it is measured on.
    pub load: usize,
    /// Seconds to wait before it, at least.
    pub gap_seconds: f64,
    /// Its node.
    pub node: NodeIndex,
}

/// One life of an engine: consecutive runs that can share it.
#[derive(Debug, Clone)]
pub struct Load {
    /// Backend.
    pub backend: String,
    /// Key of the engine that is loaded.
    pub engine_key: Digest,
    /// The first experiment it serves, which holds the engine's parameters.
    pub experiment: usize,
    /// Its `LoadEngine` node.
    pub node: NodeIndex,
}

/// The plan of a campaign.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The experiments, as the grid gave them.
    pub experiments: Vec<Experiment>,
    /// The runs, in the order in which they are measured.
    pub runs: Vec<Run>,
    /// The loads, in order.
    pub loads: Vec<Load>,
    /// Backends, in order of first use.
    pub backends: Vec<String>,
    /// The DAG. Node indices are a topological order: the order of execution when nothing fails.
    pub graph: DiGraph<Step, Edge>,
    /// Cycles in it.
    cycles: u32,
    /// Cycles and runs that it began with, before any was added.
    begun: (u32, usize),
    pacing: Pacing,
}

/// What of a campaign decides its plan, beside the experiments: kept, so that a plan can grow.
#[derive(Debug, Clone)]
struct Pacing {
    execution: ExecutionPolicy,
    baseline: BaselinePolicy,
    /// Whether the model has files.
    model_files: bool,
    /// Digest of the prompts that engines are asked, if they are asked for their quality.
    asked: Option<Digest>,
}

impl Plan {
    /// Plans `experiments` under the campaign's execution policy.
    #[must_use]
    pub fn new(campaign: &Campaign, experiments: Vec<Experiment>) -> Self {
        let pacing = Pacing {
            execution: campaign.execution.clone(),
            baseline: campaign.baseline,
            model_files: !campaign.model.is_made_of_parameters(),
            asked: campaign
                .unassessed()
                .is_none()
                .then_some(campaign.quality.prompts.digest),
        };
        let cycles = campaign.execution.cycles.initial();
        Self::build(pacing, experiments, cycles, cycles)
    }

    /// The same plan with one cycle more at its end. What was planned before stays as it was: runs, loads
    /// and backends keep their places.
    #[must_use]
    pub fn grown(&self) -> Self {
        Self::build(
            self.pacing.clone(),
            self.experiments.clone(),
            self.begun.0,
            self.cycles + 1,
        )
    }

    /// The same plan grown to `cycles`, or to the most that the campaign allows; itself if it has as many.
    #[must_use]
    pub fn grown_to(&self, cycles: u32) -> Self {
        let cycles = cycles.min(self.most_cycles()).max(self.cycles);
        Self::build(
            self.pacing.clone(),
            self.experiments.clone(),
            self.begun.0,
            cycles,
        )
    }

    fn build(pacing: Pacing, experiments: Vec<Experiment>, begun: u32, cycles: u32) -> Self {
        let policy = &pacing.execution;
        let mut numbers: HashMap<Digest, usize> = HashMap::new();
        let keys: Vec<usize> = experiments
            .iter()
            .map(|experiment| {
                let next = numbers.len();
                *numbers.entry(experiment.engine_key).or_insert(next)
            })
            .collect();
        let slots = order_grown(&keys, (begun, cycles), policy.structure, policy.seed);
        let mut draft = Draft::new(&pacing, begun, &experiments, &slots);
        for (index, slot) in slots.iter().enumerate() {
            draft.add(index, *slot);
        }
        let Draft {
            runs,
            loads,
            backends,
            graph,
            ..
        } = draft;
        let begun = (begun, experiments.len() * begun as usize);
        Self {
            experiments,
            runs,
            loads,
            backends,
            graph,
            cycles,
            begun,
            pacing,
        }
    }

    /// Cycles in it.
    #[must_use]
    pub fn cycles(&self) -> u32 {
        self.cycles
    }

    /// Cycles that it can come to.
    #[must_use]
    pub fn most_cycles(&self) -> u32 {
        let execution = &self.pacing.execution;
        execution.cycles.most(&execution.auto_cycles)
    }

    /// Digest of the prompts that each experiment's engine is asked, if it is asked for its quality.
    #[must_use]
    pub fn asked(&self) -> Option<Digest> {
        self.pacing.asked
    }

    /// How the campaign file wants it executed.
    #[must_use]
    pub fn execution(&self) -> &ExecutionPolicy {
        &self.pacing.execution
    }

    /// The step's id: stable within a plan, used by the journal.
    #[must_use]
    pub fn step_id(&self, step: &Step) -> String {
        match step {
            Step::EnsureImage { backend } => format!("ensure-image:{backend}"),
            Step::EnsureModel { backend } => format!("ensure-model:{backend}"),
            Step::StartContainer { backend } => format!("start-container:{backend}"),
            Step::ProbeContainer { backend } => format!("probe-container:{backend}"),
            Step::Baseline {
                backend,
                state,
                load: None,
            } => format!("baseline-{}:{backend}", state.word()),
            Step::Baseline {
                state,
                load: Some(load),
                ..
            } => format!("baseline-{}:{load}", state.word()),
            Step::LoadEngine { load, .. } => format!("load-engine:{load}"),
            Step::Measure { run } => format!("measure:{}", self.runs[*run].id),
            Step::UnloadEngine { load, .. } => format!("unload-engine:{load}"),
            Step::StopContainer { backend } => format!("stop-container:{backend}"),
        }
    }

    /// Hash of the runs' ids in order, added cycles included.
    #[must_use]
    pub fn hash(&self) -> Digest {
        hash_of(&self.runs)
    }

    /// The runs that it began with: those of added cycles left out.
    #[must_use]
    pub fn begun(&self) -> &[Run] {
        &self.runs[..self.begun.1]
    }

    /// Hash of the ids of the runs that it began with. It is what a fingerprint holds: cycles that are added
    /// later are events, each with the hash of the plan that it makes.
    #[must_use]
    pub fn begun_hash(&self) -> Digest {
        hash_of(self.begun())
    }

    /// The experiment of a run.
    #[must_use]
    pub fn experiment_of(&self, run: usize) -> &Experiment {
        &self.experiments[self.runs[run].experiment]
    }
}

fn hash_of(runs: &[Run]) -> Digest {
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    Digest::of(ids.join("\n").as_bytes())
}

/// The growing plan.
struct Draft<'a> {
    pacing: &'a Pacing,
    /// Cycles that the order began with.
    begun: u32,
    experiments: &'a [Experiment],
    last_use: HashMap<&'a str, usize>,
    graph: DiGraph<Step, Edge>,
    runs: Vec<Run>,
    loads: Vec<Load>,
    backends: Vec<String>,
    ready: HashMap<String, NodeIndex>,
    /// The step that ended last along the order.
    last: Option<NodeIndex>,
    previous: Option<Slot>,
    /// What the next measurement on the open load needs.
    gate: Vec<NodeIndex>,
    open: bool,
}

impl<'a> Draft<'a> {
    fn new(pacing: &'a Pacing, begun: u32, experiments: &'a [Experiment], slots: &[Slot]) -> Self {
        let last_use = slots
            .iter()
            .enumerate()
            .map(|(index, slot)| (experiments[slot.experiment].backend.as_str(), index))
            .collect();
        Self {
            pacing,
            begun,
            experiments,
            last_use,
            graph: DiGraph::new(),
            runs: Vec::with_capacity(slots.len()),
            loads: Vec::new(),
            backends: Vec::new(),
            ready: HashMap::new(),
            last: None,
            previous: None,
            gate: Vec::new(),
            open: false,
        }
    }

    fn node(&mut self, step: Step, needs: &[NodeIndex]) -> NodeIndex {
        let node = self.graph.add_node(step);
        for need in needs {
            self.graph.add_edge(*need, node, Edge::Needs);
        }
        if let Some(last) = self.last.filter(|last| !needs.contains(last)) {
            self.graph.add_edge(last, node, Edge::After);
        }
        self.last = Some(node);
        node
    }

    fn add(&mut self, index: usize, slot: Slot) {
        let experiments = self.experiments;
        let experiment = &experiments[slot.experiment];
        let fits = self.open
            && !self.pacing.execution.force_cold_start
            && self.loads.last().is_some_and(|load| {
                load.engine_key == experiment.engine_key && load.backend == experiment.backend
            });
        if !fits {
            self.unload();
            let ready = self.container(&experiment.backend);
            self.load(slot.experiment, ready);
        }
        let gap_seconds = self.gap(slot);
        let run = self.runs.len();
        let gate = self.gate.clone();
        let node = self.node(Step::Measure { run }, &gate);
        self.runs.push(Run {
            id: format!("{}.c{}", experiment.id, slot.cycle),
            experiment: slot.experiment,
            cycle: slot.cycle,
            load: self.loads.len() - 1,
            gap_seconds,
            node,
        });
        self.previous = Some(slot);
        if self.last_use[experiment.backend.as_str()] == index {
            self.unload();
            self.node(
                Step::StopContainer {
                    backend: experiment.backend.clone(),
                },
                &[],
            );
        }
    }

    /// The longer of the gaps whose boundary lies between the two runs. With `grouped` the cycles of
    /// one experiment follow each other, so a change of experiment is not the end of a cycle; cycles that
    /// were added are passes over all experiments whatever the structure.
    fn gap(&self, slot: Slot) -> f64 {
        let Some(previous) = self.previous else {
            return 0.0;
        };
        let policy = &self.pacing.execution;
        let config = previous.experiment != slot.experiment;
        let side_by_side = policy.structure == Structure::Grouped && slot.cycle <= self.begun;
        let cycle = previous.cycle != slot.cycle && !(config && side_by_side);
        let config_gap = if config {
            policy.config_gap_seconds
        } else {
            0.0
        };
        let cycle_gap = if cycle { policy.cycle_gap_seconds } else { 0.0 };
        config_gap.max(cycle_gap)
    }

    fn container(&mut self, backend: &str) -> NodeIndex {
        if let Some(ready) = self.ready.get(backend) {
            return *ready;
        }
        let backend = backend.to_owned();
        self.backends.push(backend.clone());
        let image = self.node(
            Step::EnsureImage {
                backend: backend.clone(),
            },
            &[],
        );
        let mut needs = vec![image];
        if self.pacing.model_files {
            let backend = backend.clone();
            needs.push(self.node(Step::EnsureModel { backend }, &[]));
        }
        let start = self.node(
            Step::StartContainer {
                backend: backend.clone(),
            },
            &needs,
        );
        let mut ready = self.node(
            Step::ProbeContainer {
                backend: backend.clone(),
            },
            &[start],
        );
        if self.pacing.baseline != BaselinePolicy::Off {
            let step = Step::Baseline {
                backend: backend.clone(),
                state: BaselineState::Bare,
                load: None,
            };
            let baseline = self.node(step, &[ready]);
            if self.pacing.baseline == BaselinePolicy::Required {
                ready = baseline;
            }
        }
        self.ready.insert(backend, ready);
        ready
    }

    fn load(&mut self, experiment: usize, ready: NodeIndex) {
        let backend = self.experiments[experiment].backend.clone();
        let load = self.loads.len();
        let node = self.node(
            Step::LoadEngine {
                backend: backend.clone(),
                load,
            },
            &[ready],
        );
        self.gate = vec![node];
        if self.pacing.baseline != BaselinePolicy::Off {
            let step = Step::Baseline {
                backend: backend.clone(),
                state: BaselineState::Resident,
                load: Some(load),
            };
            let baseline = self.node(step, &[node]);
            if self.pacing.baseline == BaselinePolicy::Required {
                self.gate.push(baseline);
            }
        }
        let engine_key = self.experiments[experiment].engine_key;
        self.loads.push(Load {
            backend,
            engine_key,
            experiment,
            node,
        });
        self.open = true;
    }

    fn unload(&mut self) {
        if self.open {
            let load = self.loads.len() - 1;
            let backend = self.loads[load].backend.clone();
            let node = self.loads[load].node;
            self.node(Step::UnloadEngine { backend, load }, &[node]);
            self.open = false;
        }
    }
}
