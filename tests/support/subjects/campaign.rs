//! A campaign file: text → campaign → grid → experiments → plan → first decision.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use lemctl::campaign::{Campaign, CampaignReport, PromptSource, load};
use lemctl::catalogue::{Catalogues, joined};
use lemctl::execution::{State, decide};
use lemctl::plan::{Estimate, Plan, dot, mermaid};
use lemctl::report::{plan_text, plan_view};

/// Points above which a grid is counted and not built: building more takes longer and shows nothing new.
const MOST_POINTS: u64 = 256;
/// Runs above which a plan is not built.
const MOST_RUNS: usize = 2_000;

static CATALOGUES: LazyLock<Catalogues> = LazyLock::new(|| {
    let folder = super::repository().join("catalogues");
    let files = folder.read_dir_utf8().unwrap();
    let texts: BTreeMap<String, String> = files
        .map(|file| file.unwrap())
        .map(|file| {
            let text = std::fs::read_to_string(file.path()).unwrap();
            (file.file_name().to_owned(), text)
        })
        .collect();
    Catalogues::read(&joined(texts).unwrap()).unwrap()
});

static PROMPTS: LazyLock<Files> = LazyLock::new(|| {
    let mut files = BTreeMap::new();
    for folder in [
        "campaigns",
        "campaigns/models",
        "campaigns/quality",
        "tests/invalid",
    ] {
        let folder = super::repository().join(folder);
        for file in folder.read_dir_utf8().unwrap() {
            let file = file.unwrap();
            if let Ok(text) = std::fs::read_to_string(file.path()) {
                files.insert(file.file_name().to_owned(), text);
            }
        }
    }
    Files(files)
});

/// Files beside a campaign, by their last name.
struct Files(BTreeMap<String, String>);

impl PromptSource for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let found = self.0.get(name).cloned();
        found.ok_or_else(|| "no such file".to_owned())
    }

    fn folder(&self, path: &str) -> Result<String, String> {
        Ok(format!("/models/{path}"))
    }
}

fn loaded(text: &str) -> Result<Campaign, CampaignReport> {
    load("fuzzed.yaml", text, &CATALOGUES, &*PROMPTS)
}

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let campaign = match loaded(&text) {
        Ok(campaign) => campaign,
        Err(report) => {
            super::assert_printable(&report.to_string());
            assert!(report.report().problems().next().is_some());
            return;
        }
    };
    if campaign.count().total > MOST_POINTS {
        return;
    }
    let mut expansion = campaign.expand();
    let experiments = std::mem::take(&mut expansion.experiments);
    assert!(!experiments.is_empty(), "an accepted file plans nothing");
    let cycles = campaign.execution.cycles.initial() as usize;
    if experiments.len().saturating_mul(cycles) > MOST_RUNS {
        return;
    }
    let digest = campaign.policy_digest(&experiments);
    let plan = Arc::new(Plan::new(&campaign, experiments));
    let estimate = Estimate::of(&plan, &campaign);
    assert!(estimate.at_least() >= 0.0 && estimate.with_warmup().is_finite());
    let text = plan_text(&plan_view(&campaign, &expansion, &plan));
    super::assert_printable(&text);
    let _ = (dot(&plan), mermaid(&plan));
    let again = loaded(&campaign.text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(digest, again.policy_digest(&plan.experiments));
    let mut state = State::new(plan);
    let _ = decide(&mut state);
}
