//! The text of a campaign file → a [`Campaign`], or everything that is wrong with it.

mod exclude;
mod fit;
mod grid;
mod model;
mod names;
mod policy;
mod quality;
mod versions;
mod workload;
mod workload_fit;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::policy::{ExecutionPolicy, WarmupPolicy};
use super::workload::WorkloadSpec;
use super::{Campaign, CampaignReport, PromptSource};
use crate::catalogue::Catalogues;
use crate::diagnostics::{Place, Problem};
use crate::document::{Node, read, shape};
use grid::GridReader;

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
        self.policies_fit(&sections);
        let quality = self.quality(&sections, model.as_ref());
        self.strict_fits(&gpus, &sections);
        let workload: Option<WorkloadSpec> = section(&sections, "workload");
        let plan = workload.and_then(|spec| self.plan(&spec));
        let mut reader = GridReader::new(self.root, catalogues, gpus.len(), &mut self.problems);
        let grid = reader.grid();
        if let Some(model) = &model {
            self.model_fits(model, plan.as_ref(), &grid);
        }
        self.gpus_fit(&gpus, &grid);
        self.profiler_fits(&sections, &grid);
        self.bounds(&grid);
        if let (Some(plan), Some(model)) = (&plan, &model) {
            self.workload_fits(plan, model, &grid);
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
            energy: section(&sections, "energy").unwrap_or_default(),
            leaks: section(&sections, "leaks").unwrap_or_default(),
            rules: section(&sections, "rules").unwrap_or_default(),
            quality: quality?,
            slo: section(&sections, "slo"),
            strict_versions: section(&sections, "strict_versions").unwrap_or_default(),
            gpus,
            grid,
            plan: plan?,
        };
        self.points_fit(&campaign);
        self.reference_fits(&campaign);
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
}

/// A section that fitted the schema; nothing if it is not written, or did not fit.
fn section<T: DeserializeOwned>(sections: &Json, key: &str) -> Option<T> {
    serde_json::from_value(sections.get(key)?.clone()).ok()
}

/// The first place where a key is written, anywhere below a node.
fn find_key(node: &Node, key: &str) -> Option<Place> {
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
