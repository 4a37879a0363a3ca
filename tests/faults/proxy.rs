//! Faults 17 and 18: Engines of other versions, and answers that are cut, late, repeated or refusals.
