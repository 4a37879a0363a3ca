//! The conversation with `lem-load`: a child process, one request and one reply at a time, each with a deadline.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use lem_protocol::{Burst, LoadReply, LoadRequest};

use super::CharacteriseError;

/// What a request may take beyond the load that it asks for: a first context on a busy host takes seconds.
const GRACE: Duration = Duration::from_secs(60);
/// What the program may take to end when it is told to, before it is killed.
const ENDING: Duration = Duration::from_secs(5);
/// Longest reply: a wave of the most bursts, in bytes.
const MAX_REPLY: usize = 1024 * 1024;

/// The running program. Dropped, it is killed.
pub(super) struct LoadProgram {
    path: Utf8PathBuf,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl LoadProgram {
    /// Starts it for that GPU; with `log`, for the simulator.
    pub(super) fn start(
        path: &Utf8Path,
        gpu: &str,
        log: Option<&Utf8Path>,
    ) -> Result<Self, CharacteriseError> {
        let failed = |what: String| CharacteriseError::LoadProgram {
            program: path.to_owned(),
            what,
        };
        let mut command = Command::new(path);
        command.args(["--gpu", gpu]);
        if let Some(log) = log {
            if let Some(folder) = log.parent() {
                std::fs::create_dir_all(folder)
                    .map_err(|error| failed(format!("has no place for its log: {error}")))?;
            }
            command.args(["--simulate", log.as_str()]);
        }
        command
            .env("CUDA_VISIBLE_DEVICES", gpu)
            // It compiles one small kernel: nothing of it needs to stay in the user's home.
            .env("CUDA_CACHE_DISABLE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| failed(format!("does not start: {error}")))?;
        // Both were asked for above.
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (send, lines) = channel();
        let reader = move || {
            let Some(output) = output else { return };
            let mut output = BufReader::new(output);
            loop {
                let mut line = String::new();
                let mut bounded = std::io::Read::take(&mut output, MAX_REPLY as u64);
                match bounded.read_line(&mut line) {
                    Ok(1..) if send.send(line).is_ok() => {}
                    _ => return,
                }
            }
        };
        let reading = std::thread::Builder::new().spawn(reader);
        let program = Self {
            path: path.to_owned(),
            child,
            input,
            lines,
        };
        reading.map_err(CharacteriseError::Thread)?;
        Ok(program)
    }

    /// Its pid.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks and waits for the answer: the bursts that it put on the GPU.
    pub(super) fn ask(&mut self, request: &LoadRequest) -> Result<Vec<Burst>, CharacteriseError> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| self.failed(format!("cannot be asked: {error}")))?;
        line.push(b'\n');
        let written = match &mut self.input {
            Some(input) => input.write_all(&line).and_then(|()| input.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|error| self.failed(format!("does not listen: {error}")))?;
        let load = match *request {
            LoadRequest::Busy { seconds } | LoadRequest::Wave { seconds, .. } => {
                Duration::from_secs_f64(seconds)
            }
            _ => Duration::ZERO,
        };
        let answer = self.lines.recv_timeout(load + GRACE).map_err(|error| {
            self.failed(match error {
                RecvTimeoutError::Timeout => format!("does not answer {request:?}"),
                RecvTimeoutError::Disconnected => "is gone".to_owned(),
            })
        })?;
        match serde_json::from_str(&answer) {
            Ok(LoadReply::Ready { .. }) => Ok(Vec::new()),
            Ok(LoadReply::Done { bursts, .. }) => Ok(bursts),
            Ok(LoadReply::Failed { code, message }) => Err(CharacteriseError::Load {
                reason: code,
                message,
            }),
            Err(error) => Err(self.failed(format!("answers with something else: {error}"))),
        }
    }

    /// Tells it to end and waits for that; kills it if it does not.
    pub(super) fn end(mut self) {
        if let Some(mut input) = self.input.take() {
            // A program that is gone needs no telling.
            let _ = input.write_all(b"{\"request\":\"quit\"}\n");
        }
        // The reader ends with the program's stdout.
        while self.lines.recv_timeout(ENDING).is_ok() {}
    }

    fn failed(&self, what: String) -> CharacteriseError {
        CharacteriseError::LoadProgram {
            program: self.path.clone(),
            what,
        }
    }
}

impl Drop for LoadProgram {
    fn drop(&mut self) {
        // Already ended is fine; then this only collects it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
