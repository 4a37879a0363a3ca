//! Experiments over their cycles, in a table: mean, interval, spread, drift, and how far that carries.

use serde::Serialize;

use super::figures::{columns, heading, number};
use super::table_with;
use crate::execution::State;
use crate::manifest::ExperimentCycles;

/// An experiment over its cycles.
#[derive(Debug, Clone, Serialize)]
pub struct ExperimentLine {
    /// Its id.
    pub experiment: String,
    /// Its runs together.
    #[serde(flatten)]
    pub cycles: ExperimentCycles,
}

/// Gives each experiment of a state its cycles.
#[must_use]
pub fn experiment_lines(state: &State, cycles: Vec<ExperimentCycles>) -> Vec<ExperimentLine> {
    let experiments = state.plan().experiments.iter().zip(cycles);
    experiments
        .map(|(experiment, cycles)| ExperimentLine {
            experiment: experiment.id.clone(),
            cycles,
        })
        .collect()
}

/// One line an experiment; nothing before there is a figure.
pub(super) fn experiments_table(lines: &[ExperimentLine]) -> Option<String> {
    if lines.iter().all(|line| line.cycles.accepted == 0) {
        return None;
    }
    let header = [
        "experiment",
        "runs",
        "figure",
        "mean",
        "±95 %",
        "CV",
        "drift",
        "loads",
        "flags",
    ];
    let rows = lines.iter().map(row).collect();
    Some(table_with(&header, rows, 3..8))
}

fn row(line: &ExperimentLine) -> Vec<String> {
    let cycles = &line.cycles;
    let mut row = vec![
        line.experiment.clone(),
        format!("{}/{}", cycles.accepted, cycles.planned),
    ];
    match cycles.leading() {
        None => row.extend(vec!["-".to_owned(); 6]),
        Some((name, figure)) => {
            let percent = |share: Option<f64>| {
                share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
            };
            let relative = figure
                .interval
                .filter(|_| figure.mean != 0.0)
                .map(|interval| interval.half_width() / figure.mean.abs());
            row.extend([
                heading(name).to_owned(),
                number(figure.mean),
                percent(relative),
                percent(figure.cv),
                percent(figure.drift.map(|drift| drift.fitted)),
                figure.loads.to_string(),
            ]);
        }
    }
    let mut marks: Vec<String> = Vec::new();
    if cycles.simulated == Some(true) {
        marks.push("SIMULATED".to_owned());
    }
    marks.extend(cycles.flags.iter().cloned());
    row.push(marks.join(", "));
    row
}

/// Every figure of one experiment, a line each: those of the tables first.
pub(super) fn figures_table(cycles: &ExperimentCycles) -> String {
    let leading: Vec<&str> = columns(|name| cycles.figures.contains_key(name))
        .iter()
        .map(|column| column.name)
        .collect();
    let others = cycles.figures.keys().map(String::as_str);
    let others = others.filter(|name| !leading.contains(name));
    let header = [
        "figure",
        "n",
        "mean",
        "low 95 %",
        "high 95 %",
        "sd",
        "CV",
        "drift",
        "loads",
        "GPU sets",
        "flags",
    ];
    let rows = leading.iter().copied().chain(others).filter_map(|name| {
        let figure = cycles.figures.get(name)?;
        let or_none = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let percent = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", 100.0 * share))
        };
        Some(vec![
            name.to_owned(),
            figure.n.to_string(),
            number(figure.mean),
            or_none(figure.interval.map(|interval| interval.low)),
            or_none(figure.interval.map(|interval| interval.high)),
            or_none(figure.sd),
            percent(figure.cv),
            percent(figure.drift.map(|drift| drift.fitted)),
            figure.loads.to_string(),
            figure.gpu_sets.to_string(),
            figure.flags.join(", "),
        ])
    });
    table_with(&header, rows.collect(), 1..10)
}
