//! Open loops, traces, and prompts as text: what becomes of them in a workload file.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/campaigns.rs"]
mod support;

use lem_protocol::{Arrival, WorkloadFile};
use lemctl::campaign::{Expansion, Workload};
use support::{load_text, try_load};

const SYNTHETIC: &str = "synthetic: {input_tokens: 8, output_tokens: 4}";
const SHORT: &str = "measure: {min_seconds: 5, min_requests: 20}";

fn file(model: &str, workload: &str, grid: &str) -> String {
    format!("campaign_name: a\nmodel: {{{model}}}\nworkload: {{{workload}}}\ngrid: {{{grid}}}\n")
}

fn reference(workload: &str, axes: &str) -> Expansion {
    let grid = format!("backends: [reference], shared: {{{axes}}}");
    load_text(&file("random: {seed: 1}", workload, &grid)).expand()
}

fn refused(model: &str, workload: &str, grid: &str) -> String {
    try_load(&file(model, workload, grid))
        .unwrap_err()
        .to_string()
}

fn written(workload: &Workload) -> WorkloadFile {
    serde_json::from_slice(&workload.content.bytes).unwrap()
}

#[test]
fn a_rate_is_an_axis_and_each_has_its_schedule() {
    let workload = format!("{SYNTHETIC}, arrival: {{open_loop: {{drain_seconds: 7}}}}, {SHORT}");
    let expansion = reference(&workload, "workload.rate: [2, 4.0, 8]");
    assert_eq!(expansion.experiments.len(), 3);
    let ids: Vec<&str> = expansion
        .experiments
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert!(
        ids[0].starts_with("reference-rate2-") && ids[1].starts_with("reference-rate4-"),
        "{ids:?}"
    );
    for experiment in &expansion.experiments {
        let workload = &experiment.workload;
        assert_eq!(workload.arrival, Arrival::OpenLoop { drain_seconds: 7 });
        let file = written(workload);
        assert_eq!(file.arrivals_ns, workload.content.arrivals_ns);
        assert!(file.arrivals_ns.is_sorted() && file.arrivals_ns.len() >= 20);
        assert!(workload.least_seconds() >= 5.0);
    }
    let last = |place: usize| {
        expansion.experiments[place]
            .workload
            .content
            .arrivals_ns
            .clone()
    };
    // Twice the rate is the same schedule in half the time.
    assert!(
        last(0)
            .iter()
            .zip(last(1))
            .all(|(slow, fast)| slow.abs_diff(2 * fast) <= 2)
    );
}

#[test]
fn a_rate_must_be_somewhere_and_make_sense() {
    let open = |rest: &str, measure: &str| {
        format!("{SYNTHETIC}, arrival: {{open_loop: {{{rest}}}}}, measure: {{{measure}}}")
    };
    let grid = "backends: [reference]";
    for (workload, grid, words) in [
        (open("", "min_seconds: 1"), grid, "`rate` is not set"),
        (
            open("rate: 1", "min_seconds: 1"),
            "backends: [reference], shared: {workload.rate: [2, 3]}",
            "`rate` has no effect",
        ),
        (
            open("rate: 1", "min_seconds: 1"),
            "backends: [reference], shared: {workload.concurrency: 2}",
            "`workload.concurrency` has no effect",
        ),
        (open("rate: 0", "min_seconds: 1"), grid, "above 0"),
        (
            open("rate: 9999", "min_seconds: 3600"),
            grid,
            "would arrive",
        ),
        (
            open("rate: 0.01", "min_requests: 100000"),
            grid,
            "take 10000000 s",
        ),
        (
            open("rate: 1, burstiness: 2", "min_seconds: 1"),
            grid,
            "`burstiness` has no effect",
        ),
        (
            open("rate: 1, process: gamma", "min_seconds: 1"),
            grid,
            "needs `burstiness`",
        ),
        (
            open("rate: 1, process: constant, seed: 3", "min_seconds: 1"),
            grid,
            "`seed` has no effect",
        ),
        (
            SYNTHETIC.to_owned(),
            "backends: [reference], shared: {workload.rate: 2}",
            "requests have no times",
        ),
    ] {
        let report = refused("random: {seed: 1}", &workload, grid);
        assert!(
            report.contains(words) && report.contains("1 problem"),
            "{words}: {report}"
        );
    }
}

#[test]
fn a_trace_brings_prompts_and_times_in_order() {
    let expansion = reference("arrival: {trace: {file: a.trace, output_tokens: 6}}", "");
    let workload = &expansion.experiments[0].workload;
    let file = written(workload);
    assert_eq!(file.arrivals_ns, [250_000_000, 500_000_000, 2_000_000_000]);
    let lengths: Vec<_> = file
        .prompts
        .iter()
        .map(|prompt| (prompt.input_ids.len(), prompt.output_tokens))
        .collect();
    assert_eq!(lengths, [(5, 6), (4, 3), (6, 6)]);
    assert_eq!(workload.least_seconds(), 2.0);
    let measured = "arrival: {trace: {file: a.trace, output_tokens: 6}}, measure: {min_seconds: 1}";
    let report = refused("random: {seed: 1}", measured, "backends: [reference]");
    assert!(report.contains("a trace is measured whole"), "{report}");
    let both = format!("{SYNTHETIC}, arrival: {{trace: {{file: a.trace, output_tokens: 6}}}}");
    let report = refused("random: {seed: 1}", &both, "backends: [reference]");
    assert!(
        report.contains("a trace brings its own prompts"),
        "{report}"
    );
}

#[test]
fn a_text_is_bytes_for_the_reference_and_a_text_for_a_model() {
    let workload = "jsonl: {file: text.jsonl, output_tokens: 4}";
    let bytes = written(&reference(workload, "").experiments[0].workload);
    assert!(
        bytes
            .prompts
            .iter()
            .any(|prompt| prompt.input_ids == [104, 0xc3, 0xa9])
    );
    let local = file("local: {path: m}", workload, "backends: [widget]");
    let workload = &load_text(&local).expand().experiments[0].workload;
    let text = written(workload);
    assert!(
        text.prompts
            .iter()
            .any(|prompt| prompt.text.as_deref() == Some("hé") && prompt.input_ids.is_empty())
    );
    let known: Vec<_> = workload
        .content
        .lengths
        .iter()
        .map(|length| length.input_tokens)
        .collect();
    assert!(known.contains(&None) && known.contains(&Some(1)));
}

#[test]
fn a_template_is_embedded_and_an_output_may_end_naturally() {
    let text = file(
        "local: {path: m}",
        "jsonl: {file: chat.jsonl, output_tokens: 9, output: natural, chat_template: a.jinja}",
        "backends: [widget]",
    );
    let workload = &load_text(&text).expand().experiments[0].workload;
    let file = written(workload);
    assert_eq!(file.chat_template.as_deref(), Some("{{ messages }}"));
    assert_eq!(workload.content.chat_template.as_ref().unwrap().len(), 64);
    let prompt = &file.prompts[0];
    assert!(prompt.natural && prompt.output_tokens == 9);
    assert_eq!(prompt.messages.as_ref().unwrap()[0].content, "hello");
}

#[test]
fn what_a_model_lacks_is_refused_by_name() {
    let local = "local: {path: m}";
    let dummy = "dummy: {config: a.json}";
    let widget = "backends: [widget]";
    for (model, workload, grid, words) in [
        (
            dummy,
            "jsonl: {file: text.jsonl, output_tokens: 4}",
            widget,
            "has no tokenizer",
        ),
        (
            dummy,
            "jsonl: {file: a.jsonl, output_tokens: 4, output: natural}",
            widget,
            "trained weights",
        ),
        (
            "random: {seed: 1}",
            "jsonl: {file: chat.jsonl, output_tokens: 4}",
            "backends: [reference]",
            "no chat template",
        ),
        (
            local,
            "jsonl: {file: a.jsonl, output_tokens: 4, chat_template: a.jinja}",
            widget,
            "`chat_template` has no effect",
        ),
        (
            local,
            "jsonl: {file: a.jsonl, output_tokens: 4, output: file}",
            widget,
            "in every line",
        ),
        (
            local,
            "jsonl: {file: a.jsonl, output_tokens: 4, output: fixed}",
            widget,
            "output `fixed` has no effect",
        ),
    ] {
        let report = refused(model, workload, grid);
        assert!(
            report.contains(words) && report.contains("1 problem"),
            "{words}: {report}"
        );
    }
}

/// Nothing is filled in: a point without its concurrency, rate or lengths is refused, whoever else sets them.
#[test]
fn a_pace_or_length_that_only_some_points_set_is_refused() {
    let some = |entries: &str, workload: &str| {
        let text = format!(
            "campaign_name: c\nmodel: {{random: {{seed: 1}}}}\nworkload: {{{workload}}}\nexperiments:\n{entries}"
        );
        try_load(&text).unwrap_err().to_string()
    };
    let one =
        |with: &str| format!("  - {{backend: reference, parameters: {{batch_size: 1{with}}}}}\n");
    let lengths = "synthetic: {input_tokens: 16, output_tokens: 4}";
    for (axis, workload) in [
        (
            "workload.concurrency",
            format!("{lengths}, arrival: {{closed_loop: {{}}}}"),
        ),
        (
            "workload.rate",
            format!("{lengths}, arrival: {{open_loop: {{}}}}"),
        ),
        (
            "workload.output_tokens",
            "synthetic: {input_tokens: 16}".to_owned(),
        ),
    ] {
        let error = some(
            &format!("{}{}", one(&format!(", {axis}: 4")), one("")),
            &workload,
        );
        let told = format!("not every point sets `{axis}`");
        assert!(error.contains(&told), "{error}");
    }
}
