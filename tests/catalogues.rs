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

/// One text of a shipped pair with one edit, joined with the other.
fn edited(file: &str, from: &str, to: &str) -> Result<Catalogues, String> {
    let names = ["vllm-0.26.0.json", "vllm-0.26.0.curated.json"];
    let files = names.map(|name| {
        let text = std::fs::read_to_string(format!("catalogues/{name}")).unwrap();
        let edit = name.contains(file) || file.is_empty();
        assert!(!edit || text.contains(from), "{name} lacks {from}");
        let text = if edit {
            text.replacen(from, to, 1)
        } else {
            text
        };
        (name.to_owned(), text)
    });
    let texts = joined(files.into()).map_err(|error| error.to_string())?;
    Catalogues::read(&texts).map_err(|error| error.to_string())
}

#[test]
fn every_bad_edit_of_a_pair_is_refused_and_named() {
    let curated = "curated";
    let extracted = "0.26.0.json";
    edited(curated, "\"device\"", "\"device\"").unwrap();
    for (file, from, to, expected) in [
        (
            curated,
            "\"version\": \"0.26.0\"",
            "\"version\": \"0.26.1\"",
            "is of vllm 0.26.0",
        ),
        (
            curated,
            "\"EngineArgs.dtype\"",
            "\"EngineArgs.type\"",
            "comes from EngineArgs.dtype",
        ),
        (
            curated,
            "\"name\": \"block_size\"",
            "\"name\": \"blocksize\"",
            "has no `blocksize`",
        ),
        (curated, "[\"n\"]", "[\"nn\"]", "exclusions name `nn`"),
        (
            curated,
            "\"mxfp8\", \"bits",
            "\"fp9\", \"bits",
            "names no choice \"fp9\"",
        ),
        (
            curated,
            "\"value\": false,\n        \"why\": \"vLLM switches",
            "\"value\": 1,\n        \"why\": \"vLLM switches",
            "default of `enable_prefix_caching`",
        ),
        (
            curated,
            ", \"why\": \"SchedulerConfig refuses less\"",
            "",
            "changed without `why`",
        ),
        (
            curated,
            "\"level\": \"engine\",\n      \"doc\": \"Type of weights",
            "\"level\": \"request\",\n      \"doc\": \"Type of weights",
            "level is another one",
        ),
        (
            curated,
            "\"doc\": \"Which way of guessing tokens is used; null guesses none.\",",
            "",
            "missing field `doc`",
        ),
        (
            curated,
            "\"doc\": \"Which way of guessing tokens is used; null guesses none.\"",
            "\"doc\": \"\"",
            "`speculative_config.method`: its `doc` is empty",
        ),
        (
            curated,
            "\"name\": \"swap_space\"",
            "\"name\": \"seed\"",
            "`seed` is both removed and there",
        ),
        (
            curated,
            "\"name\": \"batch_size\"",
            "\"name\": \"spec_model\"",
            "is the engine's, not the worker's",
        ),
        (
            curated,
            "\"forbid\": { \"max_num_batched",
            "\"forbid\": { \"most_batched",
            "unknown parameter or fact `most_batched_tokens`",
        ),
        (curated, "\"rules\"", "\"ruled\"", "unknown field `ruled`"),
        (
            extracted,
            "\"name\": \"model\"",
            "\"name\": \"dtype\"",
            "the name `dtype` stands twice",
        ),
        (
            extracted,
            "\"kinds\": [\"string\"]",
            "\"kinds\": []",
            "takes no kind of value",
        ),
        (
            extracted,
            "\"level\": \"engine\"",
            "\"level\": \"late\"",
            "unknown variant `late`",
        ),
        (
            extracted,
            "\"kinds\": [\"string\"]",
            "\"doc\": \"A sentence.\", \"kinds\": [\"string\"]",
            "unknown field `doc`",
        ),
    ] {
        let error = edited(file, from, to).expect_err(expected);
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        assert!(error.starts_with("catalogues/vllm-0.26.0"), "{error}");
    }
}

#[test]
fn halves_pins_and_versions_have_to_fit() {
    let text = |name: &str| std::fs::read_to_string(format!("catalogues/{name}")).unwrap();
    let read = |files: &[(&str, String)]| {
        let files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.clone()));
        let texts = joined(files.collect()).map_err(|error| error.to_string())?;
        Catalogues::read(&texts).map_err(|error| error.to_string())
    };
    let (old, old_curated) = (
        ("vllm-0.26.0.json", text("vllm-0.26.0.json")),
        ("vllm-0.26.0.curated.json", text("vllm-0.26.0.curated.json")),
    );
    let (new, new_curated) = (
        ("vllm-0.32.0.json", text("vllm-0.32.0.json")),
        ("vllm-0.32.0.curated.json", text("vllm-0.32.0.curated.json")),
    );
    let pin = |version: &str| ("pins.json", format!("{{\"vllm\": \"{version}\"}}"));
    let error = read(std::slice::from_ref(&old_curated)).unwrap_err();
    assert!(
        error.contains("there is no vllm-0.26.0.json beside it"),
        "{error}"
    );
    let error = read(std::slice::from_ref(&old)).unwrap_err();
    assert!(
        error.contains("needs the curated text beside it"),
        "{error}"
    );
    let both = [old, old_curated, new, new_curated];
    let error = read(&both).unwrap_err();
    assert!(
        error.contains("two catalogues for the backend `vllm`"),
        "{error}"
    );
    let error = read(&[&both[..], &[pin("0.27.0")]].concat()).unwrap_err();
    assert!(
        error.contains("pins vllm 0.27.0, which has no catalogue here"),
        "{error}"
    );
    let catalogues = read(&[&both[..], &[pin("0.32.0")]].concat()).unwrap();
    assert_eq!(catalogues.get("vllm").unwrap().version(), "0.32.0");
    assert_eq!(catalogues.at("vllm", "0.26.0").unwrap().version(), "0.26.0");
    assert_eq!(
        catalogues.versions("vllm").collect::<Vec<_>>(),
        ["0.26.0", "0.32.0"]
    );
}

#[test]
fn each_curated_parameter_has_its_reason_and_each_of_an_engine_its_source() {
    let catalogues = shipped();
    for backend in ["pytorch", "tensorrt", "vllm"] {
        for version in catalogues
            .versions(backend)
            .map(str::to_owned)
            .collect::<Vec<_>>()
        {
            let catalogue = catalogues.at(backend, &version).unwrap();
            assert!(catalogue.needs_gpu());
            for parameter in catalogue.parameters().values() {
                assert!(
                    parameter.reason.len() > 20,
                    "{}: {}",
                    parameter.name,
                    parameter.reason
                );
                assert!(!parameter.doc.is_empty(), "{backend}: {}", parameter.name);
                if let Some(origin) = &parameter.origin {
                    assert!(origin.entry.source.contains(".py"), "{}", parameter.name);
                }
            }
            assert!(catalogue.parameters().len() >= 18 && catalogue.extra().len() >= 20);
            assert!(catalogue.rules().len() >= 8, "{backend}");
        }
    }
}
