//! Whether the workload fits the grid: every point has its lengths and its pace, once, and what the file of
//! prompts needs is there.

use std::collections::BTreeSet;

use lem_protocol::{Model, Weights};

use super::{Loader, find_key};
use crate::campaign::grid::{CONCURRENCY, Grid, INPUT_TOKENS, OUTPUT_TOKENS, Product, RATE};
use crate::campaign::model::ModelRequest;
use crate::campaign::prompts::{PromptInput, PromptLine};
use crate::campaign::workload::{
    ArrivalPlan, Lengths, MAX_ARRIVALS, OutputSpec, Source, WorkloadPlan,
};
use crate::catalogue::VocabularySource;
use crate::diagnostics::Problem;

/// Most input tokens of all of a campaign's workloads together.
const MAX_TOTAL_TOKENS: u64 = 16 * 1024 * 1024;
/// Longest schedule of an open loop, in seconds.
const MAX_SCHEDULE_SECONDS: f64 = 86_400.0;

impl Loader<'_> {
    /// Whether every point has its lengths and its pace, once, and the prompts are of a bearable size.
    pub(super) fn workload_fits(&mut self, plan: &WorkloadPlan, model: &ModelRequest, grid: &Grid) {
        if grid.products.is_empty() {
            return;
        }
        match &plan.source {
            Source::Synthetic { input_tokens, .. } => {
                let path = ["workload", "synthetic", "input_tokens"];
                self.once(grid, INPUT_TOKENS, &path, input_tokens.is_some());
            }
            Source::Lines { .. } => self.never(
                grid,
                INPUT_TOKENS,
                "the lengths of inputs come from the file",
            ),
        }
        self.outputs(plan, grid);
        self.pace(plan, grid);
        self.inputs(plan, model, grid);
        self.size(plan, model.is_made_of_parameters(), grid);
    }

    fn outputs(&mut self, plan: &WorkloadPlan, grid: &Grid) {
        let synthetic = matches!(plan.source, Source::Synthetic { .. });
        let path = if synthetic {
            vec!["workload", "synthetic", "output_tokens"]
        } else {
            self.lines_at("output_tokens")
        };
        let has = |line: &PromptLine| line.output_tokens.is_some();
        let (all, none) = (
            !synthetic && plan.lines().iter().all(has),
            !plan.lines().iter().any(has),
        );
        let fixed = plan.output == Some(OutputSpec::Fixed);
        if plan.output == Some(OutputSpec::File) && !all {
            let place = self.lines_at("output");
            self.say(
                &place,
                "output `file` needs `output_tokens` in every line of the file",
                Some("add them, or write `output: fixed` and `output_tokens`"),
            );
            return;
        }
        if fixed && none {
            let place = self.lines_at("output");
            self.say(
                &place,
                "output `fixed` has no effect: no line of the file says its own `output_tokens`",
                Some("remove the key"),
            );
        }
        if all && !fixed {
            self.never(
                grid,
                OUTPUT_TOKENS,
                "every line of the file says its own `output_tokens`",
            );
            if plan.output_tokens.is_some() {
                self.say(
                    &path,
                    "`output_tokens` has no effect: every line of the file says its own",
                    Some("remove the key, or write `output: fixed`"),
                );
            }
        } else {
            self.once(grid, OUTPUT_TOKENS, &path, plan.output_tokens.is_some());
        }
    }

    /// Concurrency and rate: each where its arrival has it.
    fn pace(&mut self, plan: &WorkloadPlan, grid: &Grid) {
        let arrival = ["workload", "arrival"];
        match plan.arrival {
            ArrivalPlan::ClosedLoop { concurrency } => {
                let path = [&arrival[..], &["closed_loop", "concurrency"]].concat();
                self.once(grid, CONCURRENCY, &path, concurrency.is_some());
            }
            ArrivalPlan::Batch => self.never(
                grid,
                CONCURRENCY,
                "requests arrive in batches: use `arrival: {closed_loop: {}}`",
            ),
            ArrivalPlan::OpenLoop { .. } | ArrivalPlan::Trace { .. } => self.never(
                grid,
                CONCURRENCY,
                "requests arrive when they are due, however many are in flight",
            ),
        }
        match plan.arrival {
            ArrivalPlan::OpenLoop { rate, .. } => {
                let path = [&arrival[..], &["open_loop", "rate"]].concat();
                self.once(grid, RATE, &path, rate.is_some());
                self.schedule(plan, grid, rate);
            }
            ArrivalPlan::Trace { .. } => {
                self.never(grid, RATE, "the trace says when requests are due");
            }
            ArrivalPlan::Batch | ArrivalPlan::ClosedLoop { .. } => self.never(
                grid,
                RATE,
                "requests have no times: use `arrival: {open_loop: {}}`",
            ),
        }
    }

    /// Whether schedules have a bearable length and number of requests.
    fn schedule(&mut self, plan: &WorkloadPlan, grid: &Grid, rate: Option<f64>) {
        let axes = grid.products.iter().flat_map(|product| &product.axes);
        let set = axes
            .flat_map(|axis| &axis.settings)
            .filter_map(|setting| setting.get(RATE)?.as_f64());
        let rates: Vec<f64> = set.chain(rate).collect();
        let most = rates.iter().copied().fold(0.0, f64::max);
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let requests = (most * plan.measure.min_seconds).max(f64::from(plan.measure.min_requests));
        let seconds = f64::from(plan.measure.min_requests) / least;
        // Random gaps may need more than their mean says.
        if requests > MAX_ARRIVALS / 2.0 {
            self.say(
                &["workload", "measure"],
                format!(
                    "{requests:.0} requests would arrive; at most {} are planned",
                    MAX_ARRIVALS / 2.0
                ),
                Some("lower `min_seconds`, `min_requests` or the rate"),
            );
        } else if seconds > MAX_SCHEDULE_SECONDS / 2.0 {
            self.say(
                &["workload", "measure"],
                format!(
                    "{} requests at {least} a second take {seconds:.0} s; at most {} s are planned",
                    plan.measure.min_requests,
                    MAX_SCHEDULE_SECONDS / 2.0
                ),
                Some("lower `min_requests`, or raise the rate"),
            );
        }
    }

    /// Texts and messages need a tokenizer, natural ends a model that was trained.
    fn inputs(&mut self, plan: &WorkloadPlan, model: &ModelRequest, grid: &Grid) {
        let file = self.lines_at("file");
        let any = |of: fn(&PromptInput) -> bool| plan.lines().iter().any(|line| of(&line.input));
        let chat = any(|input| matches!(input, PromptInput::Messages(_)));
        let text = any(|input| matches!(input, PromptInput::Text(_)));
        for (backend, catalogue) in grid.catalogues() {
            let own = matches!(
                catalogue.vocabulary().source(),
                VocabularySource::Parameter(_)
            );
            if text && own && catalogue.vocabulary().tokenizer.is_none() {
                let message = format!(
                    "the file has texts, but `{backend}` has no tokenizer that lemctl knows"
                );
                self.say(&file, message, Some("give `token_ids` instead of `text`"));
            }
            if chat && own {
                let message =
                    format!("the file has messages, but `{backend}` has no chat template");
                self.say(
                    &file,
                    message,
                    Some("give `token_ids` instead of `messages`"),
                );
            }
        }
        let bare = matches!(
            model.model,
            Model::Random {
                config: Some(_),
                ..
            } | Model::Dummy { .. }
        );
        if bare && (text || chat) {
            self.say(
                &file,
                "the file has texts, but a model that is made of a `config` alone has no tokenizer",
                Some("give `token_ids`, or a model from a folder or a hub"),
            );
        }
        if plan.chat_template.is_some() && !chat {
            let place = self.lines_at("chat_template");
            self.say(
                &place,
                "`chat_template` has no effect: the file has no `messages`",
                Some("remove the key"),
            );
        }
        if plan.output == Some(OutputSpec::Natural) && model.weights() != Weights::Real {
            let place = self.lines_at("output");
            self.say(
                &place,
                "an output that ends naturally needs trained weights: where random ones end is noise",
                Some("write a fixed length, or use a model with real weights"),
            );
        }
    }

    /// An axis, or the workload itself, sets a value: one of them at every point, and neither in vain.
    fn once(&mut self, grid: &Grid, axis: &str, path: &[&str], base: bool) {
        let sets = |product: &Product| {
            product.axes.iter().any(|own| {
                own.settings
                    .iter()
                    .all(|setting| setting.contains_key(axis))
            })
        };
        let key = path.last().copied().unwrap_or_default();
        let mut axes = grid.products.iter().flat_map(|product| &product.axes);
        // What is written but in no product was wrong, and was told already.
        let refused =
            find_key(self.root, axis).is_some() && !axes.any(|own| own.names.contains(axis));
        match (base, grid.products.iter().all(sets)) {
            (true, true) => {
                let message = format!("`{key}` has no effect: every point sets `{axis}`");
                self.say(path, message, Some("remove the key, or the axis"));
            }
            (false, false) if self.root.find(path).is_none() && !refused => {
                let message = format!("`{key}` is not set, and not every point sets `{axis}`");
                self.say(path, message, Some("give one of them"));
            }
            _ => {}
        }
    }

    fn never(&mut self, grid: &Grid, axis: &str, why: &str) {
        let axes = grid.products.iter().flat_map(|product| &product.axes);
        if axes.into_iter().any(|own| own.names.contains(axis)) {
            let place = find_key(self.root, axis).unwrap_or(self.root.place);
            self.problems.push(Problem::new(
                place,
                format!("`{axis}` has no effect here: {why}"),
            ));
        }
    }

    fn size(&mut self, plan: &WorkloadPlan, bytes: bool, grid: &Grid) {
        let values = |product: &Product, name: &str| -> Vec<Option<u32>> {
            let settings = product
                .axes
                .iter()
                .filter(|axis| axis.names.contains(name))
                .flat_map(|axis| &axis.settings);
            let set: BTreeSet<u32> = settings
                .filter_map(|setting| u32::try_from(setting.get(name)?.as_u64()?).ok())
                .collect();
            if set.is_empty() {
                vec![None]
            } else {
                set.into_iter().map(Some).collect()
            }
        };
        let mut total: u64 = 0;
        'products: for product in &grid.products {
            let vocabularies = match product.catalogue.vocabulary().source() {
                VocabularySource::Parameter(name) => values(product, name).len() as u64,
                VocabularySource::Model => 1,
            };
            // Each rate has a file of its own.
            let rates: BTreeSet<String> = product
                .axes
                .iter()
                .flat_map(|axis| &axis.settings)
                .filter_map(|setting| Some(setting.get(RATE)?.to_string()))
                .collect();
            let rates = rates.len().max(1) as u64;
            for input_tokens in values(product, INPUT_TOKENS) {
                for output_tokens in values(product, OUTPUT_TOKENS) {
                    let axes = Lengths {
                        input_tokens,
                        output_tokens,
                    };
                    let sum = plan.longest(axes, bytes).sum;
                    total = total.saturating_add(sum.saturating_mul(vocabularies * rates));
                    if total > MAX_TOTAL_TOKENS {
                        break 'products;
                    }
                }
            }
        }
        if total > MAX_TOTAL_TOKENS {
            let message = format!(
                "the prompts of all workloads have more than {MAX_TOTAL_TOKENS} tokens together"
            );
            self.say(
                &["workload"],
                message,
                Some("lower `prompts`, or shorten the axes over lengths"),
            );
        }
    }
}
