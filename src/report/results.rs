//! `lemctl results list`: the runs of a campaign with what was measured.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::attempts::{AttemptLine, mark};
use super::best::Best;
use super::figures::columns;
use super::table_with;
use super::tree::printable;
use crate::execution::{Figures, ResultFile, Tries};
use crate::quality::QualityStatus;

/// What `results list --format json` prints.
#[derive(Debug, Serialize)]
pub struct ResultsView {
    /// Name of the campaign.
    pub campaign: String,
    /// Its id.
    pub id: String,
    /// Whether a manifest seals it.
    pub sealed: bool,
    /// How often runs of the campaign were tried, whatever is listed of it.
    pub tries: Tries,
    /// The best experiment of the campaign, whatever is listed of it.
    pub best: Best,
    /// The runs, in the plan's order.
    pub runs: Vec<ResultLine>,
}

/// A run and its result.
#[derive(Debug, Clone, Serialize)]
pub struct ResultLine {
    /// Its id.
    pub run: String,
    /// Id of its experiment.
    pub experiment: String,
    /// Its cycle, from 1.
    pub cycle: u32,
    /// `due`, `running`, or its verdict.
    pub verdict: &'static str,
    /// Why it is not accepted, if it ended otherwise.
    pub why: Option<String>,
    /// Quality of its experiment: `passed`, `failed` or `not_assessed`.
    pub quality: &'static str,
    /// Whether its GPUs were simulated: never to be compared with real ones. Null without a result.
    pub simulated: Option<bool>,
    /// Which load of an engine it was measured on. Null without a result.
    pub engine_load: Option<u32>,
    /// Attempts so far.
    pub attempts: u32,
    /// Each of them, with why it was made: whoever chooses among attempts must say so.
    pub history: Vec<AttemptLine>,
    /// Headline figures; the unit is in the name.
    pub figures: Figures,
    /// What must be known of the result: stable codes.
    pub flags: Vec<String>,
    /// The result file and its hash.
    pub result: Option<ResultFile>,
    /// What is wrong with that file now: `absent` or `altered`.
    pub file: Option<&'static str>,
}

/// The runs as text: one line each.
#[must_use]
pub fn results_text(view: &ResultsView) -> String {
    let state = if view.sealed { "sealed" } else { "not sealed" };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &view.runs {
        *counts.entry(run.verdict).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    let mut out = format!(
        "campaign {} {}: {state}, {} runs{}{}\n\n",
        view.campaign,
        view.id,
        view.runs.len(),
        if counts.is_empty() { "" } else { ": " },
        counts.join(", ")
    );
    if view.runs.is_empty() {
        out.push_str("no run fits");
        return out;
    }
    out.push_str(&runs_table(&view.runs));
    out.push_str("\n\n");
    if let Some(loads) = loads(&view.runs) {
        out.push_str(&loads);
        out.push('\n');
    }
    if let Some(tries) = view.tries.words() {
        out.push_str(&tries);
        out.push('\n');
    }
    out.push_str(&printable(&view.best.line()));
    out
}

/// How many engines were loaded for the runs with a result, and how many runs needed none.
fn loads(runs: &[ResultLine]) -> Option<String> {
    let measured = runs.iter().filter_map(|run| run.engine_load);
    let count = measured.clone().count();
    let loads = measured.collect::<BTreeSet<_>>().len();
    if count == 0 {
        return None;
    }
    let took: Vec<f64> = runs
        .iter()
        .filter_map(|run| run.figures.get("load_seconds").copied())
        .collect();
    let mean = match took.is_empty() {
        true => String::new(),
        false => format!(
            " ({:.1} s each on the mean)",
            took.iter().sum::<f64>() / took.len() as f64
        ),
    };
    Some(format!(
        "engine loads: {loads} for {count} runs{mean}; {} runs went on with a loaded engine",
        count - loads
    ))
}

/// The table of runs; of figures it has those that some run has.
pub(super) fn runs_table(runs: &[ResultLine]) -> String {
    let columns = columns(|name| runs.iter().any(|run| run.figures.contains_key(name)));
    let mut header = vec!["run", "verdict"];
    header.extend(columns.iter().map(|column| column.heading));
    header.push("flags");
    let rows = runs.iter().map(|run| {
        let mut row = vec![run.run.clone(), run.verdict.to_owned()];
        row.extend(columns.iter().map(|column| {
            let figure = run.figures.get(column.name);
            figure.map_or_else(
                || "-".to_owned(),
                |value| format!("{value:.*}", column.decimals),
            )
        }));
        row.push(marks(run));
        row
    });
    table_with(&header, rows.collect(), 2..2 + columns.len())
}

/// What stands behind the figures of a run: whether they are real, the file's state, flags, and why not.
fn marks(run: &ResultLine) -> String {
    let mut marks = Vec::new();
    if run.simulated == Some(true) {
        marks.push("SIMULATED".to_owned());
    }
    if run.quality == QualityStatus::Failed.word() {
        marks.push("QUALITY FAILED".to_owned());
    }
    marks.extend(run.file.map(|file| format!("FILE {}", file.to_uppercase())));
    marks.extend(mark(&run.history));
    marks.extend(run.flags.iter().map(|flag| printable(flag)));
    marks.extend(run.why.as_deref().map(|why| shortened(&printable(why))));
    marks.join(", ")
}

/// The first part of a long reason; `results show` has the whole.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(run: &str, figures: &[(&str, f64)]) -> ResultLine {
        ResultLine {
            run: run.to_owned(),
            experiment: "e".to_owned(),
            cycle: 1,
            verdict: "accepted",
            why: None,
            quality: "passed",
            simulated: Some(false),
            engine_load: Some(1),
            attempts: 1,
            history: Vec::new(),
            figures: figures
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            flags: Vec::new(),
            result: None,
            file: None,
        }
    }

    #[test]
    fn a_line_shows_what_a_reader_must_not_miss() {
        let mut simulated = line("e.c1", &[("joules_per_output_token", 0.5)]);
        simulated.simulated = Some(true);
        simulated.flags.push("warmup_capped".to_owned());
        let mut failed = line("e.c2", &[]);
        failed.verdict = "failed";
        failed.why = Some(format!("timed_out: {}", "x".repeat(200)));
        failed.file = Some("altered");
        failed.quality = "failed";
        let text = runs_table(&[simulated, failed]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].contains("J/token") && !lines[0].contains("tokens/s"),
            "{text}"
        );
        assert!(
            lines[1].contains("0.5000") && lines[1].contains("SIMULATED, warmup_capped"),
            "{text}"
        );
        assert!(
            lines[2].contains("QUALITY FAILED, FILE ALTERED, timed_out") && lines[2].ends_with('…'),
            "{text}"
        );
    }

    #[test]
    fn loads_are_counted_with_what_they_took() {
        let first = line("e.c1", &[("load_seconds", 75.0)]);
        let second = line("f.c1", &[]);
        let mut third = line("g.c1", &[("load_seconds", 73.0)]);
        third.engine_load = Some(2);
        let mut failed = line("h.c1", &[]);
        failed.engine_load = None;
        assert_eq!(
            loads(&[first, second, third, failed]).as_deref(),
            Some(
                "engine loads: 2 for 3 runs (74.0 s each on the mean); 1 runs went on with a loaded engine"
            )
        );
        assert_eq!(loads(&[]), None);
    }

    #[test]
    fn an_empty_list_says_so() {
        let view = ResultsView {
            campaign: "c".into(),
            id: "i".into(),
            sealed: false,
            tries: Tries::default(),
            best: Best::of(std::iter::empty()),
            runs: Vec::new(),
        };
        assert_eq!(
            results_text(&view),
            "campaign c i: not sealed, 0 runs\n\nno run fits"
        );
    }
}
