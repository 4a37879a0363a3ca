//! Whether the parts of a file fit each other.

use std::collections::BTreeMap;

use super::Loader;
use crate::campaign::Campaign;
use crate::campaign::grid::{Grid, MAX_RAW_POINTS};

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
