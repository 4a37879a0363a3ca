//! What lemctl asks: read from stdin, first in step with the conversation, later by a thread, so that a
//! cancel is seen between two tokens.

use std::io::{BufReader, Read, Stdin};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lem_protocol::RequestLine;
use serde_json::Value;

use crate::fault::{Code, Fault};
use crate::lines::{self, Line};

/// How long work may take to notice that lemctl is gone, before the process ends under it.
const GRACE: Duration = Duration::from_millis(100);

/// One thing that came over stdin.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// A request, with the line it came on.
    Request(Box<RequestLine>, String),
    /// A line that is none; the id that it seemed to have, or 0.
    Bad(u64, Fault),
    /// The end: lemctl is gone.
    Gone,
}

/// Reads stdin byte by byte, so that what comes after a line is still there for who reads on.
pub struct InStep<'a>(BufReader<ByBytes<'a>>);

struct ByBytes<'a>(&'a Stdin);

impl Read for ByBytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // Past the standard library's own buffer too.
        nix::unistd::read(self.0, &mut buffer[..1]).map_err(std::io::Error::from)
    }
}

impl<'a> InStep<'a> {
    /// Reads the standard input of this process.
    pub fn new(stdin: &'a Stdin) -> Self {
        Self(BufReader::with_capacity(1, ByBytes(stdin)))
    }

    /// Waits for the next request.
    pub fn next(&mut self) -> Incoming {
        incoming(lines::next(&mut self.0))
    }
}

/// Starts the thread that reads the rest of stdin. `end` is called some time after stdin has ended, from
/// that thread: it must end the process.
pub fn in_background(end: fn() -> !) -> Receiver<Incoming> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(std::io::stdin());
        loop {
            let incoming = incoming(lines::next(&mut stream));
            let is_gone = incoming == Incoming::Gone;
            if sender.send(incoming).is_err() || is_gone {
                break;
            }
        }
        // A long prefill has no boundary soon, and stdout may be stuck: nobody is there to wait for.
        thread::sleep(GRACE);
        end()
    });
    receiver
}

fn incoming(line: std::io::Result<Option<Line>>) -> Incoming {
    let refused = |id, message: String| {
        Incoming::Bad(
            id,
            Fault::new(Code::BadRequest, message)
                .hint("lemctl and this image do not match: rebuild it"),
        )
    };
    match line {
        Ok(Some(Line::Text(text))) => match serde_json::from_str(&text) {
            Ok(request) => Incoming::Request(Box::new(request), text),
            Err(error) => {
                let id = serde_json::from_str::<Value>(&text)
                    .ok()
                    .and_then(|value| value.get("id")?.as_u64());
                refused(id.unwrap_or(0), format!("the line is no request: {error}"))
            }
        },
        Ok(Some(Line::TooLong)) => refused(
            0,
            format!(
                "the line is longer than {} bytes",
                lem_protocol::MAX_LINE_BYTES
            ),
        ),
        Ok(Some(Line::NotText)) => refused(0, "the line is not UTF-8".to_owned()),
        Ok(None) | Err(_) => Incoming::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_keeps_its_id_if_it_has_one() {
        let id = |text: &str| match incoming(Ok(Some(Line::Text(text.to_owned())))) {
            Incoming::Bad(id, fault) => (id, fault.code),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            id(r#"{"id":7,"request":{"type":"sing"}}"#),
            (7, Code::BadRequest)
        );
        assert_eq!(id(r#"{"id":-7}"#), (0, Code::BadRequest));
        assert_eq!(id("{"), (0, Code::BadRequest));
    }
}
