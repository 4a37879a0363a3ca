//! What ARCHITECTURE.md says of the source tree and a machine can check: layer edges, which module may
//! name which crate, purity, and the form of files. Each check has its own module here, with small
//! planted violations that prove that it can fail.
//!
//! Unit tests beside the code count as code for layers and crates: a test that needs an upper layer
//! belongs in `tests/`. They are free of the purity rule, so that they may read a sample file.

mod architecture {
    pub mod form;
    pub mod layers;
    pub mod mentions;
    pub mod owners;
    pub mod purity;
    pub mod source;
    pub mod words;
}

use architecture::source::{Source, repository_sources};
use architecture::{form, layers, owners, purity, words};

/// Fails with every violation in one message.
fn assert_none(rule: &str, violations: &[String]) {
    assert!(
        violations.is_empty(),
        "{rule}\n  {}",
        violations.join("\n  ")
    );
}

fn check_each(roots: &[&str], check: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    repository_sources(roots).iter().flat_map(check).collect()
}

#[test]
fn layers_use_only_what_lies_below_them() {
    let violations = check_each(&["src"], layers::check);
    assert_none("a module uses only layers below its own", &violations);
}

#[test]
fn every_module_has_its_layer() {
    let declared = repository_sources(&["src/lib.rs"])
        .iter()
        .flat_map(layers::undeclared)
        .collect::<Vec<_>>();
    assert_none("lib.rs declares only modules of the layer table", &declared);
}

#[test]
fn outside_crates_stay_behind_their_seam() {
    let violations = check_each(&["src"], owners::check);
    assert_none(
        "a crate is named only by the module that owns it",
        &violations,
    );
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    let sources = repository_sources(&["src"]);
    let violations = purity::check_all(&sources);
    assert_none(
        "a pure module names no I/O, clock or environment",
        &violations,
    );
}

#[test]
fn files_say_what_they_are_for() {
    let violations = check_each(&["src", "images"], form::opens_with_doc);
    assert_none("a file opens with `//!` and what it is for", &violations);
}

#[test]
fn files_hold_one_idea() {
    let sources = repository_sources(&["src", "images", "tests", "benches"]);
    assert_none(
        "a file has at most 450 lines, or a reason in form::LONG",
        &form::too_long(&sources, form::LONG),
    );
}

#[test]
fn names_come_from_the_glossary() {
    let violations = check_each(&["src", "images", "tests", "benches"], words::check);
    assert_none(
        "a name says what a thing is (docs/glossary.md)",
        &violations,
    );
}
