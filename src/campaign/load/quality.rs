//! `quality` of the file → the gate.

use lem_protocol::Weights;
use serde_json::Value as Json;

use super::{Loader, section};
use crate::campaign::Campaign;
use crate::campaign::model::ModelRequest;
use crate::campaign::policy::{QualityPolicy, ReferenceSpec};
use crate::campaign::quality::{QualityGate, QualityPrompts};
use crate::catalogue::Predicate;

impl Loader<'_> {
    pub(super) fn quality(
        &mut self,
        sections: &Json,
        model: Option<&ModelRequest>,
    ) -> Option<QualityGate> {
        let policy: QualityPolicy = section(sections, "quality").unwrap_or_default();
        let written = self.root.find(&["quality"]).is_some();
        let real = model.is_none_or(|model| model.weights() == Weights::Real);
        if written && !real {
            self.say(
                &["quality"],
                "`quality` has no effect: what dummy and random weights say means nothing, and is never assessed",
                Some("remove the key, or use a model with real weights"),
            );
            return None;
        }
        if !policy.assess {
            for key in [
                "prompts",
                "reference",
                "max_logprob_difference",
                "min_greedy_agreement",
            ] {
                self.idle(
                    &["quality", key],
                    "`assess` is false",
                    "write `assess: true`, or remove the key",
                );
            }
        } else if policy.reference.is_none() {
            for key in ["max_logprob_difference", "min_greedy_agreement"] {
                self.idle(
                    &["quality", key],
                    "there is no `reference` to differ from",
                    "name the reference experiment, or remove the key",
                );
            }
        }
        if let Some(ReferenceSpec::When(when)) = &policy.reference {
            let (_, flaws) = Predicate::read(&Json::Object(when.clone()));
            for flaw in flaws {
                self.say(
                    &["quality", "reference", "when"],
                    flaw.message,
                    flaw.hint.as_deref(),
                );
            }
        }
        let prompts = match &policy.prompts {
            None => QualityPrompts::own(),
            Some(path) => {
                let read = self
                    .prompts
                    .read(path)
                    .map_err(|error| vec![format!("{path} cannot be read: {error}")]);
                match read.and_then(|text| QualityPrompts::parse(path, &text)) {
                    Ok(prompts) => prompts,
                    Err(problems) => {
                        for problem in problems {
                            self.say(&["quality", "prompts"], problem, None);
                        }
                        return None;
                    }
                }
            }
        };
        Some(QualityGate { policy, prompts })
    }

    /// Whether the words of the file name one of its experiments: known only once the grid is expanded.
    pub(super) fn reference_fits(&mut self, campaign: &Campaign) {
        if campaign.quality.policy.reference.is_none() {
            return;
        }
        let expansion = campaign.expand();
        if let Err(error) = campaign.quality_reference(&expansion.experiments) {
            self.say(
                &["quality", "reference"],
                format!("`reference` names no one experiment: {error}"),
                Some("`lemctl campaign plan` prints the experiments: name one by its id, or by a condition that holds for it alone"),
            );
        }
    }
}
