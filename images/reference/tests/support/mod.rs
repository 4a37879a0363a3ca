//! The other end of the worker's pipes.
#![allow(dead_code, reason = "each test uses a part of the kit")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use lem_protocol::{Event, EventLine, MarkName};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub fn engine(threads: usize) -> Value {
    json!({"threads": threads, "dtype": "float32", "hidden_size": 32, "num_layers": 2, "num_heads": 4,
        "num_kv_heads": 2, "intermediate_size": 64, "vocab_size": 97, "context_length": 64})
}

pub fn load(parameters: Value) -> Value {
    json!({"type": "load", "parameters": parameters, "model": {"source": "random", "seed": 1}, "gpus": []})
}

pub fn work(workload: &str, batch_size: u32) -> Value {
    json!({"workload": workload, "arrival": {"kind": "batch"}, "parameters": {"batch_size": batch_size, "temperature": 0}})
}

pub fn minima(min_seconds: f64, min_requests: u32) -> Value {
    json!({"min_seconds": min_seconds, "min_requests": min_requests})
}

/// A running worker. It is killed when the test ends.
pub struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    folder: TempDir,
    next_id: u64,
}

impl Talk {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A worker with this in its environment.
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["workloads", "outbox"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_lem-reference"))
            .arg("--workloads")
            .arg(folder.path().join("workloads"))
            .arg("--outbox")
            .arg(folder.path().join("outbox"))
            .env_remove("LEM_SIMULATED_GPUS")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            folder,
            next_id: 1,
        }
    }

    pub fn loaded(threads: usize) -> Self {
        let mut talk = Self::start();
        talk.load(threads);
        talk
    }

    pub fn load(&mut self, threads: usize) {
        let id = self.say(None, load(engine(threads)));
        assert_eq!(self.end(id), Ok(()));
    }

    pub fn workloads(&self) -> PathBuf {
        self.folder.path().join("workloads")
    }

    pub fn outbox(&self) -> PathBuf {
        self.folder.path().join("outbox")
    }

    /// Writes a workload of prompts of (input, output) tokens; returns its digest.
    pub fn workload(&self, prompts: &[(u32, u32)]) -> String {
        self.scheduled(prompts, &[])
    }

    /// The same, with times at which requests are due.
    pub fn scheduled(&self, prompts: &[(u32, u32)], arrivals_ns: &[u64]) -> String {
        let prompts: Vec<_> = prompts
            .iter()
            .map(|(input, output)| {
                let ids: Vec<u32> = (0..*input)
                    .map(|place| (place * 31 + output) % 97)
                    .collect();
                json!({"input_ids": ids, "output_tokens": output})
            })
            .collect();
        let text = json!({"vocab_size": 97, "prompts": prompts, "arrivals_ns": arrivals_ns});
        let text = text.to_string();
        let digest: String = Sha256::digest(&text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        fs::write(self.workloads().join(format!("{digest}.json")), text).unwrap();
        digest
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin
            .write_all(bytes)
            .and_then(|()| stdin.write_all(b"\n"))
            .unwrap();
    }

    /// Sends a request and returns its id.
    pub fn say(&mut self, attempt: Option<&str>, request: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut line = json!({"id": id, "request": request});
        if let Some(attempt) = attempt {
            line["attempt"] = json!(attempt);
        }
        self.raw(line.to_string().as_bytes());
        id
    }

    /// The next event, which must answer `id`.
    pub fn event(&mut self, id: u64) -> Event {
        let line = self.line();
        assert_eq!(line.id, id, "{line:?}");
        line.event
    }

    fn line(&mut self) -> EventLine {
        let mut text = String::new();
        self.stdout.read_line(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// A request with one answer.
    pub fn ask(&mut self, attempt: Option<&str>, request: Value) -> Event {
        let id = self.say(attempt, request);
        self.event(id)
    }

    /// One warm-up, with the marks around it, and how it ended.
    pub fn warm_up(&mut self, attempt: Option<&str>, request: Value) -> Event {
        let id = self.say(attempt, request);
        for expected in [MarkName::WarmupStart, MarkName::WarmupEnd] {
            match self.event(id) {
                Event::Mark(mark) => assert_eq!(mark.name, expected),
                other => panic!("no mark: {other:?}"),
            }
        }
        self.event(id)
    }

    /// The code with which a request is refused at once, with a message.
    pub fn refusal(&mut self, attempt: Option<&str>, request: Value) -> String {
        match self.ask(attempt, request) {
            Event::Error { code, message, .. } if !message.is_empty() => code,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Starts a measurement of two sequences and lets it go.
    pub fn measure(&mut self, attempt: &str, workload: &str, measure: Value) -> u64 {
        let id = self.say(
            Some(attempt),
            json!({"type": "measure", "work": work(workload, 2), "measure": measure}),
        );
        assert_eq!(self.event(id), Event::Ready {});
        self.say(Some(attempt), json!({"type": "go"}));
        id
    }

    /// Reads on to the end of a request: done, or an error's code. What answers others is skipped.
    pub fn end(&mut self, id: u64) -> Result<(), String> {
        loop {
            match self.line() {
                EventLine {
                    id: found,
                    event: Event::Done { .. },
                    ..
                } if found == id => return Ok(()),
                EventLine {
                    id: found,
                    event: Event::Error { code, .. },
                    ..
                } if found == id => return Err(code),
                _ => {}
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).unwrap();
    }

    /// Ends the worker's stdin.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// Its exit code, which must come without being asked for again: the patience is that of a machine that is busy.
    pub fn exit_code(&mut self) -> Option<i32> {
        let patience = Duration::from_secs(30);
        #[expect(clippy::disallowed_methods, reason = "a deadline for the test itself")]
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                start.elapsed() < patience,
                "the worker is still there after {patience:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What is left on stdout after the worker's end.
    pub fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        text
    }

    /// Threads of the worker.
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.child.id()))
            .unwrap()
            .count()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
