//! What differs between two extractions, for people.

use std::fmt::Write;

use serde::Serialize;

use crate::catalogue::{Differences, Named, What};

/// A campaign file that a change of version breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenCampaign {
    /// The file.
    pub file: String,
    /// What in it no longer holds; empty if it still does.
    pub breaks: Vec<String>,
    /// Why the file could not be looked at.
    pub not_read: Option<String>,
}

/// The differences as lines: `old` and `new` say what was compared.
#[must_use]
pub fn differences_text(
    old: &str,
    new: &str,
    differences: &Differences,
    campaigns: &[BrokenCampaign],
) -> String {
    let Differences {
        added,
        dropped,
        changed,
    } = differences;
    let mut text = format!(
        "{old} → {new}: {} added, {} dropped, {} changed",
        added.len(),
        dropped.len(),
        changed.len()
    );
    names(&mut text, "added", added);
    names(&mut text, "dropped", dropped);
    if !changed.is_empty() {
        let _ = write!(text, "\n\nchanged:");
    }
    for change in changed {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {}: {} ", change.name, change.what.word());
        if change.old.is_empty() && change.what == What::Takes {
            let _ = write!(text, "{}", change.new);
        } else {
            let _ = write!(text, "{} → {}", or_none(&change.old), or_none(&change.new));
        }
    }
    let told = campaigns
        .iter()
        .filter(|campaign| !campaign.breaks.is_empty() || campaign.not_read.is_some());
    let mut first = true;
    for campaign in told {
        if std::mem::take(&mut first) {
            let _ = write!(text, "\n\ncampaigns:");
        }
        if let Some(reason) = &campaign.not_read {
            let _ = write!(text, "\n  {}: not looked at: {reason}", campaign.file);
        }
        for breaks in &campaign.breaks {
            let _ = write!(text, "\n  {}: {breaks}", campaign.file);
        }
    }
    text
}

fn names(text: &mut String, title: &str, names: &[Named]) {
    if names.is_empty() {
        return;
    }
    let _ = write!(text, "\n\n{title}:");
    for named in names {
        let _ = write!(
            text,
            "\n  {}: takes {}, default {}",
            named.name, named.takes, named.default
        );
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}
