//! Stdout: the protocol and nothing else, written by a thread of its own, so that a reader who is slow
//! does not slow the measurement.

use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use lem_protocol::{Event, EventLine, MAX_LINE_BYTES, RequestLine};

use crate::fault::{Code, Fault};

/// Events that may wait for the reader.
const ROOM: usize = 64;

/// Where events go.
pub struct Output {
    sender: Option<SyncSender<EventLine>>,
    writer: Option<JoinHandle<()>>,
}

/// The request that events answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its id.
    pub id: u64,
    /// Its attempt.
    pub attempt: Option<String>,
}

impl From<&RequestLine> for Answered {
    fn from(line: &RequestLine) -> Self {
        Self {
            id: line.id,
            attempt: line.attempt.clone(),
        }
    }
}

impl Output {
    /// Starts the writer.
    pub fn start() -> Self {
        let (sender, receiver) = sync_channel::<EventLine>(ROOM);
        let writer = thread::spawn(move || {
            let mut stdout = std::io::stdout().lock();
            for event in receiver {
                let text = line(&event);
                if stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush())
                    .is_err()
                {
                    // Nobody reads any more; stdin ends too, and that is where it is noticed.
                    return;
                }
            }
        });
        Self {
            sender: Some(sender),
            writer: Some(writer),
        }
    }

    /// Sends an event; waits when the reader is slow.
    pub fn send(&self, answered: &Answered, event: Event) {
        if let Some(sender) = &self.sender {
            // It fails when nobody reads any more.
            let _ = sender.send(EventLine {
                id: answered.id,
                attempt: answered.attempt.clone(),
                event,
            });
        }
    }

    /// Sends an event that may be lost: never waits.
    pub fn offer(&self, answered: &Answered, event: Event) {
        if let Some(sender) = &self.sender {
            let _ = sender.try_send(EventLine {
                id: answered.id,
                attempt: answered.attempt.clone(),
                event,
            });
        }
    }

    /// Waits until everything is written.
    pub fn finish(mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// An event's line. One that would be too long becomes an error that says so.
fn line(event: &EventLine) -> String {
    let as_text = |event: &EventLine| {
        let mut text =
            serde_json::to_string(event).expect("events have string keys and finite numbers");
        text.push('\n');
        text
    };
    let text = as_text(event);
    if text.len() <= MAX_LINE_BYTES {
        return text;
    }
    let fault = Fault::new(
        Code::EngineFailed,
        "the answer is longer than a line may be",
    );
    as_text(&EventLine {
        id: event.id,
        attempt: None,
        event: fault.to_event(),
    })
}
