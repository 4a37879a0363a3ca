//! A program that is run to its end, within a limit.

use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than any program of these tests takes to its end.
const LIMIT: Duration = Duration::from_secs(120);

/// What a finished program said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Ends a program that is still there after the limit: what loops fails its test and does not hang it.
pub struct Watch {
    ended: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watch {
    pub fn begin(pid: u32) -> Self {
        let (ended, end) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let late = end.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout);
            if late {
                let pid = pid.to_string();
                let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
            }
            late
        });
        Self { ended, thread }
    }

    /// Once the program has ended: fails if it had to be made to.
    pub fn end(self) {
        drop(self.ended);
        assert!(!self.thread.join().unwrap(), "no end within {LIMIT:?}");
    }
}

/// Runs a program to its end. Where its stdout goes is the caller's choice.
pub fn said(command: &mut Command) -> Said {
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let watch = Watch::begin(child.id());
    let output = child.wait_with_output().unwrap();
    watch.end();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
