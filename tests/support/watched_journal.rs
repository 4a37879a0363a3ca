//! A lemctl that gets a signal at the very moment at which an event of its journal is on disk.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::project::{Project, Said};
use super::session::{PATIENCE, Session};

/// Steps of the plan end with a backend or a load: the kind of step is what stands before.
const STEPS: [&str; 3] = ["step_started", "step_done", "step_failed"];

/// What kind of event it is: the name, for a step with the kind of step, for an attempt's end with the verdict.
pub fn kind(event: &Value) -> String {
    let (name, detail) = event.as_object().unwrap().iter().next().unwrap();
    if STEPS.contains(&name.as_str()) {
        let step = detail["step"].as_str().unwrap();
        return format!(
            "{name} {}",
            step.split_once(':').map_or(step, |(kind, _)| kind)
        );
    }
    match (&detail["verdict"], name.as_str()) {
        (Value::String(verdict), "attempt_ended") => format!("{name} {verdict}"),
        (Value::Object(verdict), "attempt_ended") => {
            format!("{name} {}", verdict.keys().next().unwrap())
        }
        _ => name.clone(),
    }
}

/// Reads what is new in the journal of a campaign.
pub struct Watch {
    folder: Utf8PathBuf,
    read: usize,
}

impl Watch {
    /// What comes from now on in the only campaign of a name, which need not have begun yet.
    pub fn new(project: &Project, name: &str) -> Self {
        let folder = project.root().join("results").join(name);
        let mut watch = Self { folder, read: 0 };
        watch.new_events();
        watch
    }

    fn bytes(&self) -> Vec<u8> {
        let mut ids = self.folder.read_dir_utf8().into_iter().flatten().flatten();
        let journal = ids.next().map(|id| id.path().join("journal.jsonl"));
        journal
            .and_then(|path| std::fs::read(path).ok())
            .unwrap_or_default()
    }

    /// Events whose line is whole.
    pub fn new_events(&mut self) -> Vec<Value> {
        let bytes = self.bytes();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at + 1);
        if whole <= self.read {
            return Vec::new();
        }
        let text = String::from_utf8(bytes[self.read..whole].to_vec()).unwrap();
        self.read = whole;
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|mut line| line["event"].take()).collect()
    }

    /// Waits for an event that `fits`; none if the session ended before.
    pub fn wait(&mut self, session: &mut Session, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let ended = session.has_ended();
            if let Some(event) = self.new_events().into_iter().find(&fits) {
                return Some(event);
            }
            if ended {
                return None;
            }
            if Instant::now() >= end {
                let text = String::from_utf8_lossy(&self.bytes()).into_owned();
                let last: Vec<&str> = text.lines().rev().take(3).collect();
                panic!("no such event came for {PATIENCE:?}; the last are {last:#?}");
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

/// Starts lemctl and sends `signal` once an event is on disk whose kind is none of `seen`, to which it is then added.
/// Gives that kind, if there was one, and lemctl's end.
pub fn signal_at_a_new_kind(
    project: &Project,
    name: &str,
    arguments: &[&str],
    signal: Signal,
    seen: &mut BTreeSet<String>,
) -> (Option<String>, Said) {
    let mut watch = Watch::new(project, name);
    let mut session = Session::start(project, arguments);
    let event = watch.wait(&mut session, |event| !seen.contains(&kind(event)));
    let found = event.as_ref().map(kind).filter(|_| !session.has_ended());
    if let Some(found) = &found {
        send(&session, signal);
        seen.insert(found.clone());
    }
    let said = session.end();
    // Another event may have come before the kill took effect: then it is that one at which lemctl died.
    if signal == Signal::KILL && found.is_some() {
        seen.extend(watch.new_events().last().map(kind));
    }
    (found, said)
}

/// Sends a signal without the time that a program for it takes. lemctl is our child: its pid is its own until it is
/// waited for.
pub fn send(session: &Session, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(session.pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}
