//! A place to fetch into: a store, a hub on this machine, and the program run between them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lem_protocol::{FetchReply, FetchRequest, ModelFile};

use crate::hub_server::{COMMIT, HubServer, TOKEN, files, sha256};

/// A store, a hub, and perhaps a token.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub hub: HubServer,
    pub token: Option<PathBuf>,
    /// What follows the request.
    pub after: String,
    /// Seconds of silence after which a connection is given up: more than a busy machine takes to answer.
    pub patience: &'static str,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            hub: HubServer::start(),
            token: None,
            after: String::new(),
            patience: "30",
        }
    }

    pub fn with_token(text: &str) -> Self {
        let mut place = Self::new();
        let path = place.folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        place.token = Some(path);
        place
    }

    pub fn model(&self) -> PathBuf {
        self.folder.path().join("models/m")
    }

    pub fn begin(&self, request: &FetchRequest) -> Child {
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
    pub fn said(&self, request: &FetchRequest) -> String {
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

    pub fn fetch(&self, repository: &str) -> FetchReply {
        answer(&self.said(&self.request(repository)))
    }

    pub fn request(&self, repository: &str) -> FetchRequest {
        FetchRequest::Hub {
            endpoint: self.hub.endpoint(),
            id: format!("org/{repository}"),
            commit: COMMIT.to_owned(),
            folder: "m".to_owned(),
        }
    }

    /// The model is there to the byte, and nothing else is.
    pub fn holds_the_model(&self, reply: &FetchReply) {
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

pub fn answer(text: &str) -> FetchReply {
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
}

pub fn refused(reply: FetchReply, wanted: &str) -> String {
    match reply {
        FetchReply::Error {
            code,
            message,
            hint,
        } if code == wanted => format!("{message}; {}", hint.unwrap_or_default()),
        other => panic!("not {wanted}: {other:?}"),
    }
}
