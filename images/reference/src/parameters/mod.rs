//! Parameters as they come in a request: read once, refused unless every one is known, present, of the
//! right type and in its range. Defaults live in the catalogue, not here.

mod engine;
mod reader;
mod request;

pub use engine::Engine;
pub use request::{Request, Sampling};

#[cfg(test)]
mod tests;
