//! A model hub on this machine: the interface of huggingface.co as far as `lem-fetch` uses it, with repositories
//! that are whole, gated, missing, cut, altered, busy, silent or slow, and some that lie. Each connection has a thread
//! and ends with its answer.

#[path = "hub_server/files.rs"]
mod files;
#[path = "hub_server/lies.rs"]
mod lies;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

#[allow(unused_imports, reason = "each test program uses a part of the kit")]
pub use files::{files, weights};
#[allow(unused_imports, reason = "each test program uses a part of the kit")]
pub use lies::{OTHER_COMMIT, SECRET};

/// The commit that every branch is.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The token that opens `org/gated`.
pub const TOKEN: &str = "hf_a_token_that_nobody_may_see";
/// Size of the weights.
pub const WEIGHTS: usize = 300_000;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub headers: HashMap<String, String>,
}

/// The server; it lives until the process ends.
pub struct HubServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl HubServer {
    /// With the usual files.
    pub fn start() -> Self {
        Self::serving(files())
    }

    /// With other files in every repository.
    pub fn serving(files: Vec<(String, Vec<u8>)>) -> Self {
        let files = Arc::new(files);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, files) = (log.clone(), files.clone());
                // A client that went away is its own business.
                std::thread::spawn(move || drop(serve(&stream, address, &log, &files)));
            }
        });
        Self { address, seen }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no thread died with it").clone()
    }

    /// How often a file of a repository was asked for.
    pub fn asked(&self, part: &str) -> usize {
        let seen = self.seen();
        seen.iter().filter(|seen| seen.path.contains(part)).count()
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name that git gives a file.
fn blob(bytes: &[u8]) -> String {
    use sha1::Digest as _;
    let mut sum = sha1::Sha1::new();
    sum.update(format!("blob {}\0", bytes.len()));
    sum.update(bytes);
    let sum = sum.finalize();
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn serve(
    stream: &TcpStream,
    address: SocketAddr,
    log: &Mutex<Vec<Seen>>,
    files: &[(String, Vec<u8>)],
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let request = Seen { path, headers };
    let before = {
        let mut log = log.lock().expect("no thread died with it");
        let same = log.iter().filter(|seen| seen.path == request.path).count();
        log.push(request.clone());
        same
    };
    let answer = Answer {
        stream,
        address,
        request: &request,
        before,
        files,
    };
    answer.give()
}

/// One answer.
struct Answer<'a> {
    stream: &'a TcpStream,
    address: SocketAddr,
    request: &'a Seen,
    /// How often the same was asked before.
    before: usize,
    files: &'a [(String, Vec<u8>)],
}

impl Answer<'_> {
    fn give(&self) -> std::io::Result<()> {
        let path = self.request.path.as_str();
        if let Some(rest) = path.strip_prefix("/api/models/") {
            let mut parts = rest.splitn(4, '/');
            let repository = parts.nth(1).unwrap_or_default();
            let revision = parts.nth(1).unwrap_or_default();
            return self.listing(repository, revision.split('?').next().unwrap_or_default());
        }
        if let Some(name) = path.strip_prefix("/cdn/") {
            return self.file("tiny", name);
        }
        let parts: Vec<&str> = path.splitn(6, '/').collect();
        match parts.as_slice() {
            ["", "org", repository, "resolve", COMMIT, name] => self.file(repository, name),
            _ => self.error("404 Not Found", "EntryNotFound"),
        }
    }

    fn error(&self, status: &str, code: &str) -> std::io::Result<()> {
        self.head(status, 0, &format!("X-Error-Code: {code}\r\n"))
    }

    fn head(&self, status: &str, length: usize, more: &str) -> std::io::Result<()> {
        let mut stream = self.stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
        )
    }

    fn listing(&self, repository: &str, revision: &str) -> std::io::Result<()> {
        match repository {
            "missing" => return self.error("401 Unauthorized", "RepoNotFound"),
            "down" => return self.error("503 Service Unavailable", ""),
            "busy" if self.before < 2 => {
                return self.head("503 Service Unavailable", 0, "Retry-After: 0\r\n");
            }
            _ if !["main", "v%2F1", COMMIT].contains(&revision) => {
                return self.error("404 Not Found", "RevisionNotFound");
            }
            _ => {}
        }
        let siblings = self.files.iter().map(|(name, bytes)| {
            let size = lies::size(repository).unwrap_or(bytes.len() as u64);
            match name.ends_with(".safetensors") {
                _ if lies::tells_no_sums(repository) => json!({ "rfilename": name, "size": size }),
                true => json!({ "rfilename": name, "size": size, "lfs": {
                    "sha256": sha256(bytes), "size": size, "pointerSize": 134,
                } }),
                false => json!({ "rfilename": name, "size": size, "blobId": blob(bytes) }),
            }
        });
        let siblings: Vec<_> = siblings.collect();
        let commit = lies::commit(repository).unwrap_or(COMMIT);
        let body =
            json!({ "id": format!("org/{repository}"), "sha": commit, "siblings": siblings });
        let body = body.to_string() + &lies::behind_a_listing(repository);
        self.head("200 OK", body.len(), "Content-Type: application/json\r\n")?;
        let mut stream = self.stream;
        stream.write_all(body.as_bytes())
    }

    fn file(&self, repository: &str, name: &str) -> std::io::Result<()> {
        let Some((_, mut bytes)) = self.files.iter().find(|(known, _)| *known == name).cloned()
        else {
            return self.error("404 Not Found", "EntryNotFound");
        };
        let large = name.ends_with(".safetensors");
        let authorization = self.request.headers.get("authorization");
        if repository == "gated" && authorization != Some(&format!("Bearer {TOKEN}")) {
            let status = match authorization {
                None => "401 Unauthorized",
                Some(_) => "403 Forbidden",
            };
            return self.error(status, "GatedRepo");
        }
        if repository == "elsewhere" {
            // Another name of the same machine, so another host.
            let port = self.address.port();
            let to = format!("Location: http://localhost:{port}/cdn/{name}\r\n");
            return self.head("302 Found", 0, &to);
        }
        if let Some(to) = lies::redirect(repository) {
            return self.head("302 Found", 0, &format!("Location: {to}\r\n"));
        }
        if large && (repository == "wrong" || repository == "wrong-once" && self.before == 0) {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        // A small file with as many bytes, and other ones.
        if repository == "mangled" && name == "tokenizer.json" {
            bytes[0] ^= 1;
        }
        if large {
            bytes.extend(lies::behind_a_file(repository));
        }
        let range = self.request.headers.get("range");
        let from = range
            .filter(|_| repository != "forgetful")
            .and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse()
                    .ok()
            })
            .unwrap_or(0_usize);
        let rest = bytes.get(from..).unwrap_or_default();
        let status = if from > 0 {
            "206 Partial Content"
        } else {
            "200 OK"
        };
        let (first, last, all) = (from, bytes.len().saturating_sub(1), bytes.len());
        let range = match from {
            0 => String::new(),
            _ => format!("Content-Range: bytes {first}-{last}/{all}\r\n"),
        };
        self.head(status, rest.len(), &range)?;
        let mut stream = self.stream;
        match repository {
            // A piece, and then nothing more.
            "cut" if large => stream.write_all(&rest[..rest.len().min(70_000)]),
            "forgetful" if large && self.before == 0 => stream.write_all(&rest[..1000]),
            "silent" if large && self.before == 0 => {
                stream.write_all(&rest[..1000])?;
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(600));
                Ok(())
            }
            "slow" if large => {
                for piece in rest.chunks(3000) {
                    stream.write_all(piece)?;
                    stream.flush()?;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(())
            }
            _ => stream.write_all(rest),
        }
    }
}
