//! What the program does with campaign files it must refuse.

use camino::Utf8Path;

use crate::place::Place;

/// A project with the invalid campaigns of `tests/invalid`; their names.
fn with_invalid() -> (Place, Vec<String>) {
    let place = Place::new();
    let mut files = Vec::new();
    for entry in Utf8Path::new("tests/invalid").read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let file = format!("campaigns/{}", entry.file_name());
            let target = place.root().join(&file);
            std::fs::copy(entry.path(), target).unwrap();
            if file.ends_with(".yaml") {
                files.push(file);
            }
        }
    }
    assert!(files.len() >= 25, "{files:?}");
    (place, files)
}

#[test]
fn an_invalid_file_ends_with_3_names_its_place_and_writes_nothing() {
    let (place, files) = with_invalid();
    let before = place.contents();
    for file in &files {
        // Before any look at the machine: here is no Engine, and nobody is asked.
        let refused = place.expect(3, &["campaign", "up", file, "--yes"]);
        assert_eq!(
            refused.stderr,
            place.expect(3, &["campaign", "plan", file]).stderr
        );
        assert!(
            refused.stdout.is_empty() && refused.stderr.contains("error"),
            "{file}: {refused:#?}"
        );
        let named = refused.stderr.contains(file) || refused.stderr.contains("pruned");
        assert!(named, "{file}: {refused:#?}");
    }
    assert!(place.contents() == before, "something was written");
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2_and_says_why() {
    let place = Place::new();
    place.write("campaigns/latin1.yaml", "");
    std::fs::write(place.root().join("campaigns/latin1.yaml"), b"name: \xe9\n").unwrap();
    let before = place.contents();
    for (file, cause) in [
        ("campaigns/absent.yaml", "No such file"),
        ("campaigns", "directory"),
        ("campaigns/latin1.yaml", "not UTF-8"),
        ("/dev/zero", "larger than"),
    ] {
        for command in ["plan", "up"] {
            let refused = place.expect(2, &["campaign", command, file]);
            assert!(
                refused.stderr.contains(cause) && refused.stderr.contains(file),
                "{refused:#?}"
            );
            assert!(refused.stderr.lines().count() <= 3, "{refused:#?}");
        }
    }
    assert!(place.contents() == before, "something was written");
}

#[test]
fn a_broken_catalogue_is_named_and_nothing_is_written() {
    let place = Place::new();
    place.write("catalogues/reference-0.1.0.json", "{\"schema_version\": 1,");
    let before = place.contents();
    let refused = place.expect(4, &["campaign", "plan", "campaigns/quickstart.yaml"]);
    assert!(
        refused.stdout.is_empty()
            && refused.stderr.contains("catalogues/reference-0.1.0.json")
            && refused.stderr.contains("fix:"),
        "{refused:#?}"
    );
    assert!(place.contents() == before, "something was written");
}
