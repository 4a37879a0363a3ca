//! A container engine in memory: the second implementation of `ContainerEngine`, under the same
//! contract suite as Docker. What an exec runs is a program given as an async closure, so a test can
//! play any worker; any call can be made to fail.

#![allow(dead_code, reason = "each integration test uses its own part")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::stream;
use lemctl::compose::MountSource;
use lemctl::containers::{
    ContainerEngine, ContainerId, ContainerSpec, ContainerState, ContainerSummary, EngineError,
    EngineInfo, ExecOutput, ExecSession, ExecStatus, ImageBuild, ImageIdentity, VolumeSummary,
};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

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

type Program = Arc<dyn Fn(Process) -> Pin<Box<dyn Future<Output = i64> + Send>> + Send + Sync>;

/// The engine. Clones share their state.
#[derive(Clone, Default)]
pub struct FakeEngine {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    images: BTreeMap<String, ImageIdentity>,
    containers: BTreeMap<String, Container>,
    volumes: BTreeMap<String, BTreeMap<String, String>>,
    execs: HashMap<String, Exec>,
    programs: BTreeMap<String, Program>,
    faults: Vec<Fault>,
    calls: Vec<String>,
    boot_lines: Vec<String>,
    ids: u64,
}

struct Container {
    spec: ContainerSpec,
    running: bool,
    exit_code: Option<i64>,
    log: Vec<String>,
}

struct Exec {
    container: String,
    exit_code: Arc<Mutex<Option<i64>>>,
    process: JoinHandle<()>,
}

struct Fault {
    call: String,
    after: usize,
    error: EngineError,
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
        let mut state = self.state();
        let position = state.faults.iter_mut().position(|fault| {
            let hit = line.starts_with(&fault.call);
            let due = hit && fault.after == 0;
            fault.after = fault.after.saturating_sub(usize::from(hit));
            due
        });
        state.calls.push(line);
        match position {
            Some(position) => Err(state.faults.remove(position).error),
            None => Ok(state),
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

impl State {
    fn id_of(&self, name: &str) -> Option<String> {
        let mut containers = self.containers.iter();
        containers
            .find(|(_, container)| container.spec.overlay().name == name)
            .map(|(id, _)| id.clone())
    }

    fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("{:064x}", self.ids)
    }

    fn end(&mut self, id: &str, exit_code: i64) {
        if let Some(container) = self
            .containers
            .get_mut(id)
            .filter(|container| container.running)
        {
            container.running = false;
            container.exit_code = Some(exit_code);
        }
        for exec in self.execs.values().filter(|exec| exec.container == id) {
            exec.process.abort();
            exec.exit_code
                .lock()
                .expect("held for an instant only")
                .get_or_insert(137);
        }
    }

    fn volumes_of(&self, spec: &ContainerSpec) -> Vec<(String, BTreeMap<String, String>)> {
        let mounts = spec.service().mounts.iter();
        mounts
            .filter_map(|mount| match &mount.source {
                MountSource::Volume(volume) => Some((volume.name.clone(), volume.labels.clone())),
                MountSource::Bind(_) => None,
            })
            .collect()
    }
}

fn identity(reference: &str, labels: BTreeMap<String, String>) -> ImageIdentity {
    ImageIdentity {
        reference: reference.to_owned(),
        id: format!(
            "sha256:{:064x}",
            reference.bytes().map(u64::from).sum::<u64>()
        ),
        repo_digests: Vec::new(),
        containerd_store: false,
        storage_driver: "fake".to_owned(),
        created: None,
        size_bytes: 1,
        platform: "linux/amd64".to_owned(),
        labels,
    }
}

fn labels_of(spec: &ContainerSpec) -> BTreeMap<String, String> {
    let mut labels = spec.service().labels.clone();
    labels.extend(spec.overlay().labels.clone());
    labels
}

fn carries(has: &BTreeMap<String, String>, wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(key, value)| {
        has.get(*key)
            .is_some_and(|is| value.is_empty() || is == value)
    })
}

fn not_found(what: &str, id: &str) -> EngineError {
    EngineError::NotFound {
        what: what.to_owned(),
        message: format!("No such container: {id}"),
    }
}

impl ContainerEngine for FakeEngine {
    async fn engine(&self) -> Result<EngineInfo, EngineError> {
        drop(self.call("engine".to_owned())?);
        Ok(EngineInfo {
            version: "27.0.0".to_owned(),
            api_version: "1.46".to_owned(),
            operating_system: "Fake OS".to_owned(),
            kernel: "6.1.0".to_owned(),
            architecture: "x86_64".to_owned(),
            storage_driver: "fake".to_owned(),
            containerd_store: false,
            cgroup_version: "2".to_owned(),
            cgroup_driver: "systemd".to_owned(),
            rootless: false,
            live_restore: false,
            runtimes: vec!["runc".to_owned()],
            cdi_spec_dirs: Vec::new(),
            cdi_devices: Vec::new(),
            data_root: "/var/lib/fake".to_owned(),
            cpus: 2,
            memory_bytes: 1 << 33,
        })
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageIdentity>, EngineError> {
        let state = self.call(format!("image {reference}"))?;
        Ok(state.images.get(reference).cloned())
    }

    async fn build(
        &self,
        build: &ImageBuild,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<ImageIdentity, EngineError> {
        let mut state = self.call(format!("build {}", build.reference))?;
        let lines: Vec<&str> = build
            .dockerfile
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        for (index, line) in lines.iter().enumerate() {
            let step = format!("Step {}/{} : {line}", index + 1, lines.len());
            progress(&step);
            let mut words = line.split_whitespace();
            let missing = match (words.next(), words.next()) {
                (Some("COPY"), Some(path)) => build.files.iter().all(|file| file.path != path),
                _ => false,
            };
            if missing {
                let message = format!("{line}: no such file in the context");
                return Err(EngineError::BuildFailed {
                    reference: build.reference.clone(),
                    step,
                    message,
                });
            }
        }
        let image = identity(&build.reference, build.labels.clone());
        state.images.insert(build.reference.clone(), image.clone());
        Ok(image)
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        let name = spec.overlay().name.clone();
        let what = format!("creating container {name}");
        let mut state = self.call(format!("create {name}"))?;
        let reference = &spec.service().image;
        if !state.images.contains_key(reference) {
            return Err(EngineError::ImageMissing {
                reference: reference.clone(),
            });
        }
        if state.id_of(&name).is_some() {
            let message = format!("the name {name} is in use");
            return Err(EngineError::Conflict { what, message });
        }
        let overlay = spec.overlay().mounts();
        if let Some(missing) = overlay.iter().find(|mount| !mount.source.exists()) {
            let message = format!("bind source path does not exist: {}", missing.source);
            return Err(EngineError::Api {
                what,
                status: 400,
                message,
            });
        }
        for (name, labels) in state.volumes_of(spec) {
            state.volumes.entry(name).or_insert(labels);
        }
        let id = state.next_id();
        let container = Container {
            spec: spec.clone(),
            running: false,
            exit_code: None,
            log: Vec::new(),
        };
        state.containers.insert(id.clone(), container);
        Ok(ContainerId(id))
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        let mut state = self.call(format!("start {}", self.name_of(id)))?;
        let boot_lines = state.boot_lines.clone();
        let container = state.containers.get_mut(id.as_str());
        let container = container.ok_or_else(|| not_found("starting", id.as_str()))?;
        container.running = true;
        container.exit_code = None;
        container.log.extend(boot_lines);
        Ok(())
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        let mut state = self.call(format!("stop {} {}s", self.name_of(id), grace.as_secs()))?;
        if !state.containers.contains_key(id.as_str()) {
            return Err(not_found("stopping", id.as_str()));
        }
        state.end(id.as_str(), 137);
        Ok(())
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        let mut state = self.call(format!("remove {}", self.name_of(id)))?;
        state.end(id.as_str(), 137);
        state.containers.remove(id.as_str());
        state.execs.retain(|_, exec| exec.container != id.as_str());
        Ok(())
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<ContainerState>, EngineError> {
        let state = self.call(format!("inspect {}", self.name_of(id)))?;
        Ok(state
            .containers
            .get(id.as_str())
            .map(|container| ContainerState {
                id: id.clone(),
                name: container.spec.overlay().name.clone(),
                running: container.running,
                paused: false,
                exit_code: container.exit_code,
                oom_killed: false,
                error: String::new(),
                pid: container.running.then_some(4242),
                labels: labels_of(&container.spec),
                image_id: state
                    .images
                    .get(&container.spec.service().image)
                    .map(|i| i.id.clone())
                    .unwrap_or_default(),
                started_at: container.running.then(|| "2030-01-01T00:00:00Z".to_owned()),
            }))
    }

    async fn list(&self, labels: &[(&str, &str)]) -> Result<Vec<ContainerSummary>, EngineError> {
        let state = self.call("list".to_owned())?;
        let mut summaries: Vec<_> = state
            .containers
            .iter()
            .filter(|(_, container)| carries(&labels_of(&container.spec), labels))
            .map(|(id, container)| ContainerSummary {
                id: ContainerId(id.clone()),
                name: container.spec.overlay().name.clone(),
                running: container.running,
                labels: labels_of(&container.spec),
                image_id: String::new(),
            })
            .collect();
        summaries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(summaries)
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<String, EngineError> {
        let state = self.call(format!("logs {}", self.name_of(id)))?;
        let container = state.containers.get(id.as_str());
        let log = &container.ok_or_else(|| not_found("logs", id.as_str()))?.log;
        let skipped = log.len().saturating_sub(lines as usize);
        Ok(log[skipped..]
            .iter()
            .map(|line| format!("{line}\n"))
            .collect())
    }

    async fn exec(&self, id: &ContainerId, argv: &[String]) -> Result<ExecSession, EngineError> {
        let mut state = self.call(format!("exec {} {}", self.name_of(id), argv.join(" ")))?;
        let container = state
            .containers
            .get(id.as_str())
            .ok_or_else(|| not_found("exec", id.as_str()))?;
        if !container.running {
            let message = format!("container {id} is not running");
            return Err(EngineError::Conflict {
                what: "exec".to_owned(),
                message,
            });
        }
        let (stdin, process_stdin) = tokio::io::duplex(64 * 1024);
        let (output, receiver) = mpsc::channel(64);
        let process = Process {
            argv: argv.to_vec(),
            spec: container.spec.clone(),
            stdin: process_stdin,
            output,
        };
        let program = argv
            .first()
            .and_then(|path| state.programs.get(path))
            .cloned();
        let exit_code = Arc::new(Mutex::new(None));
        let ended = exit_code.clone();
        let running = tokio::spawn(async move {
            // The stream ends when the program returns; its exit code is known before.
            let output = process.output.clone();
            let code = match program {
                Some(program) => program(process).await,
                None => {
                    process
                        .stdout("OCI runtime exec failed: no such file or directory\r\n")
                        .await;
                    126
                }
            };
            ended
                .lock()
                .expect("held for an instant only")
                .get_or_insert(code);
            drop(output);
        });
        let exec = state.next_id();
        let running = Exec {
            container: id.0.clone(),
            exit_code,
            process: running,
        };
        state.execs.insert(exec.clone(), running);
        let output = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (Ok(piece), receiver))
        });
        Ok(ExecSession {
            id: exec,
            stdin: Box::pin(stdin),
            output: Box::pin(output),
        })
    }

    async fn exec_status(&self, exec: &str) -> Result<ExecStatus, EngineError> {
        let state = self.call("exec_status".to_owned())?;
        let Some(exec) = state.execs.get(exec) else {
            return Err(not_found("inspecting an exec", exec));
        };
        let exit_code = *exec.exit_code.lock().expect("held for an instant only");
        Ok(ExecStatus {
            running: exit_code.is_none(),
            exit_code,
        })
    }

    async fn list_volumes(
        &self,
        labels: &[(&str, &str)],
    ) -> Result<Vec<VolumeSummary>, EngineError> {
        let state = self.call("list_volumes".to_owned())?;
        let volumes = state.volumes.iter().filter(|(_, has)| carries(has, labels));
        Ok(volumes
            .map(|(name, labels)| VolumeSummary {
                name: name.clone(),
                labels: labels.clone(),
            })
            .collect())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let mut state = self.call(format!("remove_volume {name}"))?;
        let mut users = state.containers.values();
        if users.any(|container| {
            state
                .volumes_of(&container.spec)
                .iter()
                .any(|(used, _)| used == name)
        }) {
            let what = format!("removing volume {name}");
            return Err(EngineError::Conflict {
                what,
                message: "volume is in use".to_owned(),
            });
        }
        state.volumes.remove(name);
        Ok(())
    }
}
