//! A plan, told.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::table;
use crate::campaign::{Campaign, Cycles, Expansion, PrunedPoint};
use crate::plan::{Estimate, Plan, Step};

/// Pruned points that are told one by one; of more, the counts tell.
const MAX_TOLD: usize = 1000;

/// What `plan --format json` prints.
#[derive(Debug, Serialize)]
pub struct PlanView {
    /// Name of the campaign.
    pub campaign: String,
    /// Points before pruning.
    pub raw_points: u64,
    /// Pruned points by rule.
    pub pruned_by_rule: BTreeMap<String, usize>,
    /// Pruned points, the first 1,000.
    pub pruned: Vec<PrunedPointView>,
    /// Points that are the same experiment as another.
    pub duplicates: usize,
    /// Cycles that are planned.
    pub cycles: u32,
    /// Cycles that it can come to: more with `cycles: auto`.
    pub most_cycles: u32,
    /// Half-width at which `cycles: auto` stops, relative to the mean; null without it.
    pub target_half_width: Option<f64>,
    /// The experiments.
    pub experiments: Vec<ExperimentView>,
    /// The runs in order.
    pub runs: Vec<RunView>,
    /// The DAG's steps in order, with what each needs.
    pub steps: Vec<StepView>,
    /// How long it takes.
    pub estimate: Estimate,
}

/// A pruned point.
#[derive(Debug, Serialize)]
pub struct PrunedPointView {
    /// Backend.
    pub backend: String,
    /// What its axes set.
    pub settings: BTreeMap<String, Value>,
    /// The rule that pruned it.
    pub rule: String,
    /// Why.
    pub message: String,
    /// Where the rule comes from.
    pub source: String,
}

/// An experiment.
#[derive(Debug, Serialize)]
pub struct ExperimentView {
    /// Its id.
    pub id: String,
    /// Its hash.
    pub hash: String,
    /// Its engine key.
    pub engine_key: String,
    /// What its axes set.
    pub varying: BTreeMap<String, Value>,
    /// Points that are the same.
    pub aliases: Vec<BTreeMap<String, Value>>,
    /// In full.
    pub config: Value,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct RunView {
    /// Its id.
    pub run: String,
    /// Its experiment's id.
    pub experiment: String,
    /// Its cycle.
    pub cycle: u32,
    /// The load it shares.
    pub load: usize,
    /// Seconds of gap before it.
    pub gap_seconds: f64,
}

/// A step of the DAG.
#[derive(Debug, Serialize)]
pub struct StepView {
    /// Its id.
    pub id: String,
    /// The step.
    pub step: Step,
    /// Ids of the steps it needs.
    pub needs: Vec<String>,
}

/// Gathers a plan for printing.
#[must_use]
pub fn plan_view(campaign: &Campaign, expansion: &Expansion, plan: &Plan) -> PlanView {
    let mut by_rule = BTreeMap::new();
    let mut told = Vec::new();
    for pruned in &expansion.pruned {
        let PrunedPoint {
            backend,
            settings,
            rule,
            message,
            source,
        } = campaign.describe(pruned);
        *by_rule.entry(rule.clone()).or_default() += 1;
        if told.len() < MAX_TOLD {
            told.push(PrunedPointView {
                backend,
                settings,
                rule,
                message,
                source,
            });
        }
    }
    let steps = plan.graph.node_indices().map(|node| {
        let mut needs: Vec<_> = plan
            .graph
            .edges_directed(node, petgraph::Direction::Incoming)
            .filter(|edge| *edge.weight() == crate::plan::Edge::Needs)
            .map(|edge| petgraph::visit::EdgeRef::source(&edge))
            .collect();
        needs.sort_unstable();
        StepView {
            id: plan.step_id(&plan.graph[node]),
            step: plan.graph[node].clone(),
            needs: needs
                .into_iter()
                .map(|need| plan.step_id(&plan.graph[need]))
                .collect(),
        }
    });
    let experiments = plan.experiments.iter().map(|experiment| ExperimentView {
        id: experiment.id.clone(),
        hash: experiment.hash.to_string(),
        engine_key: experiment.engine_key.to_string(),
        varying: experiment.varying.clone(),
        aliases: experiment
            .aliases
            .iter()
            .map(|point| campaign.settings(*point))
            .collect(),
        config: experiment.canonical(),
    });
    let runs = plan.runs.iter().map(|run| RunView {
        run: run.id.clone(),
        experiment: plan.experiments[run.experiment].id.clone(),
        cycle: run.cycle,
        load: run.load,
        gap_seconds: run.gap_seconds,
    });
    PlanView {
        campaign: campaign.name.clone(),
        raw_points: expansion.raw_points,
        pruned_by_rule: by_rule,
        pruned: told,
        duplicates: plan
            .experiments
            .iter()
            .map(|experiment| experiment.aliases.len())
            .sum(),
        cycles: plan.cycles(),
        most_cycles: plan.most_cycles(),
        target_half_width: (plan.execution().cycles == Cycles::Auto)
            .then(|| plan.execution().auto_cycles.target_half_width),
        experiments: experiments.collect(),
        runs: runs.collect(),
        steps: steps.collect(),
        estimate: Estimate::of(plan, campaign),
    }
}

/// A plan as text: counts, pruned points by rule, experiments, order, estimate.
#[must_use]
pub fn plan_text(view: &PlanView) -> String {
    let mut out = String::new();
    let pruned: usize = view.pruned_by_rule.values().sum();
    let _ = writeln!(
        out,
        "campaign {}: {} grid points, {pruned} pruned, {} duplicates, {} experiments, {} runs\n",
        view.campaign,
        view.raw_points,
        view.duplicates,
        view.experiments.len(),
        view.runs.len()
    );
    if let Some(target) = view.target_half_width {
        let _ = writeln!(
            out,
            "Cycles: {} to begin with, then one more at a time until every experiment's 95 % interval is within \
             ±{} %, {} at most\n",
            view.cycles,
            100.0 * target,
            view.most_cycles
        );
    }
    if !view.pruned_by_rule.is_empty() {
        let _ = writeln!(out, "Pruned:");
        for (rule, count) in &view.pruned_by_rule {
            let example = view.pruned.iter().find(|point| &point.rule == rule);
            let why = example.map_or("", |point| point.message.as_str());
            let _ = writeln!(out, "  {rule}: {count} ({why})");
            for point in view
                .pruned
                .iter()
                .filter(|point| &point.rule == rule)
                .take(5)
            {
                let _ = writeln!(out, "    {} {}", point.backend, settings(&point.settings));
            }
            if *count > 5 {
                let _ = writeln!(
                    out,
                    "    … and {} more (--format json lists them)",
                    count - 5
                );
            }
        }
        out.push('\n');
    }
    let rows = view.experiments.iter().map(|experiment| {
        let same = experiment
            .aliases
            .iter()
            .map(settings)
            .collect::<Vec<_>>()
            .join(" | ");
        vec![
            experiment.id.clone(),
            settings(&experiment.varying),
            experiment.engine_key[..8].to_owned(),
            same,
        ]
    });
    out.push_str(&table(
        &["experiment", "varying", "engine", "same as"],
        rows.collect(),
        usize::MAX,
    ));
    out.push_str("\n\n");
    let rows = view.steps.iter().enumerate().map(|(number, step)| {
        let gap = match &step.step {
            Step::Measure { run } if view.runs[*run].gap_seconds > 0.0 => {
                format!("gap {} s", view.runs[*run].gap_seconds)
            }
            _ => String::new(),
        };
        vec![(number + 1).to_string(), step.id.clone(), gap]
    });
    out.push_str(&table(&["#", "step", ""], rows.collect(), usize::MAX));
    let estimate = &view.estimate;
    let _ = write!(
        out,
        "\n\nTime: at least {:.0} s ({:.0} s measuring, {:.0} s baselines, {:.0} s gaps), with warm-up up to {:.0} s; \
         {} engine loads come on top",
        estimate.at_least(),
        estimate.measuring_seconds,
        estimate.baseline_seconds,
        estimate.gap_seconds,
        estimate.with_warmup(),
        estimate.loads
    );
    out
}

/// `batch_size=4 dtype=float32`.
pub(super) fn settings(settings: &BTreeMap<String, Value>) -> String {
    let words = settings.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        value => format!("{name}={value}"),
    });
    words.collect::<Vec<_>>().join(" ")
}
