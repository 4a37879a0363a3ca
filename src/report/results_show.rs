//! `lemctl results show`: one run in full, or an experiment over its cycles.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::experiments::figures_table;
use super::results::{ResultLine, runs_table};
use super::tree::{lines, printable};
use crate::manifest::ExperimentCycles;
use crate::quality::{Quality, Scores};
use crate::units::Digest;

/// What `results show EXPERIMENT --format json` prints.
#[derive(Debug, Serialize)]
pub struct ExperimentView {
    /// Name of the campaign.
    pub campaign: String,
    /// Its id.
    pub id: String,
    /// The experiment's id.
    pub experiment: String,
    /// Its hash.
    pub experiment_hash: Digest,
    /// Its resolved configuration.
    pub config: Value,
    /// Whether its outputs can be believed.
    pub quality: Quality,
    /// A harness's scores that were attached to it.
    pub scores: Vec<Scores>,
    /// Its accepted runs together.
    pub cycles: ExperimentCycles,
    /// Its runs.
    pub runs: Vec<ResultLine>,
}

/// An experiment as text.
#[must_use]
pub fn experiment_text(view: &ExperimentView) -> String {
    let cycles = &view.cycles;
    let mut out = format!(
        "experiment {} of campaign {} {}\n  hash {}\n  {} of {} runs accepted\n",
        view.experiment,
        view.campaign,
        view.id,
        view.experiment_hash,
        cycles.accepted,
        cycles.planned
    );
    if cycles.simulated == Some(true) {
        out.push_str(SIMULATED);
    }
    let _ = writeln!(out, "  quality: {}", view.quality.line());
    for reason in &view.quality.reasons {
        let _ = writeln!(out, "    {}", printable(&reason.message));
    }
    for (task, metrics) in view.scores.iter().flat_map(|scores| &scores.tasks) {
        let metrics: Vec<String> = metrics
            .iter()
            .map(|(name, value)| format!("{} {value}", printable(name)))
            .collect();
        let _ = writeln!(out, "  score {}: {}", printable(task), metrics.join(", "));
    }
    if !cycles.flags.is_empty() {
        let _ = writeln!(out, "  flags: {}", cycles.flags.join(", "));
    }
    out.push('\n');
    if cycles.figures.is_empty() {
        out.push_str(match cycles.accepted {
            0 => "no figures: no run is accepted\n",
            _ => "no figures: simulated and real GPUs are never taken together\n",
        });
    } else {
        out.push_str(&figures_table(cycles));
        out.push_str(
            "\n\nintervals are repeatability over the cycles (Student's t); gain and timing of the sensor are in the runs\n",
        );
    }
    let _ = writeln!(out, "\n{}\n", runs_table(&view.runs));
    lines(&mut out, "config", &view.config, 0);
    out.truncate(out.trim_end().len());
    out
}

const SIMULATED: &str = "  SIMULATED GPU: made to try lemctl out; never compare with a real one\n";

/// Order of a result's parts. What is not named here comes after what was measured, before what it was
/// made with.
const FIRST: [&str; 11] = [
    "figures",
    "slo",
    "flops",
    "energy",
    "split",
    "baseline",
    "throttling",
    "warmup",
    "gap",
    "leak_check",
    "environment_drift",
];
const LAST: [&str; 12] = [
    "environment",
    "environment_hash",
    "config",
    "changed_parameters",
    "effective",
    "backend_version",
    "packages",
    "weights",
    "model_parameters",
    "image",
    "host",
    "record",
];
/// What the first lines have already.
const IN_HEAD: [&str; 11] = [
    "schema_version",
    "run",
    "attempt",
    "session",
    "ended_at",
    "campaign",
    "campaign_id",
    "experiment",
    "flags",
    "verdict",
    "simulated",
];

/// A run as text; `result` is its result file, if it has one.
#[must_use]
pub fn run_text(
    line: &ResultLine,
    attempt: Option<u32>,
    result: Option<&Map<String, Value>>,
) -> String {
    let mut out = format!("run {}\n  {}", line.run, line.verdict);
    if let Some(attempt) = attempt {
        let _ = write!(out, " · attempt {attempt} of {}", line.attempts);
    }
    if let Some(result) = result {
        let text = |name: &str| result.get(name).and_then(super::tree::inline);
        for (name, word) in [("session", " · session "), ("ended_at", " · ended ")] {
            if let Some(text) = text(name) {
                let _ = write!(out, "{word}{text}");
            }
        }
    }
    out.push('\n');
    if let Some(why) = &line.why {
        let _ = writeln!(out, "  {}", printable(why));
    }
    if line.simulated == Some(true) {
        out.push_str(SIMULATED);
    }
    if !line.flags.is_empty() {
        let flags: Vec<String> = line.flags.iter().map(|flag| printable(flag)).collect();
        let _ = writeln!(out, "  flags: {}", flags.join(", "));
    }
    if line.history.len() > 1 {
        for attempt in &line.history {
            let _ = writeln!(out, "  {}", attempt.text());
        }
    }
    if let Some(file) = &line.result {
        let _ = writeln!(out, "  {} (SHA-256 {})", printable(&file.path), file.sha256);
    }
    if let Some(file) = line.file {
        let _ = writeln!(out, "  the file is {file}: nothing of it is shown");
    }
    let Some(result) = result else {
        out.truncate(out.trim_end().len());
        return out;
    };
    out.push('\n');
    let known =
        |name: &str| FIRST.contains(&name) || LAST.contains(&name) || IN_HEAD.contains(&name);
    let others = result
        .keys()
        .map(String::as_str)
        .filter(|name| !known(name));
    for name in FIRST.into_iter().chain(others).chain(LAST) {
        if let Some(value) = result.get(name) {
            lines(&mut out, name, value, 0);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line() -> ResultLine {
        ResultLine {
            run: "e.c1".into(),
            experiment: "e".into(),
            cycle: 1,
            verdict: "accepted",
            why: None,
            quality: "not_assessed",
            simulated: Some(true),
            engine_load: Some(1),
            attempts: 2,
            history: Vec::new(),
            figures: [("output_tokens_per_second".to_owned(), 5.0)].into(),
            flags: vec!["warmup_capped".into()],
            result: None,
            file: None,
        }
    }

    #[test]
    fn every_part_of_a_result_is_shown_known_or_not() {
        let Value::Object(result) = json!({
            "session": 1, "ended_at": "2026-11-24T00:00:00Z", "config": {"a": 1}, "figures": {"seconds": 1.5},
            "throttling": {"thermal_share": 0.0}, "energy": {"joules": 3.25, "timing": {"low": 3.0, "high": 3.5}},
        }) else {
            unreachable!()
        };
        let text = run_text(&line(), Some(2), Some(&result));
        let want = [
            "run e.c1",
            "accepted · attempt 2 of 2 · session 1 · ended",
            "SIMULATED",
            "flags: warmup_capped",
            "figures: seconds 1.5",
            "joules: 3.25",
            "timing: [3, 3.5]",
            "throttling: thermal_share 0",
            "config: a 1",
        ];
        let mut from = 0;
        for part in want {
            let at = text[from..].find(part);
            from += at.unwrap_or_else(|| panic!("{part} is not there, or not in order: {text}"));
        }
    }

    #[test]
    fn an_experiment_shows_figures_and_what_they_span() {
        let view = ExperimentView {
            campaign: "c".into(),
            id: "i".into(),
            experiment: "e".into(),
            experiment_hash: Digest::ZERO,
            config: json!({"threads": 1}),
            quality: Quality::not_assessed("weights", "the weights are random"),
            scores: vec![],
            cycles: ExperimentCycles {
                planned: 3,
                accepted: 3,
                flags: vec!["mixed_simulated".into()],
                ..ExperimentCycles::default()
            },
            runs: vec![line()],
        };
        let text = experiment_text(&view);
        assert!(
            text.contains("quality: not_assessed (weights)\n    the weights are random"),
            "{text}"
        );
        assert!(
            text.contains("3 of 3 runs accepted") && text.contains("mixed_simulated"),
            "{text}"
        );
        assert!(
            text.contains("never taken together") && text.ends_with("config: threads 1"),
            "{text}"
        );
    }
}
