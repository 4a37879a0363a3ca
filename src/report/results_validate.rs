//! `lemctl results validate`: PASS or FAIL a rule, with the values.

use super::table;
use super::tree::printable;
use crate::energy::{Outcome, RulesKind};
use crate::manifest::Validation;

/// A validation as text: one line a rule.
#[must_use]
pub fn validation_text(validation: &Validation) -> String {
    let kind = match validation.thresholds.kind {
        RulesKind::Quick => "quick",
        RulesKind::Campaign => "campaign",
    };
    let rows = validation.rules.iter().map(|rule| {
        vec![
            word(rule.outcome).to_owned(),
            rule.rule.clone(),
            printable(&rule.detail),
        ]
    });
    let count = |outcome| {
        let rules = validation.rules.iter();
        rules.filter(|rule| rule.outcome == outcome).count()
    };
    let failed = count(Outcome::Fail);
    let verdict = match failed {
        0 => "PASS",
        _ => "FAIL",
    };
    format!(
        "campaign {} {}: rules of kind `{kind}`\n\n{}\n\n{verdict}: {} rules pass, {failed} fail, {} are not applicable",
        validation.campaign,
        validation.id,
        table(&["", "rule", "values"], rows.collect(), usize::MAX),
        count(Outcome::Pass),
        count(Outcome::NotApplicable),
    )
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail => "FAIL",
        Outcome::NotApplicable => "-",
    }
}
