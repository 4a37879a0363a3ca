//! The reference worker.
mod clock;
mod fault;
mod model;
fn main() {}
