//! What a scripted worker does instead of its duty, or beside it.

use std::sync::Arc;

use lem_protocol::{Event, Hello, Parameters, QualityRecord, Record, RequestLine};

use crate::fake_engine::Process;

/// One thing to do at a request.
#[derive(Clone)]
pub enum Act {
    /// Answers with an error of this code.
    Refuse(&'static str),
    /// Ends, by this signal.
    Crash(i32),
    /// Never answers.
    Hang,
    /// Answers, but only after these seconds.
    Slow(u64),
    /// Writes these bytes to stdout, then answers as if nothing were.
    Say(Vec<u8>),
    /// Writes these bytes again and again, this often, then answers.
    Flood(Vec<u8>, usize),
    /// So many `progress` events, then answers.
    Progress(u64),
    /// Events of an earlier request, then answers.
    Late,
    /// Events of a request that was never sent.
    Early,
    /// Events of this request for another attempt.
    OtherAttempt,
    /// `ready` twice.
    ReadyTwice,
    /// `done` before `go`.
    EarlyDone,
    /// Says something else in `hello`.
    Hello(fn(&mut Hello)),
    /// What the nth warm-up says: tokens and nanoseconds.
    Warmup(fn(usize) -> (u64, u64)),
    /// The same, after so many seconds each.
    SlowWarmup(u64, fn(usize) -> (u64, u64)),
    /// Changes the record before it is written.
    Lie(fn(&mut Record)),
    /// Changes what is said of quality before it is written, by the parameters that were loaded.
    Answers(fn(&Parameters, &mut QualityRecord)),
    /// Says `done` and writes no record.
    NoRecord,
    /// The record is a symlink to a file with the right content.
    Symlink,
    /// Says another hash than the record's.
    WrongHash,
    /// The sweep says that so many processes are left.
    Leave(u32),
    /// The probe or sweep prints this.
    Print(&'static str),
    /// Does this at once, then goes on with its duty.
    Also(Arc<dyn Fn() + Send + Sync>),
}

/// How a worker ended: exit code, signal.
pub(super) type End = (Option<i32>, Option<i32>);

/// What follows an act.
pub(super) enum Then {
    /// The answer, as if nothing had been.
    Answer,
    /// The next request: this one was answered.
    Next,
    /// Nothing more.
    Ended(End),
}

/// A request that is being answered.
pub(super) struct Talk<'a> {
    pub(super) process: &'a Process,
    pub(super) line: &'a RequestLine,
}

impl Talk<'_> {
    pub(super) async fn say(&self, event: Event) {
        self.process.stdout(super::line(self.line, event)).await;
    }

    /// Does what an act does before the answer.
    pub(super) async fn before(&self, act: &Act) -> Then {
        match act {
            Act::Refuse(code) => {
                let error = Event::Error {
                    code: (*code).to_owned(),
                    message: format!("the script says {code}"),
                    hint: None,
                };
                self.say(error).await;
                return Then::Next;
            }
            Act::Crash(signal) => {
                self.process.stderr("about to crash\n").await;
                return Then::Ended((None, Some(*signal)));
            }
            Act::Hang => std::future::pending::<()>().await,
            Act::Slow(seconds) | Act::SlowWarmup(seconds, _) => {
                tokio::time::sleep(std::time::Duration::from_secs(*seconds)).await;
            }
            Act::Say(bytes) => drop(self.process.stdout(bytes.clone()).await),
            Act::Flood(bytes, times) => {
                for _ in 0..*times {
                    self.process.stdout(bytes.clone()).await;
                }
            }
            Act::Progress(times) => {
                for completed_requests in 0..*times {
                    self.say(Event::Progress { completed_requests }).await;
                }
            }
            Act::Late | Act::Early => {
                let id = match act {
                    Act::Late => self.line.id - 1,
                    _ => self.line.id + 1,
                };
                let other = RequestLine {
                    id,
                    ..self.line.clone()
                };
                self.process
                    .stdout(super::line(&other, Event::Ready {}))
                    .await;
            }
            Act::OtherAttempt => {
                let attempt = Some("x.c1.a1".to_owned());
                let other = RequestLine {
                    attempt,
                    ..self.line.clone()
                };
                self.process
                    .stdout(super::line(&other, Event::Ready {}))
                    .await;
            }
            Act::ReadyTwice => self.say(Event::Ready {}).await,
            Act::Also(act) => act(),
            _ => {}
        }
        Then::Answer
    }
}
