//! Keys of arrivals and of prompts from files.

use super::Effect::{self, Experiments};

const SHORT: &str = "measure: {min_seconds: 1, min_requests: 20}";

/// The keys of a distribution of lengths, each with another value.
const LENGTHS: [(&str, &str); 5] = [
    (
        "workload.arrival.trace.output_tokens.lognormal",
        "{mean: 13, sigma: 0.8, min: 2, max: 90}",
    ),
    (
        "workload.arrival.trace.output_tokens.lognormal.mean",
        "{mean: 14, sigma: 0.8, min: 2, max: 90}",
    ),
    (
        "workload.arrival.trace.output_tokens.lognormal.sigma",
        "{mean: 12, sigma: 0.5, min: 2, max: 90}",
    ),
    (
        "workload.arrival.trace.output_tokens.lognormal.min",
        "{mean: 12, sigma: 0.8, min: 12, max: 90}",
    ),
    (
        "workload.arrival.trace.output_tokens.lognormal.max",
        "{mean: 12, sigma: 0.8, min: 2, max: 12}",
    ),
];

pub fn entries() -> Vec<(&'static str, String, String, Effect)> {
    let mut entries = Vec::new();
    let mut entry = |key: &'static str, first: String, second: String| {
        entries.push((key, first, second, Experiments));
    };
    let open = |rest: &str| {
        format!(
            "workload: {{synthetic: {{input_tokens: 8, output_tokens: 8}}, arrival: {{open_loop: {{{rest}}}}}, {SHORT}}}"
        )
    };
    let closed = format!(
        "workload: {{synthetic: {{input_tokens: 8, output_tokens: 8}}, arrival: {{closed_loop: {{concurrency: 4}}}}, {SHORT}}}"
    );
    let base = open("rate: 4");
    entry("workload.arrival.open_loop", closed.clone(), base.clone());
    entry(
        "workload.arrival.open_loop.rate",
        base.clone(),
        open("rate: 5"),
    );
    entry(
        "workload.arrival.open_loop.process",
        base.clone(),
        open("rate: 4, process: constant"),
    );
    entry(
        "workload.arrival.open_loop.burstiness",
        open("rate: 4, process: gamma, burstiness: 0.5"),
        open("rate: 4, process: gamma, burstiness: 2"),
    );
    entry(
        "workload.arrival.open_loop.seed",
        base.clone(),
        open("rate: 4, seed: 1"),
    );
    entry(
        "workload.arrival.open_loop.drain_seconds",
        base,
        open("rate: 4, drain_seconds: 5"),
    );
    let trace = |rest: &str| format!("workload: {{arrival: {{trace: {{{rest}}}}}}}");
    let base = trace("file: a.trace, output_tokens: 8");
    entry("workload.arrival.trace", closed, base.clone());
    entry(
        "workload.arrival.trace.file",
        base.clone(),
        trace("file: b.trace, output_tokens: 8"),
    );
    entry(
        "workload.arrival.trace.seed",
        base.clone(),
        trace("file: a.trace, output_tokens: 8, seed: 1"),
    );
    entry(
        "workload.arrival.trace.output_tokens",
        base.clone(),
        trace("file: a.trace, output_tokens: 9"),
    );
    entry(
        "workload.arrival.trace.drain_seconds",
        base.clone(),
        trace("file: a.trace, output_tokens: 8, drain_seconds: 5"),
    );
    entry(
        "workload.arrival.trace.output",
        base,
        trace("file: a.trace, output_tokens: 8, output: fixed"),
    );
    for (key, changed) in LENGTHS {
        let drawn = |lengths: &str| {
            trace(&format!(
                "file: long.trace, output_tokens: {{lognormal: {lengths}}}"
            ))
        };
        entry(
            key,
            drawn("{mean: 12, sigma: 0.8, min: 2, max: 90}"),
            drawn(changed),
        );
    }
    let real = |workload: String| {
        format!("{workload}\nmodel: {{local: {{path: m}}}}\ngrid: {{backends: [widget]}}")
    };
    let chat = |rest: &str| real(trace(&format!("file: chat.trace, output_tokens: 8{rest}")));
    entry(
        "workload.arrival.trace.chat_template",
        chat(""),
        chat(", chat_template: a.jinja"),
    );
    let chat = |rest: &str| {
        real(format!(
            "workload: {{jsonl: {{file: chat.jsonl, output_tokens: 8{rest}}}}}"
        ))
    };
    entry(
        "workload.jsonl.chat_template",
        chat(", chat_template: a.jinja"),
        chat(", chat_template: b.jinja"),
    );
    entry("workload.jsonl.output", chat(""), chat(", output: natural"));
    entries
}
