//! What a worker says is bounded: the length of a line, and how much of it waits.

use super::*;

/// A conversation with a worker whose stdout is this, in one piece, and then ends.
fn heard(stdout: Vec<u8>) -> Worker {
    let output = futures_util::stream::iter([Ok(ExecOutput::Stdout(stdout))]);
    let session = ExecSession {
        id: "x".to_owned(),
        stdin: Box::pin(tokio::io::sink()),
        output: Box::pin(output),
    };
    Worker::new(session, None)
}

/// `done`, in answer to request `id`.
fn done(id: u64) -> Vec<u8> {
    let outcome = Outcome::Shutdown {};
    let line = EventLine {
        id,
        attempt: None,
        event: Event::Done { outcome },
    };
    serde_json::to_vec(&line).unwrap()
}

async fn asked(stdout: Vec<u8>) -> Result<Outcome, WorkerError> {
    let hello = Request::Hello {};
    heard(stdout)
        .ask(None, hello, Duration::from_secs(60))
        .await
}

fn broken(answer: Result<Outcome, WorkerError>) -> String {
    match answer {
        Err(WorkerError::Protocol { what }) => what,
        other => panic!("not refused by the protocol: {other:?}"),
    }
}

/// One piece of output is read whole before any of it is taken: so many events wait.
#[tokio::test(start_paused = true)]
async fn at_most_64_answers_wait() {
    let flood = |idle: usize| {
        let mut lines = vec![done(0); idle];
        lines.push(done(1));
        lines.push(vec![]);
        lines.join(&b'\n')
    };
    assert_eq!(asked(flood(63)).await, Ok(Outcome::Shutdown {}));
    for idle in [64, 100] {
        let what = broken(asked(flood(idle)).await);
        assert_eq!(what, "64 answers wait that nobody asked for");
    }
}

/// Blanks fill it up, so that nothing is wrong with the line but its length.
#[tokio::test(start_paused = true)]
async fn a_line_has_at_most_256_kib() {
    let padded = |length: usize| {
        let mut line = done(1);
        line.resize(length, b' ');
        line.push(b'\n');
        line
    };
    let most = 256 * 1024;
    assert_eq!(asked(padded(most)).await, Ok(Outcome::Shutdown {}));
    let what = broken(asked(padded(most + 1)).await);
    assert_eq!(what, "a line of 262145 bytes (limit 262144)");
}
