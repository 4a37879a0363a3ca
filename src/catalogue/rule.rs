//! What a backend refuses, and what it does not notice.

use super::Predicate;

/// A combination that a backend refuses: a point at which `forbid` holds is pruned.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Stable name, unique within its catalogue.
    pub id: String,
    /// Why, for the user.
    pub message: String,
    /// Where the backend says so.
    pub source: String,
    /// What must not hold.
    pub forbid: Predicate,
    /// The Python package that the backend's image lacks, if that is why.
    pub needs_package: Option<String>,
}

/// Parameters that have no effect: where `when` holds, those in `dead` are put to their defaults, so that
/// points which differ only in them are one experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Equivalence {
    /// Stable name, unique within its catalogue.
    pub id: String,
    /// Why, for the user.
    pub message: String,
    /// Where the backend does so.
    pub source: String,
    /// When they have no effect.
    pub when: Predicate,
    /// The parameters without effect.
    pub dead: Vec<String>,
}
