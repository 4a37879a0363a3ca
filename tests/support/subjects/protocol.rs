//! What a container says: the conversation with a worker, and the lines of the agent, the fetch and the load program.
//!
//! The byte 0xff ends a piece of stdout, 0xfe one of stderr: the Engine cuts where it wants.

use std::time::Duration;

use futures_util::stream;
use lem_protocol::{
    EventLine, ExitRecord, FetchReply, FetchRequest, LoadReply, LoadRequest, MAX_LINE_BYTES,
    ProbeReport, Request, RequestLine, SweepReport, WorkloadFile,
};
use lemctl::containers::{ExecOutput, ExecSession};
use lemctl::worker::{Lines, Piece, Worker, printable};

pub fn run(bytes: &[u8]) {
    lines(bytes);
    let pieces = pieces(bytes);
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(converse(pieces)));
}

fn pieces(bytes: &[u8]) -> Vec<ExecOutput> {
    let cut = bytes.split_inclusive(|byte| *byte >= 0xfe);
    cut.map(|piece| match piece.split_last() {
        Some((0xfe, piece)) => ExecOutput::Stderr(piece.to_vec()),
        Some((0xff, piece)) => ExecOutput::Stdout(piece.to_vec()),
        _ => ExecOutput::Stdout(piece.to_vec()),
    })
    .collect()
}

/// Asks until the worker is gone; what an error says can be shown.
async fn converse(pieces: Vec<ExecOutput>) {
    let session = ExecSession {
        id: "exec".to_owned(),
        stdin: Box::pin(tokio::io::sink()),
        output: Box::pin(stream::iter(pieces.into_iter().map(Ok))),
    };
    let mut worker = Worker::new(session, None);
    for number in 0..8 {
        let attempt = (number % 2 == 1).then_some("e.c1.a1");
        let request = match number {
            0 => Request::Hello {},
            _ => Request::Ping {},
        };
        let answered = worker.ask(attempt, request, Duration::from_secs(5)).await;
        if let Err(error) = answered {
            let text = error.to_string();
            super::assert_printable(&text);
            assert!(!text.contains('\n'), "{text:?}");
        }
    }
    assert!(
        worker.ended(Duration::from_secs(5)).await,
        "the reader hangs"
    );
}

/// Every line as each kind that one may be; what is read is written and read as the same.
fn lines(bytes: &[u8]) {
    let mut lines = Lines::new(MAX_LINE_BYTES);
    lines.push(bytes, |piece| {
        let Piece::Line(line) = piece else { return };
        super::assert_printable(&printable(line));
        same::<EventLine>(line);
        same::<RequestLine>(line);
        same::<ExitRecord>(line);
        same::<ProbeReport>(line);
        same::<SweepReport>(line);
        same::<FetchReply>(line);
        same::<FetchRequest>(line);
        same::<LoadReply>(line);
        same::<LoadRequest>(line);
        same::<WorkloadFile>(line);
    });
}

fn same<T>(line: &[u8])
where
    T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
{
    if let Ok(read) = serde_json::from_slice::<T>(line) {
        let written = serde_json::to_vec(&read).unwrap();
        assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), read);
    }
}
