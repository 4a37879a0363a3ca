//! How lemctl says what is wrong: exit codes, the trait every error type carries, and the short
//! rendering for a terminal.
//!
//! Knows nothing of campaigns, containers or files; it never prints.

mod exit;
mod fault;
mod problem;
mod terminal;

pub use exit::Exit;
pub use fault::{Failure, Fault};
pub use problem::{Place, Problem, ProblemReport, nearest};
pub use terminal::{harmless, harmless_json, harmless_line, is_obeyed};
