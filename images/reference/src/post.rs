//! The conversation's two ends while an engine is loaded, and what may come in while a request is in
//! progress.

use std::sync::mpsc::{Receiver, TryRecvError};

use lem_protocol::{Event, Outcome, Request, RequestLine};

use crate::clock::monotonic_ns;
use crate::fault::{Code, Fault};
use crate::hello::hello;
use crate::inbox::Incoming;
use crate::output::{Answered, Output};

/// At most ten a second.
const PROGRESS_PAUSE_NS: u64 = 100_000_000;

/// Both ends.
pub struct Post {
    inbox: Receiver<Incoming>,
    output: Output,
    last_progress_ns: u64,
    ended: Option<Ended>,
}

/// Why the conversation ends.
#[derive(Debug, Clone)]
pub enum Ended {
    /// Stdin ended.
    Gone,
    /// Shutdown was said, in this request.
    Shutdown(Answered),
}

impl Post {
    /// Takes both ends over.
    pub fn new(inbox: Receiver<Incoming>, output: Output) -> Self {
        Self {
            inbox,
            output,
            last_progress_ns: 0,
            ended: None,
        }
    }

    /// Waits for the next request while nothing is in progress; `None` when the conversation ends.
    pub fn next(&mut self) -> Option<RequestLine> {
        while self.ended.is_none() {
            match self.inbox.recv().unwrap_or(Incoming::Gone) {
                Incoming::Request(line, _) => match line.request {
                    // Late: what they would steer has ended.
                    Request::Go {} | Request::Cancel {} => {}
                    Request::Shutdown {} => {
                        self.ended = Some(Ended::Shutdown(Answered::from(&*line)))
                    }
                    _ => return Some(*line),
                },
                Incoming::Bad(id, fault) => {
                    self.send(&Answered { id, attempt: None }, fault.to_event())
                }
                Incoming::Gone => self.ended = Some(Ended::Gone),
            }
        }
        None
    }

    /// Waits for `go` for the request in progress.
    pub fn wait_for_go(&mut self, current: &Answered) -> Result<(), Fault> {
        loop {
            let incoming = self.inbox.recv().unwrap_or(Incoming::Gone);
            if self.during(current, incoming)? {
                return Ok(());
            }
        }
    }

    /// Takes in what came since the last call; fails when the request in progress must stop.
    pub fn steer(&mut self, current: &Answered) -> Result<(), Fault> {
        loop {
            match self.inbox.try_recv() {
                Ok(incoming) => self.during(current, incoming)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => self.during(current, Incoming::Gone)?,
            };
        }
    }

    /// Says how far the request in progress is, but not too often.
    pub fn progress(&mut self, current: &Answered, completed_requests: u64) {
        let now_ns = monotonic_ns();
        if now_ns.saturating_sub(self.last_progress_ns) >= PROGRESS_PAUSE_NS {
            self.last_progress_ns = now_ns;
            self.output
                .offer(current, Event::Progress { completed_requests });
        }
    }

    /// Sends an event.
    pub fn send(&self, to: &Answered, event: Event) {
        self.output.send(to, event);
    }

    /// Sends the good end of a request.
    pub fn done(&self, to: &Answered, outcome: Outcome) {
        self.send(to, Event::Done { outcome });
    }

    /// Ends the conversation: answers shutdown, if that is why, and waits until it is written.
    pub fn finish(self) {
        if let Some(Ended::Shutdown(to)) = &self.ended {
            self.done(to, Outcome::Shutdown {});
        }
        self.output.finish();
    }

    /// One thing that came while a request is in progress; `true` for its `go`.
    fn during(&mut self, current: &Answered, incoming: Incoming) -> Result<bool, Fault> {
        let line = match incoming {
            Incoming::Request(line, _) => line,
            Incoming::Bad(id, fault) => {
                self.send(&Answered { id, attempt: None }, fault.to_event());
                return Ok(false);
            }
            Incoming::Gone => {
                self.ended = Some(Ended::Gone);
                return Err(Fault::new(Code::Cancelled, "stdin ended: lemctl is gone"));
            }
        };
        let to = Answered::from(&*line);
        // One that names another attempt comes late.
        let is_meant = to.attempt.is_none() || to.attempt == current.attempt;
        match line.request {
            Request::Go {} => return Ok(is_meant),
            Request::Cancel {} if is_meant => {
                return Err(Fault::new(Code::Cancelled, "cancelled, as asked"));
            }
            Request::Cancel {} => {}
            Request::Shutdown {} => {
                self.ended = Some(Ended::Shutdown(to));
                return Err(Fault::new(Code::Cancelled, "cancelled by shutdown"));
            }
            Request::Ping {} => self.done(
                &to,
                Outcome::Ping {
                    monotonic_ns: monotonic_ns(),
                },
            ),
            Request::Hello {} => self.done(&to, Outcome::Hello(hello())),
            Request::Load(_) | Request::Warmup(_) | Request::Measure(_) | Request::Assess(_) => {
                let fault =
                    Fault::new(Code::Busy, format!("request {} is in progress", current.id));
                self.send(
                    &to,
                    fault
                        .hint("wait for its done or error, or cancel it")
                        .to_event(),
                );
            }
        }
        Ok(false)
    }
}
