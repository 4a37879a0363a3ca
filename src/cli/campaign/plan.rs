//! `lemctl campaign plan`.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::{Outcome, Root};
use crate::cli::output;
use crate::diagnostics::Exit;
use crate::plan::{dot, mermaid};
use crate::report::{plan_text, plan_view};

/// Experiments above which a plan warns and `up` asks.
pub(super) const MANY_EXPERIMENTS: usize = 100;

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lemctl campaign plan campaigns/quickstart.yaml
  lemctl campaign plan campaigns/quickstart.yaml --format json | jq '.experiments[].id'
  lemctl campaign plan campaigns/quickstart.yaml --format dot | dot -Tsvg > plan.svg")]
pub(in crate::cli) struct Plan {
    /// The campaign file.
    file: Utf8PathBuf,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    format: PlanFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    /// Tables.
    Text,
    /// Everything, for programs.
    Json,
    /// The DAG for Graphviz.
    Dot,
    /// The DAG for Mermaid.
    Mermaid,
}

pub(super) fn run(arguments: &Plan, root: &Root) -> Outcome {
    let planned = root.plan(&arguments.file)?;
    let plan = &planned.plan;
    match arguments.format {
        PlanFormat::Dot => output::text(dot(plan).trim_end()),
        PlanFormat::Mermaid => output::text(mermaid(plan).trim_end()),
        PlanFormat::Json => output::json(&plan_view(&planned.campaign, &planned.expansion, plan)),
        PlanFormat::Text => output::text(&plan_text(&plan_view(
            &planned.campaign,
            &planned.expansion,
            plan,
        ))),
    }
    let experiments = plan.experiments.len();
    if experiments > MANY_EXPERIMENTS {
        output::note(&format!(
            "warning: {experiments} experiments are many ({} runs): is every axis needed? `up` will ask",
            plan.runs.len()
        ));
    }
    Ok(Exit::Ok)
}
