//! The program against a hub on this machine: what is fetched, gone on with, refused and never shown.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../../../tests/support/hub_server.rs"]
#[allow(dead_code, reason = "what others use of the server")]
mod hub_server;

#[path = "hub/hostile.rs"]
mod hostile;
#[path = "hub/place.rs"]
mod place;

use std::io::{BufRead, BufReader};

use hub_server::{COMMIT, TOKEN, WEIGHTS, weights};
use lem_protocol::{FetchReply, FetchRequest};
use place::{Place, answer, refused};

#[test]
fn a_model_comes_whole_whatever_happens_on_the_way() {
    // Cut and silent connections are gone on with, a busy hub is asked again, altered bytes are fetched once more.
    for repository in [
        "tiny",
        "cut",
        "forgetful",
        "wrong-once",
        "busy",
        "silent",
        "elsewhere",
    ] {
        let mut place = Place::new();
        if repository == "silent" {
            place.patience = "1";
        }
        let reply = place.fetch(repository);
        place.holds_the_model(&reply);
    }
}

#[test]
fn a_cut_download_is_gone_on_with_and_not_begun_again() {
    let place = Place::new();
    place.holds_the_model(&place.fetch("cut"));
    let seen = place.hub.seen();
    let ranges = seen
        .iter()
        .filter(|seen| seen.path.ends_with("/model.safetensors"));
    let ranges: Vec<_> = ranges
        .map(|seen| seen.headers.get("range").cloned())
        .collect();
    let from = |byte: usize| Some(format!("bytes={byte}-"));
    assert_eq!(
        ranges,
        [
            None,
            from(70_000),
            from(140_000),
            from(210_000),
            from(280_000)
        ]
    );
}

#[test]
fn what_an_earlier_try_left_is_not_fetched_again() {
    let place = Place::new();
    let mut child = place.begin(&place.request("slow"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let part = place.model().join("model.safetensors.part");
    let size = || std::fs::metadata(&part).map_or(0, |file| file.len());
    while size() < 30_000 {
        assert!(lines.next().is_some() || size() > 0, "it ended early");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = size();
    assert!((30_000..WEIGHTS as u64).contains(&left), "{left}");
    place.holds_the_model(&place.fetch("tiny"));
    let seen = place.hub.seen();
    let again = seen
        .iter()
        .rfind(|seen| seen.path.ends_with("/model.safetensors"));
    let range = again.and_then(|seen| seen.headers.get("range"));
    assert_eq!(range, Some(&format!("bytes={left}-")));
    let asked = place.hub.asked("/resolve/");
    place.holds_the_model(&place.fetch("tiny"));
    assert_eq!(place.hub.asked("/resolve/"), asked, "all of it was there");
}

#[test]
fn bytes_left_by_an_earlier_try_are_checked_too() {
    let place = Place::new();
    std::fs::create_dir_all(place.model()).unwrap();
    let mut altered = weights();
    altered[5] ^= 1;
    std::fs::write(
        place.model().join("model.safetensors.part"),
        &altered[..1000],
    )
    .unwrap();
    std::fs::write(place.model().join("config.json"), "{").unwrap();
    place.holds_the_model(&place.fetch("tiny"));
}

#[test]
fn altered_bytes_are_refused() {
    let place = Place::new();
    let said = refused(place.fetch("wrong"), "download_broken");
    assert!(
        said.contains("model.safetensors") && said.contains("SHA-256"),
        "{said}"
    );
    assert!(!place.model().join("model.safetensors").exists());
}

#[test]
fn a_gated_model_needs_a_token_that_may_read_it() {
    let place = Place::new();
    let said = refused(place.fetch("gated"), "model_gated");
    assert!(
        said.contains("HF_TOKEN") && said.contains("licence"),
        "{said}"
    );
    let place = Place::with_token("another");
    let said = refused(place.fetch("gated"), "model_gated");
    assert!(said.contains("not granted"), "{said}");
    let place = Place::with_token(&format!("{TOKEN}\n"));
    place.holds_the_model(&place.fetch("gated"));
}

#[test]
fn a_small_file_is_believed_by_its_bytes_and_not_by_its_size() {
    let place = Place::new();
    let said = refused(place.fetch("mangled"), "download_broken");
    assert!(said.contains("tokenizer.json"), "{said}");
    assert!(!place.model().join("tokenizer.json").exists());
    // One that an earlier try left is held against it as well.
    std::fs::write(place.model().join("tokenizer.json"), "[]").unwrap();
    place.holds_the_model(&place.fetch("tiny"));
}

#[test]
fn a_token_may_follow_the_request() {
    let mut place = Place::new();
    place.after = format!("{TOKEN}\n");
    place.holds_the_model(&place.fetch("gated"));
    place.after = "no token\n".to_owned();
    let said = refused(place.fetch("gated"), "bad_request");
    assert!(!said.contains("no token\n"), "{said}");
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let place = Place::with_token(TOKEN);
    place.holds_the_model(&place.fetch("elsewhere"));
    let (own, other): (Vec<_>, Vec<_>) = place
        .hub
        .seen()
        .into_iter()
        .partition(|seen| !seen.path.starts_with("/cdn/"));
    assert!(
        own.iter()
            .all(|seen| seen.headers.contains_key("authorization"))
    );
    assert_eq!(other.len(), 3);
    assert!(
        other
            .iter()
            .all(|seen| !seen.headers.contains_key("authorization"))
    );
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::new();
    let said = refused(place.fetch("missing"), "model_not_found");
    assert!(said.contains("org/missing"), "{said}");
    let resolve = |revision: &str| {
        answer(&place.said(&FetchRequest::Resolve {
            endpoint: place.hub.endpoint(),
            id: "org/tiny".to_owned(),
            revision: revision.to_owned(),
        }))
    };
    let said = refused(resolve("v2"), "model_not_found");
    assert!(said.contains("v2"), "{said}");
    for revision in ["main", "v/1"] {
        let commit = COMMIT.to_owned();
        assert_eq!(resolve(revision), FetchReply::Resolved { commit });
    }
    refused(place.fetch("down"), "hub_unavailable");
}

#[test]
fn no_hub_is_no_network() {
    let place = Place::new();
    for endpoint in ["http://127.0.0.1:1", "http://no-such-name.invalid"] {
        let request = FetchRequest::Resolve {
            endpoint: endpoint.to_owned(),
            id: "org/tiny".to_owned(),
            revision: "main".to_owned(),
        };
        let said = refused(answer(&place.said(&request)), "no_network");
        assert!(said.contains(endpoint), "{said}");
    }
    let request = FetchRequest::Resolve {
        endpoint: "ftp://hub".to_owned(),
        id: "org/tiny".to_owned(),
        revision: "main".to_owned(),
    };
    refused(answer(&place.said(&request)), "bad_request");
}

#[test]
fn a_request_that_is_none_is_refused() {
    let place = Place::new();
    let outside = FetchRequest::Random {
        config: "{}".to_owned(),
        seed: 1,
        folder: "../m".to_owned(),
    };
    refused(answer(&place.said(&outside)), "bad_request");
}
