//! The hash chain.

use crate::units::Digest;

/// Where the chain stands: how many events, and the hash of the last line.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Events so far; the next one has this number plus 1.
    pub events: u64,
    /// SHA-256 of the last line without its newline; all zeros before the first.
    pub sha256: Digest,
}

impl Head {
    /// The head of an empty journal.
    pub const EMPTY: Self = Self {
        events: 0,
        sha256: Digest::ZERO,
    };

    /// The head after `line` (without its newline).
    #[must_use]
    pub fn after(self, line: &[u8]) -> Self {
        Self {
            events: self.events + 1,
            sha256: Digest::of(line),
        }
    }
}
