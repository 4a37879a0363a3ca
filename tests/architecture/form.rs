//! The form of a file: its first line says what it is for, and it is short enough to hold one idea.

use super::source::Source;

/// Most lines that a file may have.
const MOST: usize = 450;

/// Files that may be longer: path and reason. An entry that is no longer needed fails, too.
pub const LONG: &[(&str, &str)] = &[];

/// A file whose first line is not a module doc comment with something in it.
pub fn opens_with_doc(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    let says = first
        .strip_prefix("//!")
        .is_some_and(|rest| rest.split_whitespace().count() >= 2);
    if says {
        Vec::new()
    } else {
        vec![format!("{}: opens with `{first}`", source.path)]
    }
}

/// Files above the limit that `long` does not name, and entries of `long` that are not needed.
pub fn too_long(sources: &[Source], long: &[(&str, &str)]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        let listed = long.iter().any(|(path, _)| *path == source.path);
        if lines > MOST && !listed {
            violations.push(format!("{}: {lines} lines", source.path));
        }
    }
    for (path, reason) in long {
        let source = sources.iter().find(|source| source.path == *path);
        if source.is_none_or(|source| source.text.lines().count() <= MOST) {
            violations.push(format!("{path}: no longer above the limit: drop its entry"));
        }
        if reason.trim().is_empty() {
            violations.push(format!("{path}: its entry gives no reason"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_first_line_is_found() {
        for text in [
            "",
            "use a::b;",
            "//! x",
            "//!\n//! Late.",
            "// Not a module doc.",
            "/// An item's.",
        ] {
            let source = Source::new("src/plan/mod.rs", &format!("{text}\nfn f() {{}}"));
            assert_eq!(opens_with_doc(&source).len(), 1, "{text}");
        }
        let source = Source::new("src/plan/mod.rs", "//! Orders the runs.");
        assert!(opens_with_doc(&source).is_empty());
    }

    #[test]
    fn a_long_file_needs_an_entry_with_a_reason() {
        let sources = [
            Source::new("src/a.rs", &"\n".repeat(MOST + 1)),
            Source::new("src/b.rs", "\n"),
        ];
        assert_eq!(too_long(&sources, &[]).len(), 1);
        assert_eq!(too_long(&sources, &[("src/a.rs", "one table")]).len(), 0);
        assert_eq!(too_long(&sources, &[("src/a.rs", " ")]).len(), 1);
        let stale = [
            ("src/a.rs", "one table"),
            ("src/b.rs", "was long"),
            ("src/c.rs", "gone"),
        ];
        assert_eq!(too_long(&sources, &stale).len(), 2);
    }
}
