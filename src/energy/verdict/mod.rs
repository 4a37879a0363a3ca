//! What becomes of a run and of a campaign, by rules with stable codes (docs/verdicts.md).

mod campaign;
pub mod codes;
mod identities;
mod rules;
mod ruling;
mod run;

pub use campaign::{
    BaselineRepeats, CampaignEvidence, ExperimentEvidence, Outcome, RuleOutcome, judge_campaign,
};
pub use identities::{GpuLoad, Identities};
pub use rules::{Coherent, RulesKind, VerdictRules};
pub use ruling::{RejectReason, Ruling};
pub use run::{BaselineEvidence, RunEvidence, judge_run};
