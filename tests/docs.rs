//! The documentation keeps up with the tree: links lead somewhere, the map names every module, every
//! invariant says where it is checked, every make target that is named exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Markdown files at the top and below docs/.
fn pages() -> Vec<PathBuf> {
    let mut folders = vec![root().to_owned()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .expect("a folder that was listed")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                if path.starts_with(root().join("docs")) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    assert!(pages.len() > 10, "found only {pages:?}");
    pages
}

/// Targets of `[text](target)` outside code blocks.
fn links(text: &str) -> Vec<String> {
    let mut code = false;
    let prose = text.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code
    });
    prose
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// A heading as an anchor: lower case, spaces to dashes, other signs dropped.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || *c == '-')
        .collect()
}

/// Why `link` on `page` leads nowhere, if it does.
fn broken(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_owned(),
        path => page.parent().expect("a page is in a folder").join(path),
    };
    if !target.exists() {
        return Some(format!("{}: {link}: no such file", page.display()));
    }
    let found = fragment.is_empty()
        || read(&target)
            .lines()
            .any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == fragment);
    (!found).then(|| format!("{}: {link}: no such heading", page.display()))
}

#[test]
fn links_lead_somewhere() {
    let mut broken_links = Vec::new();
    for page in pages() {
        broken_links.extend(
            links(&read(&page))
                .iter()
                .filter_map(|link| broken(&page, link)),
        );
    }
    assert!(broken_links.is_empty(), "{}", broken_links.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let page = root().join("README.md");
    assert_eq!(
        links("a [b](c.md) d\n```\n[e](f.md)\n```\n[g](h#i)"),
        ["c.md", "h#i"]
    );
    assert!(broken(&page, "no-such-page.md").is_some());
    assert!(broken(&page, "docs/formats.md#no-such-heading").is_some());
    assert!(broken(&page, "docs/formats.md#exit-codes").is_none());
}

#[test]
fn the_map_names_every_module_and_no_other() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `src/"));
    let named: BTreeSet<String> = rows
        .filter_map(|row| row.split_once("/`"))
        .map(|(name, _)| name.to_owned())
        .collect();
    let folders = std::fs::read_dir(root().join("src"))
        .expect("src is there")
        .flatten();
    let modules: BTreeSet<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(named, modules);
}

#[test]
fn every_invariant_says_where_it_is_checked() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| INV-"))
        .collect();
    assert!(!rows.is_empty());
    for (index, row) in rows.iter().enumerate() {
        assert!(
            row.starts_with(&format!("| INV-{} |", index + 1)),
            "out of order: {row}"
        );
        let place = row
            .trim_end_matches(['|', ' '])
            .rsplit('|')
            .next()
            .unwrap_or_default();
        assert!(!links(place).is_empty(), "no place: {row}");
    }
}

#[test]
fn make_targets_that_are_named_exist() {
    let makefile = read(&root().join("Makefile"));
    for page in pages() {
        for named in read(&page)
            .split("`make ")
            .skip(1)
            .filter_map(|rest| rest.split_once('`'))
        {
            let target = named.0;
            let defined = makefile
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")));
            assert!(defined, "{}: `make {target}`", page.display());
        }
    }
}
