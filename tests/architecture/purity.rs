//! Pure modules: the same input gives the same output. They name no file, clock, environment, process,
//! thread or socket. Their unit tests may.

use super::mentions::{Mention, mentions};
use super::source::Source;

/// Modules that do no I/O.
const PURE: &[&str] = &[
    "units",
    "diagnostics",
    "document",
    "catalogue",
    "compose",
    "energy",
    "quality",
    "campaign",
    "plan",
    "execution",
];

/// Paths that reach outside the program.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "chrono::Utc",
    "chrono::Local",
    "fs_err",
    "rustix",
    "tokio",
];

/// Violations in all files of the pure modules among `sources`. Takes them all at once, since a file can
/// be declared a test by another one.
pub fn check_all(sources: &[Source]) -> Vec<String> {
    let read: Vec<_> = sources
        .iter()
        .map(|source| (source, mentions(source)))
        .collect();
    let tests: Vec<_> = read
        .iter()
        .flat_map(|(_, found)| &found.test_modules)
        .collect();
    let mut violations = Vec::new();
    for (source, found) in &read {
        let pure = source
            .layer()
            .is_some_and(|layer| PURE.contains(&layer.as_str()));
        let module = source.module();
        if !pure || tests.iter().any(|test| module.starts_with(test)) {
            continue;
        }
        for mention in found.all.iter().filter(|mention| !mention.in_test) {
            if let Some(outside) = OUTSIDE.iter().find(|outside| reaches(mention, outside)) {
                let (path, shown) = (&source.path, mention.display());
                violations.push(format!(
                    "{path}: `{shown}`: a pure module names no {outside}"
                ));
            }
        }
    }
    violations
}

fn reaches(mention: &Mention, outside: &str) -> bool {
    let outside: Vec<&str> = outside.split("::").collect();
    let same = mention.path.iter().zip(&outside).all(|(a, b)| a == b);
    let long_enough = mention.path.len() >= outside.len() || mention.glob;
    same && long_enough
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(files: &[(&str, &str)]) -> usize {
        let sources: Vec<_> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        check_all(&sources).len()
    }

    #[test]
    fn edges_and_tests_are_free() {
        let reads = "fn f() { std::fs::read(\"x\"); }";
        assert_eq!(violations(&[("src/journal/mod.rs", reads)]), 0);
        let test =
            "use std::time::Duration; #[cfg(test)] mod tests { fn f() { std::fs::read(\"x\"); } }";
        assert_eq!(violations(&[("src/plan/mod.rs", test)]), 0);
        let declared = "#[cfg(test)] mod cases;";
        let files = [("src/plan/mod.rs", declared), ("src/plan/cases.rs", reads)];
        assert_eq!(violations(&files), 0);
    }

    #[test]
    fn pure_modules_are_not() {
        for (path, text) in [
            ("src/plan/mod.rs", "fn f() { std::fs::read(\"x\"); }"),
            ("src/plan/cases.rs", "use fs_err as fs;"),
            ("src/document/mod.rs", "use std::{env, fmt};"),
            ("src/energy/mod.rs", "use std::time::*;"),
            (
                "src/execution/mod.rs",
                "use std::time::{Duration, Instant};",
            ),
            (
                "src/catalogue/mod.rs",
                "async fn f() { tokio::task::yield_now().await }",
            ),
            (
                "src/units/mod.rs",
                "fn f() { assert!(chrono::Utc::now() > x); }",
            ),
        ] {
            assert_eq!(violations(&[(path, text)]), 1, "{path}: {text}");
        }
    }
}
