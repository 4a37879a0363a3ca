//! The text of a campaign file → a [`Campaign`], or everything that is wrong with it.

use std::sync::Arc;

use lem_protocol::Model;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::grid::{CONCURRENCY, Grid, INPUT_TOKENS, MAX_RAW_POINTS, OUTPUT_TOKENS};
use super::policy::{ExecutionPolicy, WarmupPolicy};
use super::prompts::{self, PromptLine};
use super::read_grid::GridReader;
use super::spec::{
    ArrivalSpec, JsonlSpec, LengthSpec, Lognormal, MAX_LENGTH, ModelSpec, WorkloadSpec,
};
use super::workload::{ArrivalPlan, Lengths, Source, WorkloadPlan, sample};
use super::{Campaign, CampaignReport, PromptSource};
use crate::catalogue::Catalogues;
use crate::diagnostics::{Place, Problem};
use crate::document::{Node, read, shape};

/// Most input tokens of all of a campaign's workloads together.
const MAX_TOTAL_TOKENS: u64 = 16 * 1024 * 1024;

/// Validates a campaign file. `file` is its name for messages.
///
/// # Errors
/// Every problem of the file, each at its place.
pub fn load(
    file: &str,
    text: &str,
    catalogues: &Catalogues,
    prompts: &dyn PromptSource,
) -> Result<Campaign, CampaignReport> {
    let report = |problems| CampaignReport::new(file, text, problems);
    let document = read(text).map_err(|problem| report(vec![problem]))?;
    let mut loader = Loader {
        root: &document.root,
        problems: document.problems,
        prompts,
    };
    let campaign = loader.campaign(text, catalogues);
    match campaign {
        Some(campaign) if loader.problems.is_empty() => Ok(campaign),
        _ => Err(report(loader.problems)),
    }
}

struct Loader<'a> {
    root: &'a Node,
    problems: Vec<Problem>,
    prompts: &'a dyn PromptSource,
}

impl Loader<'_> {
    fn campaign(&mut self, text: &str, catalogues: &Catalogues) -> Option<Campaign> {
        let mut misfits = Vec::new();
        let sections = shape::check(self.root, super::schema(), &mut misfits);
        // A value that could not be read was told; that it is not there is no second problem.
        misfits.retain(|misfit| {
            self.problems
                .iter()
                .all(|problem| problem.place != misfit.place)
        });
        self.problems.append(&mut misfits);
        let sections = sections?;
        let name = self.name(&sections);
        let model = self.model(&sections);
        let gpus: Vec<String> = section(&sections, "gpus").unwrap_or_default();
        self.gpu_names();
        let workload: Option<WorkloadSpec> = section(&sections, "workload");
        let plan = workload.and_then(|spec| self.plan(&spec));
        let mut reader = GridReader::new(self.root, catalogues, &mut self.problems);
        let grid = reader.grid();
        self.gpus_fit(&gpus, &grid);
        self.bounds(&grid);
        if let Some(plan) = &plan {
            self.workload_fits(plan, &grid);
        }
        if !self.problems.is_empty() {
            return None;
        }
        let campaign = Campaign {
            name: name?,
            text: text.to_owned(),
            model: model?,
            execution: section::<ExecutionPolicy>(&sections, "execution").unwrap_or_default(),
            warmup: section::<WarmupPolicy>(&sections, "warmup").unwrap_or_default(),
            baseline: section(&sections, "baseline").unwrap_or_default(),
            gpus,
            grid,
            plan: plan?,
        };
        self.something_is_valid(&campaign);
        Some(campaign)
    }

    fn say(&mut self, path: &[&str], message: impl Into<String>, hint: Option<&str>) {
        let place = self.place(path);
        self.problems.push(Problem {
            place,
            message: message.into(),
            hint: hint.map(str::to_owned),
        });
    }

    /// Where a path leads: its key, or the nearest one above it that is written.
    fn place(&self, path: &[&str]) -> Place {
        let mut place = self.root.place;
        let mut node = self.root;
        for key in path {
            match node.as_map().and_then(|map| map.entry(key)) {
                Some(entry) => (place, node) = (entry.key_place, &entry.node),
                None => break,
            }
        }
        place
    }

    fn name(&mut self, sections: &Json) -> Option<String> {
        let name: String = section(sections, "campaign_name")?;
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let first = name.bytes().next().is_some_and(good);
        if first
            && name
                .bytes()
                .all(|byte| good(byte) || b"._-".contains(&byte))
        {
            return Some(name);
        }
        let place = self
            .root
            .find(&["campaign_name"])
            .map_or(self.root.place, |node| node.place);
        let hint = "a name has a-z, 0-9, `.`, `_` and `-`, and begins with a letter or digit: it names folders and containers";
        self.problems
            .push(Problem::new(place, format!("`{name}` cannot name a campaign")).hint(hint));
        None
    }

    fn model(&mut self, sections: &Json) -> Option<Model> {
        for kind in ["hub", "path"] {
            if self.root.find(&["model", kind]).is_some() {
                let place = self.place(&["model", kind]);
                // Said better than the schema can.
                self.problems.retain(|problem| problem.place != place);
                let message = format!(
                    "a model from `{kind}` needs a backend that loads weights; none is in this version of lemctl"
                );
                self.problems
                    .push(Problem::new(place, message).hint("use `model: {random: {seed: 0}}`"));
            }
        }
        section(sections, "model").map(|ModelSpec::Random { seed }| Model::Random { seed })
    }

    fn gpu_names(&mut self) {
        let gpus = self
            .root
            .find(&["gpus"])
            .and_then(Node::as_list)
            .unwrap_or_default();
        for node in gpus {
            let Some(name) = node.as_text() else { continue };
            let uuid = name
                .strip_prefix("GPU-")
                .or_else(|| name.strip_prefix("MIG-"));
            let good = uuid.is_some_and(|uuid| {
                !uuid.is_empty()
                    && uuid
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
            });
            if !good {
                let problem =
                    Problem::new(node.place, format!("`{name}` is not the UUID of a GPU"));
                self.problems.push(
                    problem
                        .hint("`nvidia-smi -L` lists them: GPU-… ; indices change between boots"),
                );
            }
        }
    }

    fn gpus_fit(&mut self, gpus: &[String], grid: &Grid) {
        let catalogues = grid.catalogues();
        if !gpus.is_empty()
            && !catalogues.is_empty()
            && catalogues.values().all(|catalogue| !catalogue.needs_gpu())
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

    fn plan(&mut self, spec: &WorkloadSpec) -> Option<WorkloadPlan> {
        let (source, output_tokens) = match (&spec.synthetic, &spec.jsonl) {
            (Some(synthetic), None) => {
                let source = Source::Synthetic {
                    input_tokens: synthetic.input_tokens,
                    seed: synthetic.seed,
                    prompts: synthetic.prompts,
                };
                let input = self.length(
                    &["workload", "synthetic", "input_tokens"],
                    synthetic.input_tokens,
                );
                let output = self.length(
                    &["workload", "synthetic", "output_tokens"],
                    synthetic.output_tokens,
                );
                (input && output).then_some((source, synthetic.output_tokens))?
            }
            (None, Some(jsonl)) => {
                let output =
                    self.length(&["workload", "jsonl", "output_tokens"], jsonl.output_tokens);
                let source = self.lines(jsonl)?;
                output.then_some((source, jsonl.output_tokens))?
            }
            (Some(_), Some(_)) => {
                self.say(
                    &["workload", "jsonl"],
                    "`workload` has both `synthetic` and `jsonl`",
                    Some("keep one of them"),
                );
                return None;
            }
            (None, None) => {
                // A source that is written but wrong has been told already.
                if self.root.find(&["workload", "synthetic"]).is_none()
                    && self.root.find(&["workload", "jsonl"]).is_none()
                {
                    let hint = "for example `synthetic: {input_tokens: 128, output_tokens: 32}`";
                    self.say(
                        &["workload"],
                        "`workload` needs `synthetic` or `jsonl`",
                        Some(hint),
                    );
                }
                return None;
            }
        };
        let arrival = match spec.arrival {
            ArrivalSpec::Batch => ArrivalPlan::Batch,
            ArrivalSpec::ClosedLoop { concurrency } => ArrivalPlan::ClosedLoop { concurrency },
        };
        Some(WorkloadPlan {
            source,
            output_tokens,
            arrival,
            measure: spec.measure.into(),
        })
    }

    /// Whether a length can be drawn from.
    fn length(&mut self, path: &[&str], length: Option<LengthSpec>) -> bool {
        let Some(LengthSpec::Lognormal(lognormal)) = length else {
            return true;
        };
        let Lognormal { mean, min, max, .. } = lognormal;
        let path = [path, &["lognormal"]].concat();
        if min > max {
            self.say(
                &[&path[..], &["min"]].concat(),
                format!("`min` is {min}, above `max`, which is {max}"),
                None,
            );
        } else if mean < f64::from(min) || mean > f64::from(max) {
            let message =
                format!("`mean` is {mean}, outside of `min` to `max`, which is {min} to {max}");
            self.say(&[&path[..], &["mean"]].concat(), message, None);
        } else {
            return true;
        }
        false
    }

    fn lines(&mut self, jsonl: &JsonlSpec) -> Option<Source> {
        let file = ["workload", "jsonl", "file"];
        let lines = match self.prompts.read(&jsonl.file) {
            Ok(text) => prompts::parse(&jsonl.file, &text, MAX_LENGTH),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", jsonl.file);
                self.say(
                    &file,
                    message,
                    Some("the path is relative to the campaign file"),
                );
                return None;
            }
        };
        let lines = match lines {
            Ok(lines) => lines,
            Err(problems) => {
                for problem in problems {
                    self.say(&file, problem, Some("a line is {\"token_ids\": [1, 2]} or {\"text\": \"…\"}, with an optional \"output_tokens\""));
                }
                return None;
            }
        };
        let wanted = jsonl
            .prompts
            .map_or(lines.len(), |prompts| prompts as usize);
        if wanted > lines.len() {
            let message = format!(
                "{wanted} prompts are asked for, but {} has {}",
                jsonl.file,
                lines.len()
            );
            self.say(
                &["workload", "jsonl", "prompts"],
                message,
                Some(
                    "prompts are sampled without repetition; requests beyond the last start again",
                ),
            );
            return None;
        }
        let lines: Arc<[PromptLine]> = sample(lines, wanted, jsonl.seed).into();
        Some(Source::Lines {
            lines,
            seed: jsonl.seed,
        })
    }

    fn bounds(&mut self, grid: &Grid) {
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
    fn workload_fits(&mut self, plan: &WorkloadPlan, grid: &Grid) {
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
        let sets = |product: &super::grid::Product| {
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
        let values = |product: &super::grid::Product, name: &str| -> Vec<Option<u32>> {
            let settings = product
                .axes
                .iter()
                .filter(|axis| axis.names.contains(name))
                .flat_map(|axis| &axis.settings);
            let set: std::collections::BTreeSet<u32> = settings
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
            let vocabularies =
                values(product, &product.catalogue.vocabulary().parameter).len() as u64;
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

    /// A campaign whose rules leave nothing cannot be meant.
    fn something_is_valid(&mut self, campaign: &Campaign) {
        let survey = campaign.survey();
        if !survey.kept.is_empty() {
            return;
        }
        let mut rules: std::collections::BTreeMap<String, (usize, String)> =
            std::collections::BTreeMap::new();
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

/// A section that fitted the schema; nothing if it is not written, or did not fit.
fn section<T: DeserializeOwned>(sections: &Json, key: &str) -> Option<T> {
    serde_json::from_value(sections.get(key)?.clone()).ok()
}

/// The first place where a key is written, anywhere below a node.
pub(super) fn find_key(node: &Node, key: &str) -> Option<Place> {
    if let Some(items) = node.as_list() {
        return items.iter().find_map(|item| find_key(item, key));
    }
    let map = node.as_map()?;
    map.entries.iter().find_map(|entry| {
        if entry.key == key {
            Some(entry.key_place)
        } else {
            find_key(&entry.node, key)
        }
    })
}
