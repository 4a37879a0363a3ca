//! A container engine in memory: the second implementation of `ContainerEngine`, under the same
//! contract suite as Docker. What an exec runs is a program given as an async closure, so a test can
//! play any worker; any call can be made to fail.

#![allow(dead_code, reason = "each integration test uses its own part")]

#[path = "fake_engine/seam.rs"]
mod seam;
#[path = "fake_engine/state.rs"]
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Utc};
use lemctl::containers::{ContainerId, ContainerSpec, EngineError, ExecOutput};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use self::state::{Fault, Program, State, identity};

/// What an exec gets.
pub struct Process {
    /// Its arguments, the program's path first.
    pub argv: Vec<String>,
    /// The container it runs in.
    pub spec: ContainerSpec,
    /// Its stdin.
    pub stdin: DuplexStream,
    /// Its stdout and stderr; closed when the program returns. Bounded: a reader that stops blocks it.
    pub output: mpsc::Sender<ExecOutput>,
}

impl Process {
    /// Writes to stdout. False when nobody listens any more.
    pub async fn stdout(&self, bytes: impl Into<Vec<u8>>) -> bool {
        self.output
            .send(ExecOutput::Stdout(bytes.into()))
            .await
            .is_ok()
    }

    /// Writes to stderr. False when nobody listens any more.
    pub async fn stderr(&self, bytes: impl Into<Vec<u8>>) -> bool {
        self.output
            .send(ExecOutput::Stderr(bytes.into()))
            .await
            .is_ok()
    }
}

/// The engine. Clones share their state.
#[derive(Clone, Default)]
pub struct FakeEngine {
    state: Arc<Mutex<State>>,
}

impl FakeEngine {
    /// An engine with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an image present.
    pub fn add_image(&self, reference: &str) {
        let image = identity(reference, BTreeMap::new());
        self.state().images.insert(reference.to_owned(), image);
    }

    /// What `argv[0] == path` does in any container; its result is the exit code.
    pub fn add_program<F, Fut>(&self, path: &str, program: F)
    where
        F: Fn(Process) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = i64> + Send + 'static,
    {
        let program: Program = Arc::new(move |process| Box::pin(program(process)));
        self.state().programs.insert(path.to_owned(), program);
    }

    /// Makes a call fail once: the one after `after` others whose line starts with `call` (`create`,
    /// `exec lem-x`, …), counted from now.
    pub fn fail(&self, call: &str, after: usize, error: EngineError) {
        self.state().faults.push(Fault {
            call: call.to_owned(),
            after,
            error,
        });
    }

    /// From now on every call fails with this error; `None` ends that.
    pub fn set_down(&self, error: Option<EngineError>) {
        self.state().down = error;
    }

    /// Does something once, before the call after `after` others is answered, counted from now.
    pub fn before_call(&self, after: usize, act: impl FnOnce() + Send + 'static) {
        self.state().interludes.push((after, Box::new(act)));
    }

    /// Every call so far, one line each: `create <name>`, `start <name>`, `exec <name> <argv…>`, …
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Kills a container from outside: PID 1 ends with `exit_code`, and every exec's stream ends cleanly.
    pub fn kill(&self, name: &str, exit_code: i64) {
        let mut state = self.state();
        if let Some(id) = state.id_of(name) {
            state.end(&id, exit_code);
        }
    }

    /// Somebody else does something to a container at that moment, and the Engine notes it: `pause`, `exec_start: sh`.
    pub fn befall(&self, name: &str, at: DateTime<Utc>, action: &str) {
        let mut state = self.state();
        if let Some(id) = state.id_of(name) {
            state.befall(&id, at, action, None);
        }
    }

    /// Somebody else restarts a container: every exec's stream ends, and another PID 1 runs.
    pub fn restart(&self, name: &str) {
        let mut state = self.state();
        let Some(id) = state.id_of(name) else { return };
        state.end(&id, 0);
        if let Some(container) = state.containers.get_mut(&id) {
            container.running = true;
            container.exit_code = None;
            container.started_at = "2030-01-01T00:10:00Z".to_owned();
        }
    }

    /// What PID 1 of every container writes when it starts.
    pub fn add_boot_line(&self, line: &str) {
        self.state().boot_lines.push(line.to_owned());
    }

    /// Adds a line to what PID 1 of a container wrote.
    pub fn say(&self, name: &str, line: &str) {
        let mut state = self.state();
        if let Some(container) = state
            .id_of(name)
            .and_then(|id| state.containers.get_mut(&id))
        {
            container.log.push(line.to_owned());
        }
    }

    /// The spec of a container, by name.
    pub fn spec(&self, name: &str) -> Option<ContainerSpec> {
        let state = self.state();
        let id = state.id_of(name)?;
        state
            .containers
            .get(&id)
            .map(|container| container.spec.clone())
    }

    /// Names of all containers.
    pub fn names(&self) -> BTreeSet<String> {
        self.state()
            .containers
            .values()
            .map(|container| container.spec.overlay().name.clone())
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds the engine")
    }

    fn call(&self, line: String) -> Result<MutexGuard<'_, State>, EngineError> {
        self.interlude();
        let mut state = self.state();
        let position = state.faults.iter_mut().position(|fault| {
            let hit = line.starts_with(&fault.call);
            let due = hit && fault.after == 0;
            fault.after = fault.after.saturating_sub(usize::from(hit));
            due
        });
        state.calls.push(line);
        if let Some(error) = &state.down {
            return Err(error.clone());
        }
        match position {
            Some(position) => Err(state.faults.remove(position).error),
            None => Ok(state),
        }
    }

    fn interlude(&self) {
        let due = {
            let mut state = self.state();
            let due = state.interludes.iter().position(|(after, _)| *after == 0);
            let due = due.map(|position| state.interludes.remove(position).1);
            for (after, _) in &mut state.interludes {
                *after -= 1;
            }
            due
        };
        if let Some(act) = due {
            act();
        }
    }

    fn name_of(&self, id: &ContainerId) -> String {
        let state = self.state();
        let container = state.containers.get(id.as_str());
        container.map_or_else(
            || id.0.clone(),
            |container| container.spec.overlay().name.clone(),
        )
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an Engine has a clock of its own"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}
