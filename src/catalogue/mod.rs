//! Catalogues: the parameters of one backend at one pinned version, with their types, values and rules.
//! They are data (`catalogues/<backend>-<version>.json`); this module gives them meaning.
//!
//! Pure: it is handed texts. It knows nothing of campaigns: the campaign's grid asks it.

mod catalogues;
mod error;
mod file;
mod format;
mod parameter;
mod predicate;
mod rule;
#[cfg(test)]
mod tests;

pub use catalogues::Catalogues;
pub use error::CatalogueError;
pub(crate) use file::FACTS;
pub use file::{Catalogue, Tokenizer, Vocabulary, VocabularySource};
pub use parameter::{Kind, Level, Mismatch, Parameter};
pub use predicate::{Comparison, Flaw, Operand, Predicate, compare};
pub use rule::{Equivalence, Rule};
