//! Catalogues: the shipped one is good, and every bad edit of it is refused.

use serde_json::{Value, json};

use super::{Catalogue, CatalogueError, Catalogues};
use crate::units::Digest;

const TEXT: &str = include_str!("../../catalogues/reference-0.1.0.json");

/// The shipped catalogue with one edit.
fn edited(edit: impl FnOnce(&mut Value)) -> Result<Catalogue, CatalogueError> {
    let mut value: Value = serde_json::from_str(TEXT).unwrap();
    edit(&mut value);
    Catalogue::parse("c.json", &value.to_string())
}

#[test]
fn the_shipped_catalogue_is_of_the_workspace_version() {
    let catalogue = Catalogue::parse("c.json", TEXT).unwrap();
    assert_eq!(
        (catalogue.backend(), catalogue.version()),
        ("reference", env!("CARGO_PKG_VERSION"))
    );
    assert!(!catalogue.needs_gpu() && catalogue.may_name_gpus());
    assert_eq!(catalogue.digest(), &Digest::of(TEXT.as_bytes()));
}

#[test]
fn every_bad_edit_is_refused_and_named() {
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 16] = [
        ("simulated_gpus is for", |c| c["device"] = json!("cuda")),
        ("unknown field `more`", |c| c["more"] = json!(1)),
        ("unknown field `defualt`", |c| {
            c["parameters"][0]["defualt"] = json!(1)
        }),
        ("schema_version is 3", |c| c["schema_version"] = json!(3)),
        ("needs the curated text", |c| c["schema_version"] = json!(2)),
        ("`Reference` is not made of", |c| {
            c["backend"] = json!("Reference")
        }),
        ("`threads` stands twice", |c| {
            c["parameters"][1]["name"] = json!("threads")
        }),
        ("default of `threads`", |c| {
            c["parameters"][0]["default"] = json!(0)
        }),
        ("default of `dtype`", |c| {
            c["parameters"][1]["choices"] = json!(["int8"])
        }),
        ("`all` means something", |c| {
            c["parameters"][0]["name"] = json!("all")
        }),
        ("unknown parameter `vocab`", |c| {
            c["vocabulary"]["parameter"] = json!("vocab")
        }),
        ("unknown parameter or fact `heads`", |c| {
            c["rules"][0]["forbid"] = json!({"heads": 1})
        }),
        ("id `head-width-even` stands twice", |c| {
            c["rules"][0]["id"] = json!("head-width-even")
        }),
        ("at num_heads.gte", |c| {
            c["rules"][0]["forbid"] = json!({"num_heads": {"gte": 1}})
        }),
        ("`temperature` cannot be dead", |c| {
            c["equivalences"][0]["dead"] = json!(["temperature"])
        }),
        ("reads parameters only", |c| {
            c["equivalences"][0]["when"] = json!({"workload.concurrency": 1})
        }),
    ];
    for (message, edit) in edits {
        let error = edited(edit).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} lacks {message:?}");
    }
    assert!(matches!(
        Catalogue::parse("c.json", "{"),
        Err(CatalogueError::Malformed { .. })
    ));
}

#[test]
fn backends_are_found_by_their_alias_and_held_once() {
    let catalogue = || edited(|c| c["backend"] = json!("pytorch")).unwrap();
    let catalogues = Catalogues::new([catalogue()]).unwrap();
    assert_eq!(catalogues.get("transformers").unwrap().backend(), "pytorch");
    assert!(catalogues.get("vllm").is_none());
    let twice = Catalogues::new([catalogue(), catalogue()]);
    assert!(matches!(twice, Err(CatalogueError::Duplicate { .. })));
}
