//! The program against a hub on this machine: what is fetched, gone on with, refused and never shown.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../../../tests/support/hub_server.rs"]
#[allow(dead_code, reason = "what others use of the server")]
mod hub_server;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hub_server::{COMMIT, HubServer, TOKEN, WEIGHTS, files, sha256, weights};
use lem_protocol::{FetchReply, FetchRequest, ModelFile};

/// A store, a hub, and perhaps a token.
struct Place {
    folder: tempfile::TempDir,
    hub: HubServer,
    token: Option<PathBuf>,
    /// What follows the request.
    after: String,
    /// Seconds of silence after which a connection is given up: more than a busy machine takes to answer.
    patience: &'static str,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            hub: HubServer::start(),
            token: None,
            after: String::new(),
            patience: "30",
        }
    }

    fn with_token(text: &str) -> Self {
        let mut place = Self::new();
        let path = place.folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        place.token = Some(path);
        place
    }

    fn model(&self) -> PathBuf {
        self.folder.path().join("models/m")
    }

    fn begin(&self, request: &FetchRequest) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lem-fetch"));
        command.arg("--root").arg(self.folder.path().join("models"));
        command.args(["--patience", self.patience, "--token"]);
        command.arg(self.token.as_deref().unwrap_or(Path::new("/nowhere/token")));
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = serde_json::to_vec(request).unwrap();
        line.push(b'\n');
        line.extend(self.after.as_bytes());
        child.stdin.take().unwrap().write_all(&line).unwrap();
        child
    }

    /// All it says; the last line is the answer.
    fn said(&self, request: &FetchRequest) -> String {
        let mut child = self.begin(request);
        let mut text = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let status = child.wait().unwrap();
        let failed = matches!(answer(&text), FetchReply::Error { .. });
        assert_eq!(status.success(), !failed, "{text}");
        assert!(!text.contains(TOKEN), "{text}");
        text
    }

    fn fetch(&self, repository: &str) -> FetchReply {
        answer(&self.said(&self.request(repository)))
    }

    fn request(&self, repository: &str) -> FetchRequest {
        FetchRequest::Hub {
            endpoint: self.hub.endpoint(),
            id: format!("org/{repository}"),
            commit: COMMIT.to_owned(),
            folder: "m".to_owned(),
        }
    }

    /// The model is there to the byte, and nothing else is.
    fn holds_the_model(&self, reply: &FetchReply) {
        let FetchReply::Done { files: said } = reply else {
            panic!("{reply:?}");
        };
        let needed = ["config.json", "model.safetensors", "tokenizer.json"];
        let mut there: Vec<String> = std::fs::read_dir(self.model())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, needed);
        let all = files();
        let want = needed.map(|name| {
            let (_, bytes) = all.iter().find(|(known, _)| *known == name).unwrap();
            let there = std::fs::read(self.model().join(name)).unwrap();
            assert_eq!(&there, bytes, "{name}");
            ModelFile {
                path: name.to_owned(),
                bytes: bytes.len() as u64,
                sha256: sha256(bytes),
            }
        });
        assert_eq!(*said, want);
    }
}

fn answer(text: &str) -> FetchReply {
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
}

fn refused(reply: FetchReply, wanted: &str) -> String {
    match reply {
        FetchReply::Error {
            code,
            message,
            hint,
        } if code == wanted => format!("{message}; {}", hint.unwrap_or_default()),
        other => panic!("not {wanted}: {other:?}"),
    }
}

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
