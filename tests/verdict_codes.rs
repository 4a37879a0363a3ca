//! docs/verdicts.md explains every flag that the code can set, wherever it is set.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeSet;
use std::path::Path;

/// Rust files below a folder.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// What stands as a literal in `flags.push("…")`, `.flag("…")` and `RejectReason::new("…")`.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    let literal = |call: &'static str| {
        text.split(call)
            .skip(1)
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
    };
    literal("flags.push(")
        .chain(literal(".flag("))
        .chain(literal("RejectReason::new("))
}

#[test]
fn every_flag_that_is_set_is_explained() {
    let page = std::fs::read_to_string("docs/verdicts.md").unwrap();
    let headings: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    let mut texts = Vec::new();
    sources(Path::new("src"), &mut texts);
    let set: BTreeSet<&str> = texts.iter().flat_map(|text| literals(text)).collect();
    assert!(set.len() > 8, "the search finds no flags any more: {set:?}");
    let missing: Vec<&&str> = set.difference(&headings).collect();
    assert!(missing.is_empty(), "docs/verdicts.md lacks {missing:?}");
}

#[test]
fn literals_are_found_across_lines() {
    let text = "flags.push(\"a\".into()); ruling.flag(\n  \"b\"); RejectReason::new(\"c\", x); flags.push(flag.clone())";
    assert_eq!(literals(text).collect::<Vec<_>>(), ["a", "b", "c"]);
}
