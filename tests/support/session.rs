//! A lemctl that runs while the test watches: its `--progress json` lines, signals to it, its end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::project::said::Watch;
use super::project::{Project, Said};

/// Longer than anything in these tests takes; who waits longer waits for nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running lemctl.
pub struct Session {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Session {
    /// Starts lemctl; `arguments` must ask for a session.
    pub fn start(project: &Project, arguments: &[&str]) -> Self {
        Self::start_with(project, arguments, |_| {})
    }

    /// The same with more in its environment.
    pub fn start_with(
        project: &Project,
        arguments: &[&str],
        more: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = project.lemctl(arguments);
        more(&mut command);
        command.args(["--progress", "json"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// The process: setpriv becomes lemctl.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line from now on that `fits`.
    pub fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    let value: Value = serde_json::from_str(&line)
                        .unwrap_or_else(|error| panic!("not JSON: {line}: {error}"));
                    self.seen.push(line);
                    if fits(&value) {
                        return value;
                    }
                }
                Err(why) => {
                    let gone = why == RecvTimeoutError::Disconnected;
                    let _ = self.child.kill();
                    let mut stderr = String::new();
                    let _ = self
                        .child
                        .stderr
                        .take()
                        .unwrap()
                        .read_to_string(&mut stderr);
                    let last = self.seen.len().saturating_sub(15);
                    panic!(
                        "{what} never came (ended: {gone}): {stderr}\n{}",
                        self.seen[last..].join("\n")
                    );
                }
            }
        }
    }

    /// Waits until a run is in `phase`.
    pub fn wait_phase(&mut self, phase: &str) -> String {
        let fits = |line: &Value| line["notice"] == "phase" && line["phase"] == phase;
        super::campaign_files::text(&self.wait_for(phase, fits)["run"])
    }

    /// Waits for an event of a kind; gives its content.
    pub fn wait_event(&mut self, kind: &str) -> Value {
        let fits = |line: &Value| line["event"].get(kind).is_some();
        self.wait_for(kind, fits)["event"][kind].take()
    }

    /// Waits until a step whose id begins with `step` is `kind` (`step_started`, `step_done`).
    pub fn wait_step(&mut self, kind: &str, step: &str) -> Value {
        let fits = |line: &Value| {
            line["event"][kind]["step"]
                .as_str()
                .is_some_and(|id| id.starts_with(step))
        };
        self.wait_for(step, fits)["event"][kind].take()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status();
        assert!(status.unwrap().success(), "kill -s {name}");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, within a limit.
    pub fn end(mut self) -> Said {
        let watch = Watch::begin(self.pid());
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let code = self.child.wait().unwrap().code();
        self.seen.extend(self.lines.iter());
        watch.end();
        Said {
            code,
            stdout: self.seen.join("\n"),
            stderr,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // After a failed test only; what ended is left alone.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits until `holds`.
pub fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
