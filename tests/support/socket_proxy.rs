//! A proxy before the Engine's socket, for tests in which the answers are the victim. It notes every request, and does to
//! chosen ones what connections, busy daemons and other versions do. Everything else goes through as it is,
//! one request a connection.
//!
//! Knows nothing of lemctl: requests are told by their [`kind`].

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

/// What is done to a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// The connection ends before the Engine hears of it.
    CutBefore,
    /// The Engine does it; of its answer only so many bytes arrive, then the connection ends.
    CutAfter(usize),
    /// The Engine does it at once; the answer comes later.
    Delay(Duration),
    /// The answer's bytes come twice.
    Repeat,
    /// The Engine is asked twice, and the second answer is the one that comes.
    Twice,
    /// The proxy answers, and the Engine hears nothing.
    Answer(u16, String),
    /// The Engine does it, and the proxy answers something else.
    Instead(u16, String),
}

/// A request that went by.
#[derive(Debug, Clone)]
pub struct Seen {
    /// As [`kind`] tells it.
    pub kind: String,
    /// `/v1.41` as `1.41`; empty without one.
    pub version: String,
    /// Its body, where it has a length.
    pub body: String,
    /// What was done to it, if anything.
    pub act: Option<Act>,
}

#[derive(Default)]
struct Shared {
    seen: Vec<Seen>,
    /// By kind: which request of it, from 1 (0: each), and what is done.
    rules: HashMap<String, Vec<(usize, Act)>>,
    counts: HashMap<String, usize>,
    /// The range of API versions that the proxy claims, as minors of 1, and what it tells the Engine instead.
    claims: Option<(u32, u32, String)>,
}

/// A running proxy; it serves until the test's process ends.
pub struct SocketProxy {
    folder: tempfile::TempDir,
    shared: Arc<Mutex<Shared>>,
}

impl SocketProxy {
    /// Listens before the Engine behind `engine`.
    pub fn before(engine: &Utf8Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &std::path::Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        open(folder.path(), 0o755);
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        open(&socket, 0o666);
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let (seen, engine) = (shared.clone(), engine.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, engine) = (seen.clone(), engine.clone());
                std::thread::spawn(move || serve(client, &engine, &shared));
            }
        });
        Self { folder, shared }
    }

    /// Its socket.
    pub fn socket(&self) -> Utf8PathBuf {
        let folder = Utf8Path::from_path(self.folder.path()).unwrap();
        folder.join("docker.sock")
    }

    /// Does `act` to request number `which` of a kind, from 1; to each one if 0.
    pub fn on(&self, kind: &str, which: usize, act: Act) {
        let mut shared = lock(&self.shared);
        let rules = shared.rules.entry(kind.to_owned()).or_default();
        rules.push((which, act));
    }

    /// Lets everything through from now on.
    pub fn behave(&self) {
        lock(&self.shared).rules.clear();
    }

    /// Claims an Engine of this version, which speaks API 1.`oldest` to 1.`newest` and refuses any other; the Engine
    /// behind it is asked in `behind`.
    pub fn claim(&self, engine: &str, oldest: u32, newest: u32, behind: &str) {
        let version = format!(
            r#"{{"Version":"{engine}","ApiVersion":"1.{newest}","MinAPIVersion":"1.{oldest}","Os":"linux","Arch":"amd64"}}"#
        );
        self.on("GET /version", 0, Act::Answer(200, version));
        lock(&self.shared).claims = Some((oldest, newest, behind.to_owned()));
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared).seen.clone()
    }

    /// Kinds to which something was done.
    pub fn done_to(&self) -> Vec<String> {
        let seen = self.seen().into_iter();
        seen.filter(|seen| seen.act.is_some())
            .map(|seen| seen.kind)
            .collect()
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `POST /v1.41/containers/0f…/start?t=1` as `POST /containers/ID/start`, and its version.
pub fn kind(line: &str) -> (String, String) {
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let mut parts: Vec<&str> = path.split('/').skip(1).collect();
    let version = parts
        .first()
        .and_then(|part| part.strip_prefix('v'))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    if !version.is_empty() {
        parts.remove(0);
    }
    if let ["images", .., "json"] = parts[..] {
        parts = vec!["images", "NAME", "json"];
    }
    let id = |part: &&str| {
        let hex = part.len() >= 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex { "ID" } else { part }.to_owned()
    };
    let parts: Vec<String> = parts.iter().map(id).collect();
    (format!("{method} /{}", parts.join("/")), version.to_owned())
}

/// A request's head, and of its body what has come or has a length.
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn read(client: &mut UnixStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut piece = [0; 8192];
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match client.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
            }
        };
        let mut body = bytes.split_off(end);
        let head = String::from_utf8(bytes).ok()?;
        let length = header(&head, "content-length").and_then(|text| text.parse::<usize>().ok());
        while length.is_some_and(|length| body.len() < length) {
            match client.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(count) => body.extend_from_slice(&piece[..count]),
            }
        }
        Some(Self { head, body })
    }

    fn upgrades(&self) -> bool {
        header(&self.head, "upgrade").is_some()
    }

    /// What the Engine gets: one request a connection, in a version that it speaks.
    fn bytes(&self, version: &str, behind: Option<&str>) -> Vec<u8> {
        let mut head = self.head.clone();
        if let (Some(behind), false) = (behind, version.is_empty()) {
            head = head.replacen(&format!("/v{version}/"), &format!("/v{behind}/"), 1);
        }
        if !self.upgrades() {
            head.insert_str(head.len() - 2, "Connection: close\r\n");
        }
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn serve(mut client: UnixStream, engine: &Utf8Path, shared: &Mutex<Shared>) {
    let Some(request) = Request::read(&mut client) else {
        return;
    };
    let (kind, version) = kind(request.head.lines().next().unwrap_or_default());
    let (act, behind) = note(shared, &kind, &version, &request);
    let bytes = request.bytes(&version, behind.as_deref());
    let Ok(mut upstream) = UnixStream::connect(engine) else {
        return;
    };
    match act {
        Some(Act::CutBefore) => return,
        Some(Act::Answer(status, body)) => {
            let _ = answer(&mut client, status, &body);
            return;
        }
        Some(Act::Instead(status, body)) => {
            let _ = whole(&mut upstream, &bytes);
            let _ = answer(&mut client, status, &body);
            return;
        }
        Some(Act::Repeat) if !request.upgrades() => {
            let said = whole(&mut upstream, &bytes).unwrap_or_default();
            let _ = client
                .write_all(&said)
                .and_then(|()| client.write_all(&said));
            return;
        }
        Some(Act::Twice) => {
            // Of a request that opens a stream the first one is dropped as it is.
            if request.upgrades() {
                let _ = upstream.write_all(&bytes);
                let _ = upstream.read(&mut [0; 1]);
            } else {
                let _ = whole(&mut upstream, &bytes);
            }
            match UnixStream::connect(engine) {
                Ok(second) => upstream = second,
                Err(_) => return,
            }
        }
        _ => {}
    }
    if upstream.write_all(&bytes).is_err() {
        return;
    }
    let (delay, most) = match act {
        Some(Act::Delay(delay)) => (delay, usize::MAX),
        Some(Act::CutAfter(most)) => (Duration::ZERO, most),
        _ => (Duration::ZERO, usize::MAX),
    };
    let (Ok(from), Ok(mut to)) = (client.try_clone(), upstream.try_clone()) else {
        return;
    };
    std::thread::spawn(move || {
        copy(from, &mut to, usize::MAX);
        // The end of its stdin; the answer may still come.
        let _ = to.shutdown(Shutdown::Write);
    });
    if delay > Duration::ZERO {
        std::thread::sleep(delay);
    }
    if most == 0 {
        // The Engine is done with it when its answer begins.
        let _ = upstream.read(&mut [0; 1]);
    }
    copy(upstream.try_clone().unwrap(), &mut client, most);
    let _ = client.shutdown(Shutdown::Both);
    let _ = upstream.shutdown(Shutdown::Both);
}

/// Notes a request; says what is done to it and in which version the Engine is asked.
fn note(
    shared: &Mutex<Shared>,
    kind: &str,
    version: &str,
    request: &Request,
) -> (Option<Act>, Option<String>) {
    let mut shared = lock(shared);
    let count = shared.counts.entry(kind.to_owned()).or_default();
    *count += 1;
    let count = *count;
    let rules = shared.rules.get(kind).into_iter().flatten();
    let mut act = rules
        .filter(|(which, _)| *which == 0 || *which == count)
        .map(|(_, act)| act.clone())
        .next();
    let mut behind = None;
    if let Some((oldest, newest, told)) = &shared.claims {
        behind = Some(told.clone());
        let minor = version
            .strip_prefix("1.")
            .and_then(|text| text.parse().ok());
        let spoken = minor.is_none_or(|minor: u32| (*oldest..=*newest).contains(&minor));
        if !spoken {
            let message = format!(
                r#"{{"message":"client version {version} is not within 1.{oldest} and 1.{newest}"}}"#
            );
            act = Some(Act::Answer(400, message));
        }
    }
    shared.seen.push(Seen {
        kind: kind.to_owned(),
        version: version.to_owned(),
        body: String::from_utf8_lossy(&request.body).into_owned(),
        act: act.clone(),
    });
    (act, behind)
}

/// Asks the Engine and reads all it says.
fn whole(upstream: &mut UnixStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    upstream.write_all(bytes)?;
    let mut said = Vec::new();
    upstream.read_to_end(&mut said)?;
    Ok(said)
}

fn answer(client: &mut UnixStream, status: u16, body: &str) -> std::io::Result<()> {
    // A 304 and a 204 have no body.
    let body = if matches!(status, 204 | 304) {
        ""
    } else {
        body
    };
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())
}

/// Copies up to `most` bytes, or to the end.
fn copy(mut from: UnixStream, to: &mut UnixStream, mut most: usize) {
    let mut piece = [0; 64 * 1024];
    while most > 0 {
        let room = most.min(piece.len());
        match from.read(&mut piece[..room]) {
            Ok(0) | Err(_) => return,
            Ok(count) if to.write_all(&piece[..count]).is_ok() => most -= count,
            Ok(_) => return,
        }
    }
}
