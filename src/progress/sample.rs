//! For tests of what is shown: a plan of one run, and a text that means harm.

use std::sync::Arc;

use crate::campaign::{PromptSource, load};
use crate::catalogue::Catalogues;
use crate::diagnostics::is_obeyed;
use crate::execution::State;
use crate::plan::Plan;

/// Clear, title, bell, an 8-bit colour, another direction of writing, width zero.
pub(super) const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}evil";

/// It is there, and drives nothing.
#[track_caller]
pub(super) fn assert_harmless(shown: &str) {
    assert!(shown.contains("evil"), "{shown:?}");
    assert!(!shown.contains(is_obeyed), "{shown:?}");
}

const CAMPAIGN: &str = "
campaign_name: sample
model: {random: {seed: 1}}
workload:
  synthetic: {input_tokens: 8, output_tokens: 4}
  arrival: batch
  measure: {min_seconds: 0, min_requests: 1}
grid: {backends: [reference], shared: {batch_size: 1}}
";

struct NoPrompts;

impl PromptSource for NoPrompts {
    fn read(&self, _: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }
}

/// A plan of one run, whose id means harm too.
pub(super) fn planned() -> (Arc<Plan>, State) {
    let catalogue = include_str!("../../catalogues/reference-0.1.0.json").to_owned();
    let texts = [("reference-0.1.0.json".to_owned(), catalogue)];
    let catalogues = Catalogues::read(&texts.into()).unwrap();
    let campaign = load("sample.yaml", CAMPAIGN, &catalogues, &NoPrompts).unwrap();
    let mut plan = Plan::new(&campaign, campaign.expand().experiments);
    plan.runs[0].id = HOSTILE.to_owned();
    let plan = Arc::new(plan);
    (plan.clone(), State::new(plan))
}
