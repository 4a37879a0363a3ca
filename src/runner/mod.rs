//! Not yet written: see ARCHITECTURE.md.

pub mod images;
pub mod prerequisites;
pub mod project;
pub mod setup;
