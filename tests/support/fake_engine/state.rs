//! What the fake engine holds.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use lemctl::compose::MountSource;
use lemctl::containers::{ContainerSpec, EngineError, Happening, ImageIdentity};
use tokio::task::JoinHandle;

use super::Process;

pub(super) type Program =
    Arc<dyn Fn(Process) -> Pin<Box<dyn Future<Output = i64> + Send>> + Send + Sync>;

#[derive(Default)]
pub(super) struct State {
    pub(super) images: BTreeMap<String, ImageIdentity>,
    pub(super) containers: BTreeMap<String, Container>,
    pub(super) volumes: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) execs: HashMap<String, Exec>,
    pub(super) programs: BTreeMap<String, Program>,
    pub(super) faults: Vec<Fault>,
    pub(super) down: Option<EngineError>,
    pub(super) interludes: Vec<(usize, Box<dyn FnOnce() + Send>)>,
    pub(super) calls: Vec<String>,
    pub(super) happenings: Vec<(String, Happening)>,
    pub(super) boot_lines: Vec<String>,
    pub(super) ids: u64,
}

pub(super) struct Container {
    pub(super) spec: ContainerSpec,
    pub(super) running: bool,
    pub(super) exit_code: Option<i64>,
    pub(super) log: Vec<String>,
    pub(super) started_at: String,
}

pub(super) struct Exec {
    pub(super) container: String,
    pub(super) exit_code: Arc<Mutex<Option<i64>>>,
    pub(super) process: JoinHandle<()>,
}

pub(super) struct Fault {
    pub(super) call: String,
    pub(super) after: usize,
    pub(super) error: EngineError,
}

impl State {
    pub(super) fn id_of(&self, name: &str) -> Option<String> {
        let mut containers = self.containers.iter();
        containers
            .find(|(_, container)| container.spec.overlay().name == name)
            .map(|(id, _)| id.clone())
    }

    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("{:064x}", self.ids)
    }

    pub(super) fn end(&mut self, id: &str, exit_code: i64) {
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

    pub(super) fn befall(
        &mut self,
        id: &str,
        at: DateTime<Utc>,
        action: &str,
        exec: Option<String>,
    ) {
        let happening = Happening::new(at, action, exec);
        self.happenings.push((id.to_owned(), happening));
    }

    pub(super) fn running_execs(&self, id: &str) -> Vec<String> {
        let running = |exec: &Exec| {
            let code = exec.exit_code.lock().expect("held for an instant only");
            exec.container == id && code.is_none()
        };
        let execs = self.execs.iter().filter(|(_, exec)| running(exec));
        execs.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn volumes_of(
        &self,
        spec: &ContainerSpec,
    ) -> Vec<(String, BTreeMap<String, String>)> {
        let mounts = spec.service().mounts.iter();
        mounts
            .filter_map(|mount| match &mount.source {
                MountSource::Volume(volume) => Some((volume.name.clone(), volume.labels.clone())),
                MountSource::Bind(_) => None,
            })
            .collect()
    }
}

pub(super) fn identity(reference: &str, labels: BTreeMap<String, String>) -> ImageIdentity {
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
        entrypoint: Vec::new(),
        user: None,
        labels,
    }
}

pub(super) fn labels_of(spec: &ContainerSpec) -> BTreeMap<String, String> {
    let mut labels = spec.service().labels.clone();
    labels.extend(spec.overlay().labels.clone());
    labels
}

pub(super) fn carries(has: &BTreeMap<String, String>, wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(key, value)| {
        has.get(*key)
            .is_some_and(|is| value.is_empty() || is == value)
    })
}

pub(super) fn not_found(what: &str, id: &str) -> EngineError {
    EngineError::NotFound {
        what: what.to_owned(),
        message: format!("No such container: {id}"),
    }
}
