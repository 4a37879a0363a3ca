//! The table at the end of a campaign: one line an experiment, its figures over the cycles.

use super::table;
use crate::energy::Summary;
use crate::manifest::Manifest;

/// Columns: heading, figure's name, decimals.
const COLUMNS: [(&str, &str, usize); 5] = [
    ("tokens/s", "output_tokens_per_second", 1),
    ("TTFT p50 ms", "ttft_ms_p50", 2),
    ("TTFT p99 ms", "ttft_ms_p99", 2),
    ("ITL p50 ms", "itl_ms_p50", 3),
    ("ITL p99 ms", "itl_ms_p99", 3),
];

/// The table: mean ± sample standard deviation over the accepted cycles.
#[must_use]
pub fn summary_text(manifest: &Manifest) -> String {
    let mut header = vec!["experiment", "runs"];
    header.extend(COLUMNS.iter().map(|(heading, _, _)| *heading));
    let rows = manifest.experiments.iter().map(|experiment| {
        let of = manifest
            .runs
            .iter()
            .filter(|run| run.experiment == experiment.id)
            .count();
        let accepted = experiment
            .figures
            .get(COLUMNS[0].1)
            .map_or(0, |summary| summary.n);
        let mut row = vec![experiment.id.clone(), format!("{accepted}/{of}")];
        for (_, name, decimals) in COLUMNS {
            row.push(
                experiment
                    .figures
                    .get(name)
                    .map_or_else(|| "-".to_owned(), |figure| cell(figure, decimals)),
            );
        }
        row
    });
    table(&header, rows.collect(), 1)
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
