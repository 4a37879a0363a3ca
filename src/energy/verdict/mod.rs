//! What becomes of a run and of a campaign, by rules with stable codes (docs/verdicts.md).

mod rules;

pub use rules::{Coherent, RulesKind, VerdictRules};
