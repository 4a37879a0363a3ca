//! The course of a long session: figures for each stretch of as many runs, and whether they stand still.

use chrono::DateTime;
use serde_json::Value;

use crate::campaign_files::Files;
use crate::look::Look;

/// One stretch of runs.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Its last run.
    pub last: u64,
    /// Median of the seconds from an attempt's intent to its verdict.
    pub attempt: f64,
    /// A tenth of them took less: what an attempt takes on a machine that is idle otherwise.
    pub attempt_tenth: f64,
    /// Median of the seconds from a verdict to the next intent, where no step lies between: lemctl's own.
    pub between: f64,
    /// CPU seconds of lemctl a run, which other work on the machine hardly changes.
    pub cpu: f64,
    /// Median of the looks at lemctl.
    pub resident_kib: u64,
    /// The least of the looks, which no passing state raises.
    pub descriptors: u64,
    pub threads: u64,
    pub shims: u64,
    pub processes: u64,
    pub zombies: u64,
}

/// Cuts the course of the first `runs` runs into stretches of `length`, the last of which may be shorter.
pub fn stretches(files: &Files<'_>, looks: &[Look], runs: u64, length: u64) -> Vec<Stretch> {
    let times = times(files);
    let mut found = Vec::new();
    let mut first = 0;
    while first < runs {
        let last = (first + length).min(runs);
        let within: Vec<&Look> = looks
            .iter()
            .filter(|look| look.runs > first && look.runs <= last)
            .collect();
        let times = &times[first as usize..last as usize];
        let least = |of: fn(&Look) -> u64| {
            let least = within.iter().map(|look| of(look)).min();
            least.expect("a look in each stretch")
        };
        let attempts: Vec<f64> = times.iter().map(|(attempt, _)| *attempt).collect();
        let between = times.iter().filter_map(|(_, between)| *between).collect();
        let resident = within.iter().map(|look| look.resident_kib as f64);
        found.push(Stretch {
            last,
            attempt: quantile(attempts.clone(), 0.5),
            attempt_tenth: quantile(attempts, 0.1),
            between: quantile(between, 0.5),
            cpu: cpu_a_run(&within),
            resident_kib: quantile(resident.collect(), 0.5) as u64,
            descriptors: least(|look| look.descriptors),
            threads: least(|look| look.threads),
            shims: least(|look| look.shims),
            processes: least(|look| look.processes),
            zombies: least(|look| look.zombies),
        });
        first = last;
    }
    found
}

fn cpu_a_run(looks: &[&Look]) -> f64 {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
        return f64::NAN;
    };
    (last.ticks - first.ticks) as f64 / 100.0 / (last.runs - first.runs) as f64
}

/// Seconds of each attempt that ended, and from the verdict before it where nothing lies between, by the journal.
fn times(files: &Files<'_>) -> Vec<(f64, Option<f64>)> {
    let text = std::fs::read_to_string(files.results().join("journal.jsonl")).unwrap();
    let mut times = Vec::new();
    let (mut begun, mut ended) = (None, None);
    let mut between = None;
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = DateTime::parse_from_rfc3339(line["at"].as_str().unwrap()).unwrap();
        let at = at.timestamp_millis() as f64 / 1000.0;
        let event = line["event"].as_object().unwrap();
        if event.contains_key("attempt_started") {
            between = ended.map(|ended: f64| at - ended);
            begun = Some(at);
        } else if event.contains_key("attempt_ended") {
            times.push((at - begun.unwrap(), between));
        }
        ended = event.contains_key("attempt_ended").then_some(at);
    }
    times
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share) as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// Slope of a straight line through values at places, by least squares.
pub fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (x, y) = points
        .clone()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (over, under) = points.fold((0.0, 0.0), |(over, under), point| {
        let away = point.0 - x;
        (over + away * (point.1 - y), under + away * away)
    });
    over / under
}

/// A table for people, in the form of docs/reliability.md.
pub fn table(stretches: &[Stretch]) -> String {
    let mut text = "| runs to | attempt ms, median | tenth | between ms | CPU ms a run | RSS KiB | fds | threads | shims | processes | zombies |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for stretch in stretches {
        let Stretch {
            last,
            attempt,
            attempt_tenth,
            between,
            cpu,
            resident_kib,
            descriptors,
            threads,
            shims,
            processes,
            zombies,
        } = stretch;
        text.push_str(&format!(
            "| {last} | {:.0} | {:.0} | {:.1} | {:.1} | {resident_kib} | {descriptors} | {threads} | {shims} | {processes} | {zombies} |\n",
            attempt * 1e3, attempt_tenth * 1e3, between * 1e3, cpu * 1e3
        ));
    }
    text
}
