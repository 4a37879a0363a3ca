//! A daemon of a chosen version behind a Unix socket: HTTP/1.1 by hand, answers from a closure, and a
//! record of the paths that were asked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// What a request is answered with: status and JSON body. Status 0: never.
pub type Answer = (u16, String);

/// A running daemon; it ends with its runtime.
pub struct FakeDaemon {
    folder: tempfile::TempDir,
    paths: Arc<Mutex<Vec<String>>>,
}

impl FakeDaemon {
    /// Listens; `answer` gets `METHOD /path?query`.
    pub fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::slow(answer, |_| Duration::ZERO)
    }

    /// The same; each answer waits for as long as `delay` says.
    pub fn slow(
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
        delay: impl Fn(&str) -> Duration + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket");
        let paths = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (paths.clone(), Arc::new((answer, delay)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move { serve(stream, &seen, &answer.0, &answer.1).await });
            }
        });
        Self { folder, paths }
    }

    /// Its socket.
    pub fn socket(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path())
            .expect("a path in UTF-8")
            .join("docker.sock")
    }

    /// Every request so far: `METHOD /path?query`.
    pub fn requests(&self) -> Vec<String> {
        self.paths.lock().expect("held for an instant only").clone()
    }
}

/// One connection, one request.
async fn serve(
    stream: UnixStream,
    seen: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
    delay: &(dyn Fn(&str) -> Duration + Send + Sync),
) {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    let mut length = 0;
    if stream.read_line(&mut first).await.unwrap_or(0) == 0 {
        return;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("the body");
    let request = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let (status, text) = answer(&request);
    let wait = delay(&request);
    seen.lock().expect("held for an instant only").push(request);
    if status == 0 {
        // A daemon that was stopped keeps its connections open and says nothing.
        std::future::pending::<()>().await;
    }
    if wait > Duration::ZERO {
        tokio::time::sleep(wait).await;
    }
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
}
