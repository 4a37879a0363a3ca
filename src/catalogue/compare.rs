//! What differs between two extractions: of two versions, or of a catalogue and what is installed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Entry;

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Names that only the second has.
    pub added: Vec<Named>,
    /// Names that only the first has.
    pub dropped: Vec<Named>,
    /// Names that both have, and what is not the same.
    pub changed: Vec<Changed>,
}

/// A name, with what it takes and its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The name in campaigns.
    pub name: String,
    /// What it takes.
    pub takes: String,
    /// Its default.
    pub default: String,
}

/// One thing of a parameter that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The name in campaigns.
    pub name: String,
    /// What of it.
    pub what: What,
    /// How it is in the first; empty where `new` says all that changed.
    pub old: String,
    /// How it is in the second.
    pub new: String,
}

/// What of a parameter can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Its default.
    Default,
    /// What it takes: kinds, choices, bounds.
    Takes,
    /// Its type as it is written, where what it takes is the same.
    Type,
    /// Whether it is the engine's or a request's.
    Level,
    /// The class or function that has it.
    Owner,
}

impl What {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Type => "type",
            Self::Takes => "takes",
            Self::Level => "level",
            Self::Owner => "owner",
        }
    }
}

impl Differences {
    /// Compares two extractions, whatever their lines and sentences.
    #[must_use]
    pub fn of(old: &[Entry], new: &[Entry]) -> Self {
        let by_name = |entries| -> BTreeMap<String, Entry> {
            <[Entry]>::iter(entries)
                .map(|entry| (entry.name.clone(), entry.clone()))
                .collect()
        };
        let (old, new) = (by_name(old), by_name(new));
        let only = |these: &BTreeMap<String, Entry>, those: &BTreeMap<String, Entry>| {
            let only = these.iter().filter(|(name, _)| !those.contains_key(*name));
            only.map(|(_, entry)| Named::new(entry)).collect()
        };
        let both = old
            .iter()
            .filter_map(|(name, entry)| Some((entry, new.get(name)?)));
        Self {
            added: only(&new, &old),
            dropped: only(&old, &new),
            changed: both.flat_map(|(old, new)| changes(old, new)).collect(),
        }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How much differs.
    #[must_use]
    pub fn count(&self) -> usize {
        self.added.len() + self.dropped.len() + self.changed.len()
    }
}

impl Named {
    fn new(entry: &Entry) -> Self {
        Self {
            name: entry.name.clone(),
            takes: entry.admits(),
            default: entry.default_text(),
        }
    }
}

fn changes(old: &Entry, new: &Entry) -> Vec<Changed> {
    let level = |entry: &Entry| format!("{:?}", entry.level).to_lowercase();
    let owner = |entry: &Entry| format!("{}.{}", entry.owner, entry.member);
    let default_is_same = match (&old.default, &new.default) {
        // 1 and 1.0 are one number.
        (Some(old), Some(new)) => {
            old == new || super::compare(old, new).is_some_and(std::cmp::Ordering::is_eq)
        }
        _ => old.default_text() == new.default_text(),
    };
    let told = [
        (!default_is_same).then(|| (What::Default, old.default_text(), new.default_text())),
        takes(old, new)
            .map(|(old, new)| (What::Takes, old, new))
            .or_else(|| {
                let (old, new) = (&old.type_text, &new.type_text);
                (old != new).then(|| (What::Type, old.clone(), new.clone()))
            }),
        (old.level != new.level).then(|| (What::Level, level(old), level(new))),
        (owner(old) != owner(new)).then(|| (What::Owner, owner(old), owner(new))),
    ];
    let told = told.into_iter().flatten();
    told.map(|(what, old, new_text)| Changed {
        name: new.name.clone(),
        what,
        old,
        new: new_text,
    })
    .collect()
}

/// What they take, where it is not the same; of long lists of choices only what only one of them has.
fn takes(old: &Entry, new: &Entry) -> Option<(String, String)> {
    let named = |entry: &Entry| -> Vec<String> {
        let known = entry.known.iter().map(ToString::to_string);
        known.chain(entry.choice_texts()).collect()
    };
    let (before, after) = (named(old), named(new));
    if old.admits() == new.admits() && before == after {
        return None;
    }
    if before.is_empty() || after.is_empty() {
        return Some((old.admits(), new.admits()));
    }
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        let only = these.iter().filter(|choice| !those.contains(choice));
        only.cloned().collect()
    };
    let (gone, come) = (only(&before, &after), only(&after, &before));
    if gone.is_empty() && come.is_empty() {
        return Some((old.admits(), new.admits()));
    }
    let told = [("also ", come), ("no longer ", gone)]
        .into_iter()
        .filter(|(_, choices)| !choices.is_empty())
        .map(|(word, choices)| word.to_owned() + &choices.join(", "));
    Some((String::new(), told.collect::<Vec<_>>().join("; ")))
}
