//! `lemctl params`, and what campaign files are told that name parameters of another version. No container is
//! needed: an audit is compared with a saved extraction.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the layers"
)]

#[allow(dead_code, reason = "each test program uses a part of the kit")]
#[path = "support/project.rs"]
mod project;

use project::{Project, Said};
use serde_json::{Value, json};

/// A project with every catalogue and the campaigns of `tests/params/`.
fn begun() -> Project {
    let project = Project::without_docker();
    project.copy_folder("catalogues");
    for name in [
        "three-engines.yaml",
        "written-for-vllm-0.10.yaml",
        "partial-prefills.yaml",
        "llama-1b.json",
    ] {
        let text = std::fs::read_to_string(format!("tests/params/{name}")).unwrap();
        project.write(&format!("campaigns/{name}"), &text);
    }
    project
}

fn run(project: &Project, arguments: &[&str]) -> Said {
    project.run(arguments)
}

fn json_of(project: &Project, arguments: &[&str]) -> Value {
    let told = run(project, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:#?}"))
}

/// Snapshots beside the campaigns.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("params/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn lists_and_single_parameters() {
    let project = begun();
    for (name, arguments) in [
        ("list-pytorch", &["params", "list", "transformers"][..]),
        (
            "show-curated",
            &["params", "show", "vllm", "max_num_batched_tokens"],
        ),
        ("show-extra", &["params", "show", "vllm", "watermark"]),
        ("show-removed", &["params", "show", "vllm", "swap_space"]),
        ("show-excluded", &["params", "show", "vllm", "max_tokens"]),
        ("show-transcribed", &["params", "show", "tensorrt", "dtype"]),
    ] {
        let told = run(&project, arguments);
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{name}");
        snapshot(name, &told.stdout);
    }
    let all = json_of(&project, &["params", "list", "vllm", "--all"]);
    let names = |key: &str| all[key].as_array().map_or(0, Vec::len);
    assert!(names("parameters") >= 35 && names("extra") >= 250, "{all}");
    let newer = json_of(&project, &["params", "list", "vllm", "--version", "0.32.0"]);
    assert_eq!(newer["version"], "0.32.0");
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let project = begun();
    for (arguments, expected) in [
        (&["params", "list", "vlm"][..], "did you mean vllm?"),
        (
            &["params", "list", "vllm", "--version", "1.0"],
            "there is: 0.26.0, 0.32.0",
        ),
        (
            &["params", "show", "vllm", "swapspace"],
            "did you mean swap_space?",
        ),
        (
            &["params", "diff", "vllm", "0.26.0", "0.27.0"],
            "name a version that has a file",
        ),
        (
            &[
                "params",
                "diff",
                "vllm",
                "0.26.0",
                "catalogues/pytorch-5.17.0.json",
            ],
            "there is: pytorch 5.17.0",
        ),
        (
            &["params", "diff", "reference", "0.1.0", "0.1.0"],
            "not a catalogue",
        ),
    ] {
        let told = run(&project, arguments);
        assert_ne!(told.code, Some(0), "{arguments:?}");
        assert!(
            told.stderr.contains(expected),
            "{arguments:?}: {}",
            told.stderr
        );
    }
}

#[test]
fn a_change_of_version_names_what_it_breaks() {
    let project = begun();
    let told = json_of(&project, &["params", "diff", "vllm", "0.26.0", "0.32.0"]);
    let dropped = told["differences"]["dropped"].to_string();
    assert!(dropped.contains("max_num_partial_prefills"), "{dropped}");
    let changed = told["differences"]["changed"].as_array().unwrap();
    let change = |name: &str, what: &str| {
        changed
            .iter()
            .find(|change| change["name"] == name && change["what"] == what)
            .unwrap_or_else(|| panic!("no {what} of {name} in {told}"))
    };
    assert_eq!(change("disable_cascade_attn", "default")["new"], "null");
    assert_eq!(
        change("quantization", "takes")["new"],
        "no longer \"bitsandbytes\""
    );
    let campaigns = told["campaigns"].as_array().unwrap();
    let of = |file: &str| campaigns.iter().find(|c| c["file"] == file).unwrap();
    assert_eq!(
        of("campaigns/partial-prefills.yaml")["breaks"],
        json!(["sets `max_num_partial_prefills`, which is no longer there"])
    );
    assert_eq!(of("campaigns/three-engines.yaml")["breaks"], json!([]));
    assert!(of("campaigns/written-for-vllm-0.10.yaml")["not_read"].is_string());
}

#[test]
fn an_audit_fails_on_any_difference_and_lists_it() {
    let project = begun();
    let shipped = std::fs::read_to_string("catalogues/vllm-0.26.0.json").unwrap();
    let audit = |text: &str| {
        project.write("found.json", text);
        run(
            &project,
            &["params", "audit", "vllm", "--against", "found.json"],
        )
    };
    let holds = audit(&shipped);
    assert_eq!(
        (holds.code, holds.stderr.as_str()),
        (Some(0), ""),
        "{holds:#?}"
    );
    let edits = [
        (
            "\"default\": 0.92",
            "\"default\": 0.9",
            "gpu_memory_utilization: default 0.92 → 0.9",
        ),
        (
            "\"name\": \"watermark\"",
            "\"name\": \"water\"",
            "dropped:\n  watermark:",
        ),
        (
            "\"choices\": [0, 1, 2, 3], ",
            "\"choices\": [0, 1, 2], ",
            "no longer",
        ),
    ];
    for (from, to, expected) in edits
        .into_iter()
        .filter(|(_, _, expected)| !expected.is_empty())
    {
        let found = audit(&shipped.replacen(from, to, 1));
        assert_eq!(found.code, Some(8), "{found:#?}");
        assert!(
            found.stdout.contains(expected),
            "{expected}: {}",
            found.stdout
        );
    }
    let other = audit(&shipped.replacen("\"version\": \"0.26.0\"", "\"version\": \"0.26.1\"", 1));
    assert_eq!(other.code, Some(8));
    assert!(
        other
            .stderr
            .contains("it is version 0.26.1, and 0 differences"),
        "{other:#?}"
    );
    // Line numbers and sentences are no difference.
    let moved = audit(&shipped.replace("arg_utils.py:4", "arg_utils.py:14"));
    assert_eq!(moved.code, Some(0), "{moved:#?}");
}

#[test]
fn a_file_for_an_older_version_is_refused_with_everything_that_it_names() {
    let project = begun();
    let told = run(
        &project,
        &["campaign", "plan", "campaigns/written-for-vllm-0.10.yaml"],
    );
    assert_eq!(told.code, Some(3));
    snapshot("written-for-vllm-0.10", &told.stderr);
}

#[test]
fn a_grid_over_three_engines_keeps_prunes_and_finds_equals() {
    let project = begun();
    let told = json_of(
        &project,
        &["campaign", "plan", "campaigns/three-engines.yaml"],
    );
    let mut rules: Vec<&str> = told["pruned"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|pruned| pruned["rule"].as_str())
        .collect();
    rules.sort_unstable();
    rules.dedup();
    assert_eq!(
        rules,
        [
            "batch-within-concurrency",
            "batched-tokens-hold-sequences",
            "heads-divide-over-gpus",
            "no-float32"
        ]
    );
    let text = run(
        &project,
        &["campaign", "plan", "campaigns/three-engines.yaml"],
    );
    assert!(
        text.stdout.starts_with(
            "campaign three-engines: 112 grid points, 36 pruned, 18 duplicates, 58 experiments"
        ),
        "{}",
        text.stdout
    );
    // Another version at hand: the same file, planned against it.
    let file = std::fs::read_to_string("tests/params/three-engines.yaml").unwrap();
    let newer = format!("versions: {{vllm: 0.32.0}}\n{file}");
    project.write("campaigns/newer.yaml", &newer);
    let newer = run(
        &project,
        &[
            "campaign",
            "plan",
            "campaigns/newer.yaml",
            "--format",
            "json",
        ],
    );
    assert!(
        newer.stdout.contains("0.32.0") || newer.code == Some(0),
        "{newer:#?}"
    );
}
