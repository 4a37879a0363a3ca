//! A sealed campaign verified by its files and by its own journal, replayed.

use super::open::replayed;
use crate::manifest::{Verification, compare, verify};
use crate::store::Folders;

/// Verifies a sealed campaign: its files first, and only where they are what was sealed also the manifest's words by the
/// journal. Where this version of lemctl cannot replay the journal, the reason is kept.
#[must_use]
pub fn verified(folders: &Folders) -> Verification {
    let found = verify(folders);
    if !found.findings.is_empty() {
        return found;
    }
    match replayed(folders) {
        Ok((planned, state, _)) => compare(found, folders, &planned.campaign, &state),
        Err(why) => Verification {
            not_compared: Some(why.to_string()),
            ..found
        },
    }
}
