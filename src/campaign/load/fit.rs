//! Whether the parts of a file fit each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Loader, find_key};
use crate::campaign::Campaign;
use crate::campaign::grid::{
    CONCURRENCY, Grid, INPUT_TOKENS, MAX_RAW_POINTS, OUTPUT_TOKENS, Product,
};
use crate::campaign::prompts::PromptLine;
use crate::campaign::workload::{ArrivalPlan, Lengths, Source, WorkloadPlan};
use crate::catalogue::VocabularySource;
use crate::diagnostics::Problem;

/// Most input tokens of all of a campaign's workloads together.
const MAX_TOTAL_TOKENS: u64 = 16 * 1024 * 1024;

/// Most valid points of a campaign: an experiment takes a few kilobytes.
const MAX_VALID_POINTS: usize = 200_000;
/// Most runs of a campaign: at one a second they take eleven days.
const MAX_RUNS: usize = 1_000_000;

impl Loader<'_> {
    pub(super) fn gpus_fit(&mut self, gpus: &[String], grid: &Grid) {
        let catalogues = grid.catalogues();
        if !gpus.is_empty()
            && !catalogues.is_empty()
            && catalogues
                .values()
                .all(|catalogue| !catalogue.may_name_gpus())
        {
            let backends: Vec<&str> = catalogues.into_keys().collect();
            let message = format!(
                "GPUs are named, but every backend of the campaign runs on the CPU ({})",
                backends.join(", ")
            );
            self.say(
                &["gpus"],
                message,
                Some("remove `gpus`, or add a backend that uses them"),
            );
        }
    }

    pub(super) fn bounds(&mut self, grid: &Grid) {
        let total = grid.count().total;
        if total > MAX_RAW_POINTS {
            let message =
                format!("the grid has {total} raw points; at most {MAX_RAW_POINTS} are expanded");
            self.say(
                &["grid"],
                message,
                Some("shorten axes, or split the campaign"),
            );
        }
    }

    /// Whether every point has its lengths and concurrency, once, and the prompts are of a bearable size.
    pub(super) fn workload_fits(&mut self, plan: &WorkloadPlan, grid: &Grid) {
        if grid.products.is_empty() {
            return;
        }
        let synthetic = matches!(plan.source, Source::Synthetic { .. });
        let kind = if synthetic { "synthetic" } else { "jsonl" };
        let own = |has: fn(&PromptLine) -> bool| match &plan.source {
            Source::Lines { lines, .. } => lines.iter().all(has),
            Source::Synthetic { .. } => false,
        };
        let (input, output) = (
            ["workload", kind, "input_tokens"],
            ["workload", kind, "output_tokens"],
        );
        if synthetic {
            let Source::Synthetic { input_tokens, .. } = &plan.source else {
                return;
            };
            self.once(grid, INPUT_TOKENS, &input, input_tokens.is_some());
        } else {
            self.never(
                grid,
                INPUT_TOKENS,
                "the lengths of inputs come from the file",
            );
        }
        if own(|line| line.output_tokens.is_some()) {
            self.never(
                grid,
                OUTPUT_TOKENS,
                "every line of the file says its own `output_tokens`",
            );
            if plan.output_tokens.is_some() {
                self.say(
                    &output,
                    "`output_tokens` has no effect: every line of the file says its own",
                    Some("remove the key"),
                );
            }
        } else {
            self.once(grid, OUTPUT_TOKENS, &output, plan.output_tokens.is_some());
        }
        match plan.arrival {
            ArrivalPlan::Batch => self.never(
                grid,
                CONCURRENCY,
                "requests arrive in batches: use `arrival: {closed_loop: {}}`",
            ),
            ArrivalPlan::ClosedLoop { concurrency } => {
                self.once(
                    grid,
                    CONCURRENCY,
                    &["workload", "arrival", "closed_loop", "concurrency"],
                    concurrency.is_some(),
                );
            }
        }
        if plan.has_text() {
            for (backend, catalogue) in grid.catalogues() {
                if catalogue.vocabulary().tokenizer.is_none() {
                    let message = format!(
                        "the file has texts, but `{backend}` has no tokenizer that lemctl knows"
                    );
                    self.say(
                        &["workload", "jsonl", "file"],
                        message,
                        Some("give `token_ids` instead of `text`"),
                    );
                }
            }
        }
        self.size(plan, grid);
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
        match (base, grid.products.iter().all(sets)) {
            (true, true) => {
                let message = format!("`{key}` has no effect: every point sets `{axis}`");
                self.say(path, message, Some("remove the key, or the axis"));
            }
            // What is written but wrong was told already.
            (false, false)
                if self.root.find(path).is_none() && find_key(self.root, axis).is_none() =>
            {
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

    fn size(&mut self, plan: &WorkloadPlan, grid: &Grid) {
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
            for input_tokens in values(product, INPUT_TOKENS) {
                for output_tokens in values(product, OUTPUT_TOKENS) {
                    let longest = plan.longest(Lengths {
                        input_tokens,
                        output_tokens,
                    });
                    total = total.saturating_add(longest.sum.saturating_mul(vocabularies));
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

    fn runs(&mut self, campaign: &Campaign, points: usize) {
        let cycles = campaign
            .execution
            .cycles
            .most(&campaign.execution.auto_cycles) as usize;
        let (what, hint) = if points > MAX_VALID_POINTS {
            (
                format!("{points} points are valid; at most {MAX_VALID_POINTS} are expanded"),
                "shorten axes, or `exclude` points",
            )
        } else if points.saturating_mul(cycles) > MAX_RUNS {
            (
                format!("{points} points in {cycles} cycles are more than {MAX_RUNS} runs"),
                "shorten axes, or lower `execution.cycles`",
            )
        } else {
            return;
        };
        self.say(&["grid"], what, Some(hint));
    }

    /// A campaign whose rules leave nothing cannot be meant, nor one that would run for years.
    pub(super) fn points_fit(&mut self, campaign: &Campaign) {
        let survey = campaign.survey();
        self.runs(campaign, survey.kept.len());
        if !survey.kept.is_empty() {
            return;
        }
        let mut rules: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for pruned in &survey.pruned {
            let key = (pruned.point.product, pruned.rule);
            if rules.len() < 8 || rules.contains_key(&format!("{key:?}")) {
                let told = rules.entry(format!("{key:?}")).or_insert_with(|| {
                    let point = campaign.describe(pruned);
                    (0, format!("{} ({})", point.rule, point.message))
                });
                told.0 += 1;
            }
        }
        let rules: Vec<String> = rules
            .into_values()
            .map(|(count, rule)| format!("{count} by {rule}"))
            .collect();
        let section = if self.root.find(&["grid"]).is_some() {
            "grid"
        } else {
            "experiments"
        };
        let message = format!(
            "no point is valid: of {} points, {}",
            survey.pruned.len(),
            rules.join("; ")
        );
        self.say(&[section], message, None);
    }
}
