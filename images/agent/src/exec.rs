//! The wrapper around one worker: starts it in a session of its own, waits, kills what it left behind in
//! that session, and writes down how it ended.
//!
//! The worker has the wrapper's standard streams, so nothing is copied between it and lemctl. The
//! wrapper is deaf to signals: a worker cannot talk it out of waiting. Killing it kills the worker.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread::sleep;
use std::time::Duration;

use lem_protocol::{ExitRecord, WORKER_NOT_STARTED};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::arguments::{SESSION, Worker};
use crate::clock::monotonic_ns;
use crate::exit_record;
use crate::failure::{Failure, exit_code};
use crate::memory_kills;
use crate::processes;

/// How long to wait for a killed session to be gone.
const PATIENCE_NS: u64 = 5 * 1_000_000_000;
/// Longest reason, in bytes, that is taken from the session's file: the worker could write it too.
const MAX_TROUBLE_BYTES: u64 = 1_000;

/// The subcommand; ends with the worker's exit code, or 128 and its signal.
pub fn run(worker: &Worker) -> Result<ExitCode, Failure> {
    SigSet::all()
        .thread_block()
        .map_err(|error| Failure::system("blocking", "signals", error))?;
    fs::create_dir_all(&worker.exits)
        .map_err(|error| Failure::system("making", worker.exits.display(), error))?;
    let trouble = Trouble::new(worker);
    let kills_before = memory_kills::count();
    let started_ns = monotonic_ns();
    let mut child = start(worker, &trouble.path)?;
    let (leftovers, status) = wait(&mut child)?;
    let ended_ns = monotonic_ns();
    let error = trouble.read();
    let record = ExitRecord {
        id: worker.id.clone(),
        pid: child.id(),
        started_ns,
        ended_ns,
        exit_code: status.code(),
        signal: status.signal(),
        leftovers,
        memory_kills: kills_before
            .and_then(|before| Some(memory_kills::count()?.saturating_sub(before))),
        error,
    };
    if let Err(failure) = exit_record::write(&worker.exits, &record) {
        // The exit code is still worth more than the failure to write it down.
        let _ = writeln!(std::io::stderr(), "lem-agent: {failure}");
    }
    Ok(exit_code(match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => WORKER_NOT_STARTED,
    }))
}

fn start(worker: &Worker, trouble: &Path) -> Result<Child, Failure> {
    Command::new("/proc/self/exe")
        .arg(SESSION)
        .arg(std::process::id().to_string())
        .arg(trouble)
        .arg("--")
        .args(&worker.argv)
        .spawn()
        .map_err(|error| Failure::system("starting", "the worker's session", error))
}

/// Waits for the leader, kills its session while its number cannot be given to another process, and
/// only then collects it.
fn wait(child: &mut Child) -> Result<(u32, ExitStatus), Failure> {
    let pid =
        i32::try_from(child.id()).map_err(|error| Failure::system("reading", "a pid", error))?;
    let leader = Pid::from_raw(pid);
    loop {
        match waitid(Id::Pid(leader), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(Failure::system("waiting for", "the worker", error)),
        }
    }
    let leftovers = end_session(leader);
    let status = child
        .wait()
        .map_err(|error| Failure::system("waiting for", "the worker", error))?;
    Ok((leftovers, status))
}

/// Kills what still lives in the session of `leader` and counts it. A process that made a session of
/// its own has left this one; the sweep finds it.
fn end_session(leader: Pid) -> u32 {
    let deadline_ns = monotonic_ns().saturating_add(PATIENCE_NS);
    let mut killed = std::collections::BTreeSet::new();
    loop {
        let left: Vec<i32> = processes::list()
            .unwrap_or_default()
            .into_iter()
            // PID 1 leads no session of a worker's; whatever the list says, it is never signalled.
            .filter(|process| process.pid > 1 && process.session == leader.as_raw())
            .filter(|process| !process.zombie)
            .map(|process| process.pid)
            .collect();
        if left.is_empty() || monotonic_ns() >= deadline_ns {
            return u32::try_from(killed.len()).unwrap_or(u32::MAX);
        }
        let _ = killpg(leader, Signal::SIGKILL);
        for pid in left {
            // It may be gone already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            killed.insert(pid);
        }
        sleep(Duration::from_millis(2));
    }
}

/// The file in which the session says why it could not become the worker.
struct Trouble {
    path: PathBuf,
}

impl Trouble {
    fn new(worker: &Worker) -> Self {
        let path = worker.exits.join(format!(".{}.trouble", worker.id));
        // One that an earlier wrapper of the same id left behind is not about this one.
        let _ = fs::remove_file(&path);
        Self { path }
    }

    fn read(&self) -> Option<String> {
        let file = fs::File::open(&self.path).ok()?;
        let mut bytes = Vec::new();
        let _ = file.take(MAX_TROUBLE_BYTES).read_to_end(&mut bytes);
        let _ = fs::remove_file(&self.path);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
