//! The process between the wrapper and the worker: it makes a new session, ties its life to the
//! wrapper's, and becomes the worker. A subcommand of its own, because code that runs between fork and
//! exec would be unsafe.

use std::convert::Infallible;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getppid, setsid};

use crate::arguments::Start;
use crate::failure::Failure;

/// Does not return when the worker runs.
pub fn run(start: &Start) -> Failure {
    match attempt(start) {
        Ok(never) => match never {},
        Err(failure) => {
            // The wrapper puts it into the exit record; its own exit code could be the worker's.
            let _ = fs::write(&start.trouble, failure.to_string());
            failure
        }
    }
}

fn attempt(start: &Start) -> Result<Infallible, Failure> {
    setsid().map_err(|error| Failure::system("starting", "a session", error))?;
    // A wrapper that is killed must not leave a worker that nobody waits for.
    set_pdeathsig(Signal::SIGKILL)
        .map_err(|error| Failure::system("tying the worker to", "its wrapper", error))?;
    if getppid().as_raw() != start.wrapper {
        return Err(Failure::System("the wrapper is gone".into()));
    }
    // The wrapper has every signal blocked, and a mask survives exec.
    SigSet::all()
        .thread_unblock()
        .map_err(|error| Failure::system("unblocking", "signals", error))?;
    let (program, arguments) = start
        .argv
        .split_first()
        .ok_or_else(|| Failure::Usage("no program".into()))?;
    let error = Command::new(program).args(arguments).exec();
    Err(Failure::NotStarted(format!(
        "{}: {error}; expected a program that this user may execute in this image",
        program.to_string_lossy()
    )))
}
