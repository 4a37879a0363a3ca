//! Parameters that an engine no longer has.

use serde::Deserialize;

/// A parameter of earlier versions: a campaign that still names it is told what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Its name.
    pub name: String,
    /// The last version that had it.
    pub last_version: String,
    /// What takes its place, if something does.
    #[serde(default)]
    pub instead: Option<String>,
    /// More about it.
    #[serde(default)]
    pub note: Option<String>,
}

impl Removed {
    /// What to do about it, in words.
    #[must_use]
    pub fn advice(&self) -> String {
        let note = self.note.as_deref().unwrap_or_default();
        match &self.instead {
            Some(instead) if note.is_empty() => format!("instead: {instead}"),
            Some(instead) => format!("instead: {instead}; {note}"),
            None if note.is_empty() => "nothing takes its place: remove it".to_owned(),
            None => format!("nothing takes its place: {note}"),
        }
    }
}
