//! Catalogues: the parameters of one backend at one version, with their types, values and rules. They are
//! data: `catalogues/<backend>-<version>.json`, extracted from the engine's source, with a curated text
//! beside it; the reference backend's is one file. This module gives them meaning.
//!
//! Pure: it is handed texts. It knows nothing of campaigns: the campaign's grid asks it.

mod assemble;
mod catalogues;
mod compare;
mod curated;
mod entry;
mod error;
mod extracted;
mod file;
mod format;
mod pair;
mod parameter;
mod predicate;
mod removed;
mod rule;
#[cfg(test)]
mod tests;

pub use catalogues::Catalogues;
pub use compare::{Changed, Differences, Named, What};
pub use entry::{Bounds, Entry, EntryKind, Status};
pub use error::CatalogueError;
pub use extracted::Extracted;
pub(crate) use file::FACTS;
pub use file::{Catalogue, Tokenizer, Vocabulary, VocabularySource};
pub use pair::{PINS, joined};
pub use parameter::{Kind, Level, Mismatch, Origin, Parameter};
pub use predicate::{Comparison, Flaw, Operand, Predicate, compare};
pub use removed::Removed;
pub use rule::{Equivalence, Rule};
