//! Tables and lists for people: plans, states, summaries.
//!
//! Text in, text out: it prints nothing and runs nothing.

mod plan;
mod state;
mod summary;
mod table;

pub use plan::{PlanView, plan_text, plan_view};
pub use state::{StatusView, status_text, status_view, why};
pub use summary::summary_text;
pub use table::table;
