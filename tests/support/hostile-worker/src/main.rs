//! A worker at its worst, for the fault suite: it stands between lemctl and the reference worker, passes every line on,
//! and misbehaves when a window is to be measured. In no image of lemctl: tests build it into one of their own.
//!
//! `LEM_HOSTILE` is a list of deeds, separated by commas. The first worker of a container does the first, the second one the
//! second, and so on; those beyond the list, and a deed that is empty, behave. It knows of the protocol only what its deeds
//! need: how a line of a request begins.

mod deeds;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;

use deeds::Deed;

/// The worker behind it.
const REFERENCE: &str = "/lem/reference";
/// Where workers of one container are counted.
const COUNTS: &str = "/outbox/hostile";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(deeds::LEFT_BEHIND) => deeds::stay(),
        Some(deeds::EATS_ALONG) => deeds::take(8),
        _ => {}
    }
    match converse() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lem-hostile-worker: {error}");
            ExitCode::from(70)
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the Compose file's environment is where it is told"
)]
fn deed() -> std::io::Result<Deed> {
    let told = std::env::var("LEM_HOSTILE").unwrap_or_default();
    for (number, word) in told.split(',').enumerate() {
        std::fs::create_dir_all(COUNTS)?;
        match std::fs::File::create_new(format!("{COUNTS}/{number}")) {
            Ok(_) => return Deed::named(word.trim()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Deed::Behave)
}

/// Passes lines on until the worker behind ends; gives its exit code.
fn converse() -> std::io::Result<u8> {
    let deed = deed()?;
    deed.at_start()?;
    let mut worker = Command::new(REFERENCE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut requests), Some(answers)) = (worker.stdin.take(), worker.stdout.take()) else {
        return Err(std::io::Error::other("the worker behind has no streams"));
    };
    // The worker behind lives as long as its stdin is held: a stubborn one does not let it see the end.
    let (hold, held) = channel::<()>();
    std::thread::spawn(move || {
        for line in BufReader::new(std::io::stdin())
            .split(b'\n')
            .map_while(Result::ok)
        {
            if deed.swallows(&line) {
                continue;
            }
            let passed = requests
                .write_all(&line)
                .and_then(|()| requests.write_all(b"\n"))
                .and_then(|()| requests.flush());
            if passed.is_err() {
                return;
            }
            if let Some(request) = deeds::opening(&line) {
                deed.at_window(request);
            }
        }
        if deed.ignores_the_end() {
            let _ = held.recv();
        }
    });
    for line in BufReader::new(answers).split(b'\n').map_while(Result::ok) {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.write_all(b"\n")?;
        stdout.flush()?;
    }
    let code = worker.wait()?.code();
    drop(hold);
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(71))
}
