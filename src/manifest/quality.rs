//! The quality of each experiment of a campaign, whether it was assessed or not.

use crate::campaign::Campaign;
use crate::execution::{Assessed, ResultFile, State};
use crate::quality::{Quality, codes};
use crate::units::Digest;

/// The quality of an experiment, as it stands.
#[must_use]
pub fn quality(campaign: &Campaign, state: &State, experiment: &Digest) -> Quality {
    if let Some(quality) = campaign.unassessed() {
        return quality;
    }
    match assessed(campaign, state, experiment) {
        Some(assessed) => assessed.quality.clone(),
        None => Quality::not_assessed(
            codes::NOT_ASKED,
            "its engine was not asked: no run of it was accepted yet, or lemctl ended before",
        ),
    }
}

/// The record on which it rests, if there is one.
pub(super) fn quality_record(
    campaign: &Campaign,
    state: &State,
    experiment: &Digest,
) -> Option<ResultFile> {
    assessed(campaign, state, experiment)?.file.clone()
}

/// What was made of the campaign's own prompts: an edited campaign may have others than those that were answered.
fn assessed<'a>(
    campaign: &Campaign,
    state: &'a State,
    experiment: &Digest,
) -> Option<&'a Assessed> {
    state
        .quality(experiment)
        .filter(|assessed| assessed.prompts == campaign.quality.prompts.digest)
}
