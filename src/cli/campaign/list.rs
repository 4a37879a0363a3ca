//! `lemctl campaign list`.

use clap::Args;
use serde::Serialize;

use super::{Outcome, Root};
use crate::cli::{Format, output};
use crate::diagnostics::Exit;
use crate::execution::Tally;
use crate::journal::Lock;
use crate::report::table;
use crate::runner;
use crate::store::Folders;

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lemctl campaign list\n  lemctl campaign list --format json | jq '.[].id'"
)]
pub(in crate::cli) struct List {
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Line {
    campaign: String,
    id: String,
    state: String,
    tally: Option<Tally>,
}

pub(super) fn run(arguments: &List, root: &Root) -> Outcome {
    let lines: Vec<Line> = Folders::all(root.path())?.iter().map(line).collect();
    match arguments.format {
        Format::Json => output::json(&lines),
        Format::Text => {
            let rows = lines.iter().map(|line| {
                let count = |of: fn(&Tally) -> usize| {
                    line.tally
                        .as_ref()
                        .map_or("-".to_owned(), |t| of(t).to_string())
                };
                vec![
                    line.campaign.clone(),
                    line.id.clone(),
                    line.state.clone(),
                    count(|tally| tally.accepted),
                    count(|tally| tally.rejected),
                    count(|tally| tally.failed + tally.skipped),
                    count(|tally| tally.due),
                ]
            });
            let header = [
                "campaign", "id", "state", "accepted", "rejected", "failed", "due",
            ];
            output::text(&table(&header, rows.collect(), 3));
        }
    }
    Ok(Exit::Ok)
}

/// A campaign that cannot be read is a line that says so, and hides no other.
fn line(folders: &Folders) -> Line {
    let (state, tally) = match runner::replayed(folders) {
        Err(error) => (format!("unreadable: {error}"), None),
        Ok((_, state, _)) => {
            let word = if state.sealed().is_some() {
                "sealed"
            } else if Lock::is_held(&folders.results()) {
                "running"
            } else {
                "open"
            };
            (word.to_owned(), Some(state.tally()))
        }
    };
    Line {
        campaign: folders.campaign.clone(),
        id: folders.id.clone(),
        state,
        tally,
    }
}
