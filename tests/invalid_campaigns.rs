//! What lemctl says about invalid campaign files: one snapshot for each file of `tests/invalid/`.
//! `INSTA_UPDATE=always cargo test --test invalid_campaigns` rewrites them.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::Path;

use lemctl::campaign::{PromptSource, load};
use lemctl::catalogue::{Catalogue, Catalogues};
use lemctl::diagnostics::{Exit, Fault};

struct Files;

impl PromptSource for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(Path::new("tests/invalid").join(path))
            .map_err(|_| "no such file".to_owned())
    }
}

#[test]
fn each_invalid_file_is_reported_with_all_of_its_problems() {
    let text = std::fs::read_to_string("catalogues/reference-0.1.0.json").unwrap();
    // One that computes on the CPU and stands in for no GPU.
    let abacus = text
        .replace(r#""backend": "reference""#, r#""backend": "abacus""#)
        .replace(r#""simulated_gpus": true"#, r#""simulated_gpus": false"#);
    // One that loads models.
    let widget = std::fs::read_to_string("tests/support/widget-1.0.0.json").unwrap();
    let parsed = [
        ("reference", &text),
        ("abacus", &abacus),
        ("widget", &widget),
    ]
    .map(|(name, text)| Catalogue::parse(name, text).unwrap());
    let catalogues = Catalogues::new(parsed).unwrap();
    let mut names: Vec<String> = std::fs::read_dir("tests/invalid")
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()?
                .strip_suffix(".yaml")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(names.len() >= 25, "{} invalid files", names.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("invalid/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for name in names {
            let text = std::fs::read_to_string(format!("tests/invalid/{name}.yaml")).unwrap();
            let report =
                load(&format!("{name}.yaml"), &text, &catalogues, &Files).expect_err(&name);
            assert_eq!(report.exit(), Exit::CampaignInvalid);
            insta::assert_snapshot!(name, report.to_string());
        }
    });
}
