//! One worker's life as lemctl sees it: requests out, events in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use lem_protocol::{Event, EventLine, MAX_LINE_BYTES, Outcome, Request, RequestLine};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::WorkerError;
use super::lines::{Lines, Piece};
use super::log::{Log, printable};
use super::log_file::LogFile;
use crate::containers::{ExecOutput, ExecSession};

/// Events that may wait to be read; at [`MAX_LINE_BYTES`] each they bound what a flood can hold. The
/// reader never waits for room, so that a busy lemctl cannot block the worker's stdout and with it the
/// measurement: what only informs is dropped when half is taken, and an answer that finds no room at all
/// ends the conversation.
const WAITING_EVENTS: usize = 64;

/// Why the reader stopped, if not because the streams ended.
type Broken = Arc<Mutex<Option<WorkerError>>>;

/// What ends a wait.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The worker is prepared and waits for `go`.
    Ready,
    /// The request is done.
    Done(Outcome),
}

/// Until when an answer is awaited.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    deadline: tokio::time::Instant,
    length: Duration,
}

impl Limit {
    /// `length` from now.
    #[must_use]
    pub fn from_now(length: Duration) -> Self {
        let now = tokio::time::Instant::now();
        // A length beyond what the clock can add is as good as for ever: 30 years.
        let for_ever = Duration::from_secs(30 * 365 * 24 * 3600);
        Self {
            deadline: now + length.min(for_ever),
            length,
        }
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        tokio::time::Instant::now() >= self.deadline
    }

    fn passed(&self, request: &'static str) -> WorkerError {
        WorkerError::TimedOut {
            request,
            seconds: self.length.as_secs(),
        }
    }
}

/// A worker that runs. Dropping it closes its stdin, which tells it to end.
#[derive(Debug)]
pub struct Worker {
    stdin: Stdin,
    heard: mpsc::Receiver<EventLine>,
    broken: Broken,
    log: Arc<Mutex<Log>>,
    next_id: u64,
    attempt: Option<String>,
    open: &'static str,
}

/// The worker's stdin; a wrapper since the trait object has no Debug.
struct Stdin(std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>);

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stdin")
    }
}

impl Worker {
    /// Begins the conversation over an exec; its stderr goes to `log`. Must be called within a tokio
    /// runtime: a task of it reads the streams until they end.
    #[must_use]
    pub fn new(session: ExecSession, log: Option<LogFile>) -> Self {
        let log = Arc::new(Mutex::new(Log::new(log)));
        let (tell, heard) = mpsc::channel(WAITING_EVENTS);
        let broken = Broken::default();
        tokio::spawn(listen(session.output, tell, broken.clone(), log.clone()));
        Self {
            stdin: Stdin(session.stdin),
            heard,
            broken,
            log,
            next_id: 1,
            attempt: None,
            open: "nothing",
        }
    }

    /// What the disk said when the worker's log could not be written, once.
    pub fn log_trouble(&mut self) -> Option<std::io::Error> {
        self.log.lock().ok()?.take_trouble()
    }

    /// Sends a request and returns its id. `go` and `cancel` steer the request in progress and carry
    /// its id.
    ///
    /// # Errors
    /// [`WorkerError::Gone`] when the stream is closed.
    pub async fn send(
        &mut self,
        attempt: Option<&str>,
        request: Request,
    ) -> Result<u64, WorkerError> {
        let steers = matches!(request, Request::Go {} | Request::Cancel {});
        let id = if steers {
            self.next_id - 1
        } else {
            self.next_id
        };
        if !steers {
            self.next_id += 1;
            self.open = name(&request);
            self.attempt = attempt.map(str::to_owned);
        }
        let line = RequestLine {
            id,
            attempt: attempt.map(str::to_owned),
            request,
        };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| WorkerError::Protocol {
            what: format!("a request cannot be written: {error}"),
        })?;
        bytes.push(b'\n');
        let sent = async {
            self.stdin.0.write_all(&bytes).await?;
            self.stdin.0.flush().await
        };
        match tokio::time::timeout(Duration::from_secs(10), sent).await {
            Ok(Ok(())) => Ok(id),
            Ok(Err(_)) => Err(self.gone()),
            Err(_) => Err(WorkerError::TimedOut {
                request: self.open,
                seconds: 10,
            }),
        }
    }

    /// Waits for the end of request `id`, or for its `ready`; other events of it go to `each`, late
    /// ones of earlier requests are dropped. Dropping the future loses nothing but those.
    ///
    /// # Errors
    /// Everything in [`WorkerError`].
    pub async fn wait(
        &mut self,
        id: u64,
        limit: Limit,
        mut each: impl FnMut(&Event),
    ) -> Result<Reply, WorkerError> {
        loop {
            // Asked on every turn: a flood of events must not outlast the deadline.
            if limit.has_passed() {
                return Err(limit.passed(self.open));
            }
            let heard = match tokio::time::timeout_at(limit.deadline, self.heard.recv()).await {
                Err(_) => return Err(limit.passed(self.open)),
                Ok(None) => return Err(self.gone()),
                Ok(Some(line)) => line,
            };
            if heard.id < id {
                continue;
            }
            if heard.id > id {
                let what = format!("it answered request {} while {id} was open", heard.id);
                return Err(WorkerError::Protocol { what });
            }
            if heard.attempt != self.attempt {
                let attempt = printable(heard.attempt.as_deref().unwrap_or("none").as_bytes());
                let what = format!("it answered request {id} for another attempt ({attempt})");
                return Err(WorkerError::Protocol { what });
            }
            match heard.event {
                Event::Ready {} => return Ok(Reply::Ready),
                Event::Done { outcome } => return Ok(Reply::Done(outcome)),
                Event::Error {
                    code,
                    message,
                    hint,
                } => {
                    return Err(WorkerError::Refused {
                        code: printable(code.as_bytes()),
                        message: printable(message.as_bytes()),
                        hint: hint.map(|hint| printable(hint.as_bytes())),
                    });
                }
                event @ (Event::Mark(_) | Event::Progress { .. }) => each(&event),
            }
        }
    }

    /// Sends a request and waits for its outcome.
    ///
    /// # Errors
    /// Everything in [`WorkerError`]; `ready` is a breach here.
    pub async fn ask(
        &mut self,
        attempt: Option<&str>,
        request: Request,
        limit: Duration,
    ) -> Result<Outcome, WorkerError> {
        let limit = Limit::from_now(limit);
        let id = self.send(attempt, request).await?;
        match self.wait(id, limit, |_| {}).await? {
            Reply::Done(outcome) => Ok(outcome),
            Reply::Ready => Err(WorkerError::Protocol {
                what: format!("`ready` in answer to `{}`", self.open),
            }),
        }
    }

    /// Waits until the worker's streams have ended, which the agent's wrapper does after it wrote its
    /// exit record; gives whether they did within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> bool {
        let drained = async { while self.heard.recv().await.is_some() {} };
        tokio::time::timeout(limit, drained).await.is_ok()
    }

    /// Why nothing more is heard.
    fn gone(&self) -> WorkerError {
        if let Ok(broken) = self.broken.lock()
            && let Some(error) = &*broken
        {
            return error.clone();
        }
        // A poisoned lock would mean that the reader panicked: its log is then no help.
        let log = self.log.lock().map(|log| log.tail()).unwrap_or_default();
        WorkerError::Gone {
            request: self.open,
            log,
        }
    }
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::Hello {} => "hello",
        Request::Load(_) => "load",
        Request::Warmup(_) => "warmup",
        Request::Measure(_) => "measure",
        Request::Assess(_) => "assess",
        Request::Go {} => "go",
        Request::Ping {} => "ping",
        Request::Cancel {} => "cancel",
        Request::Shutdown {} => "shutdown",
    }
}

/// Reads the worker's streams until they end. Once something has broken the conversation nothing more is heard of it; what
/// it still has to say goes to the log, and to stop reading would block it.
async fn listen(
    mut output: std::pin::Pin<
        Box<
            dyn futures_util::Stream<Item = Result<ExecOutput, crate::containers::EngineError>>
                + Send,
        >,
    >,
    tell: mpsc::Sender<EventLine>,
    broken: Broken,
    log: Arc<Mutex<Log>>,
) {
    let mut lines = Lines::new(MAX_LINE_BYTES);
    let mut tell = Some(tell);
    while let Some(piece) = output.next().await {
        let mut wrong = None;
        match piece {
            Ok(ExecOutput::Stderr(bytes)) => {
                if let Ok(mut log) = log.lock() {
                    log.push(&bytes);
                }
            }
            Ok(ExecOutput::Stdout(bytes)) => {
                let Some(tell) = &tell else { continue };
                lines.push(&bytes, |piece| {
                    if wrong.is_none() {
                        wrong = hear(piece, tell).err();
                    }
                });
            }
            Err(error) => {
                wrong = Some(WorkerError::Connection {
                    what: error.to_string(),
                });
            }
        }
        if let Some(error) = wrong {
            if let Ok(mut broken) = broken.lock() {
                broken.get_or_insert(error);
            }
            // Who waits sees the end, and asks why.
            tell = None;
        }
    }
}

fn hear(piece: Piece<'_>, tell: &mpsc::Sender<EventLine>) -> Result<(), WorkerError> {
    let protocol = |what| Err(WorkerError::Protocol { what });
    let line = match piece {
        Piece::Overlong { bytes } => {
            return protocol(format!("a line of {bytes} bytes (limit {MAX_LINE_BYTES})"));
        }
        Piece::Line(line) => match serde_json::from_slice::<EventLine>(line) {
            Ok(event) => event,
            Err(error) => {
                let error = printable(error.to_string().as_bytes());
                return protocol(format!("not an event ({error}): {}", printable(line)));
            }
        },
    };
    let informs = matches!(line.event, Event::Mark(_) | Event::Progress { .. });
    if informs && tell.capacity() <= WAITING_EVENTS / 2 {
        return Ok(());
    }
    match tell.try_send(line) {
        Err(mpsc::error::TrySendError::Full(_)) => protocol(format!(
            "{WAITING_EVENTS} answers wait that nobody asked for"
        )),
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
