//! The program on the command line, where no Docker is needed: exit codes, what is printed where, and that
//! nothing is written by a command that has nothing to write.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "cli/place.rs"]
mod place;

#[path = "cli/campaign_files.rs"]
mod campaign_files;
#[path = "cli/plans.rs"]
mod plans;
#[path = "cli/words.rs"]
mod words;
