//! The table at the end of a campaign: one line an experiment, its figures over the cycles.

use super::best::{Best, Candidate};
use super::figures::columns;
use super::table_with;
use crate::energy::Summary;
use crate::manifest::{ExperimentEntry, Manifest};
use crate::quality::QualityStatus;

/// The table: mean ± sample standard deviation over the accepted cycles, and what must be known of them.
#[must_use]
pub fn summary_text(manifest: &Manifest) -> String {
    let entries = &manifest.experiments;
    let columns = columns(|name| entries.iter().any(|entry| entry.summary(name).is_some()));
    let mut header = vec!["experiment", "runs"];
    header.extend(columns.iter().map(|column| column.heading));
    let flagged = entries.iter().any(|entry| !marks(entry).is_empty());
    if flagged {
        header.push("flags");
    }
    let rows = entries.iter().map(|experiment| {
        let of = manifest
            .runs
            .iter()
            .filter(|run| run.experiment == experiment.id)
            .count();
        let accepted = match &experiment.cycles {
            Some(cycles) => cycles.accepted,
            None => experiment
                .summary("output_tokens_per_second")
                .map_or(0, |summary| summary.n),
        };
        let mut row = vec![experiment.id.clone(), format!("{accepted}/{of}")];
        row.extend(columns.iter().map(|column| {
            let figure = experiment.summary(column.name);
            figure.map_or_else(|| "-".to_owned(), |figure| cell(&figure, column.decimals))
        }));
        if flagged {
            row.push(marks(experiment));
        }
        row
    });
    let table = table_with(&header, rows.collect(), 1..2 + columns.len());
    let tries = manifest.tries.and_then(|tries| tries.words());
    let best = best(manifest).map(|best| best.line());
    let below: Vec<String> = tries.into_iter().chain(best).collect();
    match below.is_empty() {
        true => table,
        false => format!("{table}\n\n{}", below.join("\n")),
    }
}

/// The best experiment; none where quality was not yet judged when the manifest was made.
fn best(manifest: &Manifest) -> Option<Best> {
    let known = |entry: &ExperimentEntry| entry.cycles.is_some() && entry.quality.is_some();
    if !manifest.experiments.iter().all(known) {
        return None;
    }
    Some(Best::of(manifest.experiments.iter().filter_map(|entry| {
        Some(Candidate {
            experiment: &entry.id,
            cycles: entry.cycles.as_ref()?,
            quality: entry.quality.as_ref()?,
            open_loop: entry.config.pointer("/workload/arrival/kind") == Some(&"open_loop".into()),
        })
    })))
}

fn marks(experiment: &ExperimentEntry) -> String {
    let failed = experiment
        .quality
        .as_ref()
        .is_some_and(|quality| quality.status == QualityStatus::Failed);
    let Some(cycles) = &experiment.cycles else {
        return String::new();
    };
    let simulated = (cycles.simulated == Some(true)).then_some("SIMULATED");
    let flags = cycles.flags.iter().map(String::as_str);
    simulated
        .into_iter()
        .chain(failed.then_some("QUALITY FAILED"))
        .chain(flags)
        .collect::<Vec<_>>()
        .join(", ")
}

fn cell(figure: &Summary, decimals: usize) -> String {
    match figure.sd {
        Some(sd) => format!("{:.decimals$} ±{sd:.decimals$}", figure.mean),
        None => format!("{:.decimals$}", figure.mean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_shown_only_where_there_is_one() {
        assert_eq!(
            cell(
                &Summary {
                    n: 2,
                    mean: 12.345,
                    sd: Some(0.5)
                },
                2
            ),
            "12.35 ±0.50"
        );
        assert_eq!(
            cell(
                &Summary {
                    n: 1,
                    mean: 12.0,
                    sd: None
                },
                1
            ),
            "12.0"
        );
    }
}
