//! Tables and lists for people: plans, states, summaries.
//!
//! Text in, text out: it prints nothing and runs nothing.

mod attempts;
mod best;
mod experiments;
mod figures;
mod params;
mod params_differences;
mod plan;
mod results;
mod results_of_manifest;
mod results_show;
mod results_validate;
mod state;
mod summary;
mod table;
mod tree;

pub use attempts::{AttemptLine, attempt_lines};
pub use best::{Best, Candidate};
pub use experiments::{ExperimentLine, experiment_lines};
pub use params::{list_text, list_view, show_text, show_view};
pub use params_differences::{BrokenCampaign, differences_text};
pub use plan::{PlanView, plan_text, plan_view};
pub use results::{ResultLine, ResultsView, results_text};
pub use results_of_manifest::results_of_manifest;
pub use results_show::{ExperimentView, experiment_text, run_text};
pub use results_validate::validation_text;
pub use state::{StatusView, standing, status_text, status_view, why, why_not};
pub use summary::summary_text;
pub use table::{table, table_with};
