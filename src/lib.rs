//! lemctl: LLM-inference measurement campaigns that can be trusted.
//!
//! ARCHITECTURE.md has the map and the invariants. A module may use those to its right, never its
//! siblings; `tests/architecture.rs` checks it:
//!
//! `main → cli → {runner, report, progress} → manifest → {journal, worker, telemetry, environment, store} → containers →
//! clock → execution → plan → campaign → {catalogue, compose, energy} → document → {units, diagnostics}`

pub mod campaign;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod compose;
pub mod containers;
pub mod diagnostics;
pub mod document;
pub mod energy;
pub mod environment;
pub mod execution;
pub mod journal;
pub mod manifest;
pub mod plan;
pub mod progress;
pub mod quality;
pub mod report;
pub mod runner;
pub mod store;
pub mod telemetry;
pub mod units;
pub mod worker;
