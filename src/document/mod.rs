//! YAML text → a tree of nodes, each with its place in the text. Bounded, so that a hostile file costs
//! little; the only module that names the YAML crate.
//!
//! Knows what YAML is, not what campaigns or Compose files are: who reads the tree says what belongs in
//! it. What is wrong but can be stepped over (a duplicate key, a number that no JSON reader keeps) is
//! collected in [`Document::problems`], so that a file's problems can be reported together.

mod node;
mod read;
mod scalar;
pub mod shape;
#[cfg(test)]
mod tests;
mod tree;

pub use node::{Entry, Map, Node, Value};
pub use read::{
    Document, MAX_BYTES, MAX_DEPTH, MAX_KEY_BYTES, MAX_NODES, MAX_PROBLEMS, MAX_TEXT_BYTES, read,
};
