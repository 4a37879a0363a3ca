//! Newtypes that keep units and identities apart, and the one canonical form that is hashed.
//!
//! Knows nothing of campaigns, files or clocks.

mod canonical;
mod digest;

pub use canonical::{MAX_SAFE_INTEGER, canonical_json};
pub use digest::{Digest, NotADigest};
