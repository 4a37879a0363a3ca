//! The plan: in which order the runs come, and the DAG of everything that must happen for them.
//!
//! Pure and deterministic: the same campaign gives the same plan, step for step. It knows what
//! depends on what; it does not know what has happened (that is `execution`) nor how anything is done
//! (that is `runner`).

mod build;
mod estimate;
mod order;
mod render;
mod step;

pub use build::{Load, Plan, Run};
pub use estimate::Estimate;
pub use order::{Slot, order};
pub use render::{dot, mermaid};
pub use step::{BaselineState, Edge, Step};
