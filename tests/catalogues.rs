//! The shipped catalogues: each parses, is pinned, and holds what it must.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;

use lemctl::catalogue::{Catalogues, joined};

fn shipped() -> Catalogues {
    let files: BTreeMap<String, String> = std::fs::read_dir("catalogues")
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let texts = joined(files).unwrap_or_else(|error| panic!("{error}"));
    Catalogues::read(&texts).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_catalogue_parses_and_has_a_pin() {
    let catalogues = shipped();
    let pinned: Vec<(&str, &str)> = catalogues
        .iter()
        .map(|catalogue| (catalogue.backend(), catalogue.version()))
        .collect();
    assert_eq!(
        pinned,
        [
            ("pytorch", "5.17.0"),
            ("reference", "0.1.0"),
            ("tensorrt", "1.2.1"),
            ("vllm", "0.26.0")
        ]
    );
}
