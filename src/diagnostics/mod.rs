//! How lemctl says what is wrong: exit codes, the trait every error type carries, and the short
//! rendering for a terminal.
//!
//! Knows nothing of campaigns, containers or files; it never prints.

mod exit;
mod fault;

pub use exit::Exit;
pub use fault::{Failure, Fault};
